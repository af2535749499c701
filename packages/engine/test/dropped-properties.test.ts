import type { Stack } from '@aws-sdk/client-cloudformation';
import { Lambda } from '@aws-sdk/client-lambda';
import { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { CloudFormationWorld } from './cloudformation-world.ts';

const CAPABLE = { Capabilities: ['CAPABILITY_IAM'] };

const outputOf = (stack: Stack) => stack.Outputs![0]!.OutputValue!;

test('AWS::Lambda::Function: what a template no longer says is Lambda’s default again', async () => {
  const world = await CloudFormationWorld.start();
  const lambda = new Lambda(world.engine.client);
  const template = (extra: object) => ({
    Resources: {
      Dead: { Type: 'AWS::SQS::Queue' },
      Role: {
        Type: 'AWS::IAM::Role',
        Properties: {
          AssumeRolePolicyDocument: {
            Statement: [
              { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' },
            ],
          },
          ManagedPolicyArns: ['arn:aws:iam::aws:policy/AdministratorAccess'],
        },
      },
      Function: {
        Type: 'AWS::Lambda::Function',
        Properties: {
          Role: { 'Fn::GetAtt': ['Role', 'Arn'] },
          Runtime: 'nodejs24.x',
          Handler: 'index.handler',
          Code: { ZipFile: 'exports.handler = async () => 1' },
          ...extra,
        },
      },
    },
    Outputs: { Name: { Value: { Ref: 'Function' } } },
  });
  const FunctionName = outputOf(
    await world.create(
      'app',
      template({
        DeadLetterConfig: { TargetArn: { 'Fn::GetAtt': ['Dead', 'Arn'] } },
        LoggingConfig: { LogGroup: '/own/group' },
        TracingConfig: { Mode: 'Active' },
        EphemeralStorage: { Size: 1024 },
      }),
      CAPABLE,
    ),
  );
  const read = () => lambda.getFunctionConfiguration({ FunctionName });
  expect(await read()).toMatchObject({
    DeadLetterConfig: { TargetArn: expect.stringContaining(':sqs:') },
    LoggingConfig: { LogGroup: '/own/group' },
    TracingConfig: { Mode: 'Active' },
    EphemeralStorage: { Size: 1024 },
  });
  await world.update('app', template({}), CAPABLE);
  const after = await read();
  expect(after.DeadLetterConfig).toBeUndefined();
  expect(after).toMatchObject({
    LoggingConfig: { LogGroup: `/aws/lambda/${FunctionName}` },
    TracingConfig: { Mode: 'PassThrough' },
    EphemeralStorage: { Size: 512 },
  });
});

test('AWS::S3::Bucket: what a template no longer says is taken from the bucket', async () => {
  const world = await CloudFormationWorld.start();
  const s3 = new S3({ ...world.engine.client, forcePathStyle: true });
  const template = (Properties: object) => ({
    Resources: { Bucket: { Type: 'AWS::S3::Bucket', Properties } },
    Outputs: { Bucket: { Value: { Ref: 'Bucket' } } },
  });
  const Bucket = outputOf(
    await world.create(
      'app',
      template({
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
        },
        LifecycleConfiguration: { Rules: [{ Status: 'Enabled', ExpirationInDays: 3 }] },
        OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
        PublicAccessBlockConfiguration: { BlockPublicAcls: true },
        VersioningConfiguration: { Status: 'Enabled' },
        LoggingConfiguration: { LogFilePrefix: 'logs/' },
        Tags: [{ Key: 'team', Value: 'blue' }],
      }),
    ),
  );
  expect((await s3.getBucketTagging({ Bucket })).TagSet).toEqual([{ Key: 'team', Value: 'blue' }]);
  expect((await s3.getBucketOwnershipControls({ Bucket })).OwnershipControls!.Rules).toHaveLength(1);
  expect((await s3.getBucketLogging({ Bucket })).LoggingEnabled).toMatchObject({ TargetPrefix: 'logs/' });
  const updated = await world.update('app', template({ Tags: [] }));
  expect(updated.StackStatus).toBe('UPDATE_COMPLETE');
  const missing = (name: string) => expect.objectContaining({ name });
  await expect(s3.getBucketEncryption({ Bucket })).rejects.toEqual(
    missing('ServerSideEncryptionConfigurationNotFoundError'),
  );
  await expect(s3.getBucketLifecycleConfiguration({ Bucket })).rejects.toEqual(
    missing('NoSuchLifecycleConfiguration'),
  );
  await expect(s3.getBucketOwnershipControls({ Bucket })).rejects.toEqual(
    missing('OwnershipControlsNotFoundError'),
  );
  await expect(s3.getPublicAccessBlock({ Bucket })).rejects.toEqual(
    missing('NoSuchPublicAccessBlockConfiguration'),
  );
  await expect(s3.getBucketTagging({ Bucket })).rejects.toEqual(missing('NoSuchTagSet'));
  expect((await s3.getBucketVersioning({ Bucket })).Status).toBe('Suspended');
  expect((await s3.getBucketLogging({ Bucket })).LoggingEnabled).toBeUndefined();
});
