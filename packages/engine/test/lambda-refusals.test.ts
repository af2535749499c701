import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  AddPermissionCommand,
  CreateEventSourceMappingCommand,
  type CreateFunctionCommandInput,
  InvokeCommand,
  PutFunctionEventInvokeConfigCommand,
  type Runtime,
  UpdateFunctionConfigurationCommand,
} from '@aws-sdk/client-lambda';
import { strToU8, zipSync } from 'fflate';
import { expect, onTestFinished, test, vi } from 'vitest';
import { temporaryDirectory } from '../src/runtime/test/temporary-directory.ts';
import { ECHO, LambdaWorld } from './lambda-world.ts';

test('what the engine cannot run is refused by name', async () => {
  const world = await LambdaWorld.start();
  const role = await world.role('fn', []);
  const image = { PackageType: 'Image', Code: { ImageUri: 'shop:latest' } } as const;
  const cases: Array<[Partial<CreateFunctionCommandInput>, RegExp]> = [
    [{ Runtime: 'ruby3.4' }, /does not run ruby3\.4.*nodejs24\.x.*python3\.x/],
    [{ Runtime: 'python2.7' }, /does not run python2\.7/],
    [{ Runtime: 'nodejs18.x' }, /does not run nodejs18\.x/],
    [{ Runtime: undefined as Runtime | undefined }, /Runtime and Handler are mandatory/],
    [image, /PackageType/],
    [{ Layers: ['arn:aws:lambda:us-east-1:1:layer:x:1'] }, /Layers: not supported/],
    [{ LoggingConfig: { ApplicationLogLevel: 'WARN' } }, /log level.*LogFormat.*JSON/i],
    [{ LoggingConfig: { LogFormat: 'Text', SystemLogLevel: 'WARN' } }, /log level.*LogFormat.*JSON/i],
    [{ SnapStart: { ApplyOn: 'PublishedVersions' } }, /SnapStart/],
    [{ Timeout: 901 }, /Timeout: 901/],
    [{ MemorySize: 64 }, /MemorySize: 64/],
    [{ Environment: { Variables: { AWS_REGION: 'x' } } }, /reserved keys.*AWS_REGION/],
    [{ Environment: { Variables: { '1ST': 'x' } } }, /"1ST"/],
    [{ Environment: { Variables: { BIG: 'x'.repeat(4096) } } }, /exceeded the 4KB limit/],
    [{ DeadLetterConfig: { TargetArn: 'arn:aws:s3:::bucket' } }, /DeadLetterConfig/],
    [{ Role: 'fn' }, /not the ARN of an IAM role/],
    [{ Role: `${role}-missing` }, /cannot be assumed by Lambda.*does not exist/],
    [{ Role: await world.role('tasks', [], 'ecs-tasks.amazonaws.com') }, /does not trust lambda/],
    [{ Code: {} }, /ZipFile, or S3Bucket and S3Key/],
    [{ Code: { S3Bucket: 'none', S3Key: 'none' } }, /S3 Error Code: NoSuchBucket/],
    [{ Code: { ZipFile: strToU8('not a zip') } }, /Could not unzip/],
    [{ Code: { ZipFile: zipSync({}) } }, /non-empty zip/],
    [{ Code: { ZipFile: zipSync({ a: strToU8('x'), 'a/b': strToU8('y') }) } }, /Could not unzip/],
  ];
  for (const [input, message] of cases) {
    await expect(world.create('fn', ECHO, role, input)).rejects.toMatchObject({
      name: 'InvalidParameterValueException',
      message: expect.stringMatching(message) as string,
    });
  }
});

test('a machine without Python refuses functions for it, new ones and changed ones', async () => {
  vi.stubEnv('PATH', temporaryDirectory());
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const world = await LambdaWorld.start();
  const role = await world.role('fn', []);
  const refused = {
    name: 'InvalidParameterValueException',
    message: expect.stringMatching(
      /python3\.13 on this machine's Python, and found neither.*install Python 3/,
    ) as string,
  };
  await expect(world.create('fn', '', role, { Runtime: 'python3.13' })).rejects.toMatchObject(refused);
  await world.create('fn', ECHO, role);
  const change = new UpdateFunctionConfigurationCommand({ FunctionName: 'fn', Runtime: 'python3.13' });
  await expect(world.lambda.send(change)).rejects.toMatchObject(refused);
});

test.each(['../escaped.js', 'a/../../escaped.js', '/escaped.js', '..\\escaped.js'])(
  'a zip file with the entry %s is refused, and nothing is written',
  async (entry) => {
    const world = await LambdaWorld.start();
    const ZipFile = zipSync({ 'index.js': strToU8(ECHO), [entry]: strToU8('x') });
    await expect(world.create('fn', '', await world.role('fn', []), { Code: { ZipFile } })).rejects.toThrow(
      'leads out of its folder',
    );
    for (const directory of [world.engine.directory, join(world.engine.directory, 'lambda')]) {
      expect(existsSync(join(directory, 'escaped.js'))).toBe(false);
    }
    expect(existsSync(join(world.engine.directory, 'lambda'))).toBe(false);
  },
);

test('invocations, permissions and settings with bad input are refused', async () => {
  const world = await LambdaWorld.start();
  const FunctionName = 'fn';
  await world.create(FunctionName, ECHO, await world.role('fn', []));
  await expect(
    world.lambda.send(new InvokeCommand({ FunctionName, Payload: Buffer.from('{not json') })),
  ).rejects.toMatchObject({ name: 'InvalidRequestContentException' });
  await expect(
    world.invoke(FunctionName, 'x'.repeat(1024 * 1024), { InvocationType: 'Event' }),
  ).rejects.toMatchObject({ name: 'RequestTooLargeException', $metadata: { httpStatusCode: 413 } });
  await expect(world.invoke('no such name')).rejects.toMatchObject({ name: 'ValidationException' });
  await expect(
    world.lambda.send(
      new CreateEventSourceMappingCommand({ FunctionName, EventSourceArn: 'arn:aws:sqs:us-east-1:0:q' }),
    ),
  ).rejects.toThrow('does not poll event sources');
  const permit = (rest: object) =>
    world.lambda.send(
      new AddPermissionCommand({
        FunctionName,
        StatementId: 'one',
        Action: 'lambda:InvokeFunction',
        Principal: 'sns.amazonaws.com',
        ...rest,
      }),
    );
  await expect(permit({ Principal: 'nobody' })).rejects.toThrow('principal was invalid');
  await expect(permit({ Action: 'sqs:SendMessage' })).rejects.toThrow('must be an action of Lambda');
  await expect(permit({ PrincipalOrgID: 'o-1234567890' })).rejects.toThrow('PrincipalOrgID');
  await expect(permit({ FunctionName: 'none' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  const configure = (rest: object) =>
    world.lambda.send(new PutFunctionEventInvokeConfigCommand({ FunctionName, ...rest }));
  await expect(configure({ MaximumRetryAttempts: 3 })).rejects.toThrow('MaximumRetryAttempts');
  await expect(configure({ MaximumEventAgeInSeconds: 59 })).rejects.toThrow('MaximumEventAgeInSeconds');
  await expect(
    configure({ DestinationConfig: { OnFailure: { Destination: 'arn:aws:s3:::bucket' } } }),
  ).rejects.toThrow('DestinationConfig.OnFailure.Destination');
});
