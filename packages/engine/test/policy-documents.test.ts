import { CloudFormation } from '@aws-sdk/client-cloudformation';
import { ECR } from '@aws-sdk/client-ecr';
import { IAM } from '@aws-sdk/client-iam';
import { Lambda } from '@aws-sdk/client-lambda';
import { S3 } from '@aws-sdk/client-s3';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { testEngine } from './harness.ts';
import { policy, roleClient } from './role-client.ts';

const allow = { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: '*' };
const trust = {
  Effect: 'Allow',
  Action: 'sts:AssumeRole',
  Principal: { Service: 'ecs-tasks.amazonaws.com' },
};
const GONE = 'arn:aws:iam::000000000000:role/gone';

/** Each place that takes a policy, with a sound statement of it, and what it answers to one that is not. */
test('a document that is wrong is refused where it is put, with the error of the service', async () => {
  const engine = await testEngine();
  const iam = new IAM(engine.client);
  const sqs = new SQS(engine.client);
  const sns = new SNS(engine.client);
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  const ecr = new ECR(engine.client);
  await iam.createRole({ RoleName: 'r', AssumeRolePolicyDocument: policy([trust]) });
  const { Policy } = await iam.createPolicy({ PolicyName: 'p', PolicyDocument: policy([allow]) });
  const { QueueUrl } = await sqs.createQueue({ QueueName: 'q' });
  const { TopicArn } = await sns.createTopic({ Name: 't' });
  await s3.createBucket({ Bucket: 'bucket' });
  await ecr.createRepository({ repositoryName: 'app' });
  const malformed = 'MalformedPolicyDocumentException';
  const toQueue = { ...allow, Principal: '*' };
  const toTopic = { Effect: 'Allow', Principal: '*', Action: 'sns:Publish', Resource: TopicArn };
  const toBucket = {
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: 'arn:aws:s3:::bucket/*',
  };
  const toImages = { Effect: 'Allow', Principal: '*', Action: 'ecr:BatchGetImage' };
  const places: Array<[string, string, object, (PolicyDocument: string) => Promise<unknown>]> = [
    [
      'PutRolePolicy',
      malformed,
      allow,
      (PolicyDocument) => iam.putRolePolicy({ RoleName: 'r', PolicyName: 'x', PolicyDocument }),
    ],
    [
      'CreatePolicy',
      malformed,
      allow,
      (PolicyDocument) => iam.createPolicy({ PolicyName: 'n', PolicyDocument }),
    ],
    [
      'CreatePolicyVersion',
      malformed,
      allow,
      (PolicyDocument) =>
        iam.createPolicyVersion({ SetAsDefault: true, PolicyArn: Policy!.Arn!, PolicyDocument }),
    ],
    [
      'CreateRole',
      malformed,
      trust,
      (AssumeRolePolicyDocument) => iam.createRole({ RoleName: 'n', AssumeRolePolicyDocument }),
    ],
    [
      'UpdateAssumeRolePolicy',
      malformed,
      trust,
      (PolicyDocument) => iam.updateAssumeRolePolicy({ RoleName: 'r', PolicyDocument }),
    ],
    [
      'CreateQueue',
      'InvalidAttributeValue',
      toQueue,
      (Policy) => sqs.createQueue({ QueueName: 'n', Attributes: { Policy } }),
    ],
    [
      'SetQueueAttributes',
      'InvalidAttributeValue',
      toQueue,
      (Policy) => sqs.setQueueAttributes({ QueueUrl, Attributes: { Policy } }),
    ],
    [
      'CreateTopic',
      'InvalidParameterException',
      toTopic,
      (Policy) => sns.createTopic({ Name: 'n', Attributes: { Policy } }),
    ],
    [
      'SetTopicAttributes',
      'InvalidParameterException',
      toTopic,
      (AttributeValue) => sns.setTopicAttributes({ TopicArn, AttributeName: 'Policy', AttributeValue }),
    ],
    [
      'PutBucketPolicy',
      'MalformedPolicy',
      toBucket,
      (Policy) => s3.putBucketPolicy({ Bucket: 'bucket', Policy }),
    ],
    [
      'SetRepositoryPolicy',
      'InvalidParameterException',
      toImages,
      (policyText) => ecr.setRepositoryPolicy({ repositoryName: 'app', policyText }),
    ],
  ];
  for (const [place, name, sound, put] of places) {
    const wrong = { ...sound, Condition: { StringMatches: { 'aws:x': 'a' } } };
    await expect(put(policy([sound, wrong])), place).rejects.toMatchObject({
      name,
      message: expect.stringMatching(/no condition operator StringMatches.*Statement\[1\]\.Condition/),
    });
    await expect(put('{'), place).rejects.toMatchObject({ name });
    if ('Principal' in sound) {
      await expect(put(policy([{ ...sound, Principal: { AWS: GONE } }])), place).rejects.toMatchObject({
        name,
        message: expect.stringContaining(`Invalid principal in policy: "AWS":"${GONE}"`),
      });
    }
    await put(policy([sound]));
  }
  await expect(
    s3.putBucketPolicy({
      Bucket: 'bucket',
      Policy: policy([{ ...toBucket, Resource: 'arn:aws:s3:::other/*' }]),
    }),
  ).rejects.toThrow('Policy has invalid resource');
});

test('a function is granted to principals that exist', async () => {
  const engine = await testEngine();
  const iam = new IAM(engine.client);
  const { Role } = await iam.createRole({
    RoleName: 'runs',
    AssumeRolePolicyDocument: policy([{ ...trust, Principal: { Service: 'lambda.amazonaws.com' } }]),
  });
  const { zipSync, strToU8 } = await import('fflate');
  const lambda = new Lambda(engine.client);
  await lambda.createFunction({
    FunctionName: 'f',
    Runtime: 'nodejs24.x',
    Handler: 'index.handler',
    Role: Role!.Arn!,
    Code: { ZipFile: zipSync({ 'index.js': strToU8('exports.handler = () => 1') }) },
  });
  const grant = (StatementId: string, Principal: string) =>
    lambda.addPermission({ FunctionName: 'f', StatementId, Action: 'lambda:InvokeFunction', Principal });
  await expect(grant('a', GONE)).rejects.toThrow('Invalid principal in policy');
  await grant('b', Role!.Arn!);
});

test('a permission may be added and removed when another names a role that is gone', async () => {
  const engine = await testEngine();
  const iam = new IAM(engine.client);
  const sqs = new SQS(engine.client);
  const { Role } = await iam.createRole({ RoleName: 'soon', AssumeRolePolicyDocument: policy([trust]) });
  const { QueueUrl } = await sqs.createQueue({ QueueName: 'q' });
  const Policy = policy([{ ...allow, Principal: { AWS: Role!.Arn! } }]);
  await sqs.setQueueAttributes({ QueueUrl, Attributes: { Policy } });
  await iam.deleteRole({ RoleName: 'soon' });
  const label = { QueueUrl, Label: 'others' };
  await sqs.addPermission({ ...label, AWSAccountIds: ['999999999999'], Actions: ['SendMessage'] });
  await sqs.removePermission(label);
  await expect(sqs.setQueueAttributes({ QueueUrl, Attributes: { Policy } })).rejects.toThrow(
    'Invalid principal',
  );
});

test('a topic without permissions is left to the policies of its account', async () => {
  const engine = await testEngine();
  const sns = new SNS(engine.client);
  const { TopicArn } = await sns.createTopic({ Name: 't' });
  await sns.removePermission({ TopicArn, Label: '__default_statement_ID' });
  const config = await roleClient(engine, [{ Effect: 'Allow', Action: 'sns:Publish', Resource: '*' }]);
  await new SNS(config).publish({ TopicArn, Message: 'x' });
  await expect(new SNS(config).deleteTopic({ TopicArn })).rejects.toThrow('no identity-based policy allows');
});

test('sizes are those of AWS', async () => {
  const engine = await testEngine();
  const iam = new IAM(engine.client);
  const sized = (statement: object, characters: number) => {
    const empty = policy([{ ...statement, Condition: { StringEquals: { 'aws:x': '' } } }]);
    return empty.replace('"aws:x":""', `"aws:x":"${'x'.repeat(characters - empty.length)}"`);
  };
  await iam.createRole({ RoleName: 'r', AssumeRolePolicyDocument: sized(trust, 2_048) });
  await expect(
    iam.createRole({ RoleName: 'n', AssumeRolePolicyDocument: sized(trust, 2_049) }),
  ).rejects.toMatchObject({
    name: 'LimitExceededException',
    message: 'Cannot exceed quota for ACLSizePerRole: 2048',
  });
  await iam.createPolicy({ PolicyName: 'p', PolicyDocument: `${sized(allow, 6_144)}\n\n` });
  await expect(iam.createPolicy({ PolicyName: 'n', PolicyDocument: sized(allow, 6_145) })).rejects.toThrow(
    'Cannot exceed quota for PolicySize: 6144',
  );
  const put = (PolicyName: string, characters: number) =>
    iam.putRolePolicy({ RoleName: 'r', PolicyName, PolicyDocument: sized(allow, characters) });
  await put('a', 10_000);
  await put('b', 240);
  await expect(put('b', 241)).rejects.toThrow('Maximum policy size of 10240 bytes exceeded for role r');
  await put('a', 9_999);
  await put('b', 241);
});

test('names that every object has are names like others', async () => {
  const engine = await testEngine();
  const iam = new IAM(engine.client);
  await iam.createRole({ RoleName: 'constructor', AssumeRolePolicyDocument: policy([trust]) });
  const named = { RoleName: 'constructor', PolicyName: 'constructor' };
  await expect(iam.getRolePolicy(named)).rejects.toMatchObject({ name: 'NoSuchEntityException' });
  await expect(iam.deleteRolePolicy(named)).rejects.toMatchObject({ name: 'NoSuchEntityException' });
  await expect(iam.attachRolePolicy({ ...named, PolicyArn: 'constructor' })).rejects.toMatchObject({
    name: 'NoSuchEntityException',
  });
  await iam.putRolePolicy({ ...named, PolicyDocument: policy([allow]) });
  await iam.putRolePolicy({ ...named, PolicyName: '__proto__', PolicyDocument: policy([allow]) });
  expect((await iam.listRolePolicies(named)).PolicyNames).toEqual(['constructor', '__proto__']);
  await iam.deleteRolePolicy({ ...named, PolicyName: '__proto__' });
});

test('a role has at most ten managed policies, and a policy has a name', async () => {
  const engine = await testEngine();
  const iam = new IAM(engine.client);
  await iam.createRole({ RoleName: 'r', AssumeRolePolicyDocument: policy([trust]) });
  const attach = async (PolicyName: string) => {
    const { Policy } = await iam.createPolicy({ PolicyName, PolicyDocument: policy([allow]) });
    await iam.attachRolePolicy({ RoleName: 'r', PolicyArn: Policy!.Arn! });
  };
  for (let count = 0; count < 10; count++) await attach(`p${count}`);
  await expect(attach('p10')).rejects.toThrow('Cannot exceed quota for PoliciesPerRole: 10');
  await expect(attach('a/b')).rejects.toThrow('The specified value for policyName is invalid');
});

test('a stack with a wrong document fails and says why', async () => {
  const engine = await testEngine();
  const cloudformation = new CloudFormation(engine.client);
  const { StackId } = await cloudformation.createStack({
    StackName: 'wrong',
    OnFailure: 'DO_NOTHING',
    TemplateBody: JSON.stringify({
      Resources: {
        Queue: { Type: 'AWS::SQS::Queue' },
        Policy: {
          Type: 'AWS::SQS::QueuePolicy',
          Properties: {
            Queues: [{ Ref: 'Queue' }],
            PolicyDocument: { Version: '2012-10-17', Statement: [allow] },
          },
        },
      },
    }),
  });
  await expect
    .poll(
      async () => (await cloudformation.describeStacks({ StackName: StackId })).Stacks?.[0]?.StackStatus,
      {
        timeout: 60_000,
      },
    )
    .toBe('CREATE_FAILED');
  const { StackEvents } = await cloudformation.describeStackEvents({ StackName: StackId });
  expect(
    StackEvents?.find(({ LogicalResourceId }) => LogicalResourceId === 'Policy')?.ResourceStatusReason,
  ).toContain('Missing required field Principal (Statement[0])');
});
