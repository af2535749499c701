import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { SSM } from '@aws-sdk/client-ssm';
import { STS } from '@aws-sdk/client-sts';
import { expect, test } from 'vitest';
import { promptIds, type TestEngine, testEngine } from './harness.ts';

async function roleClient(engine: TestEngine, statements: unknown[]) {
  const iam = new IAM(engine.client);
  const trust = {
    Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS: engine.accountId } }],
  };
  const { Role } = await iam.createRole({
    RoleName: 'reader',
    AssumeRolePolicyDocument: JSON.stringify(trust),
  });
  await iam.putRolePolicy({
    RoleName: 'reader',
    PolicyName: 'own',
    PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
  });
  const { Credentials } = await new STS(engine.client).assumeRole({
    RoleArn: Role!.Arn!,
    RoleSessionName: 'test',
  });
  return {
    ...engine.client,
    credentials: {
      accessKeyId: Credentials!.AccessKeyId!,
      secretAccessKey: Credentials!.SecretAccessKey!,
      sessionToken: Credentials!.SessionToken!,
    },
  };
}

test('a role may do what its policy allows, and a denial names principal, action and resource', async () => {
  const engine = await testEngine({ ids: promptIds() });
  const config = await roleClient(engine, [
    { Effect: 'Allow', Action: 'ssm:GetParameter', Resource: 'arn:aws:ssm:*:*:parameter/app/*' },
  ]);
  const root = new SSM(engine.client);
  await root.putParameter({ Name: '/app/a', Value: '1', Type: 'String' });
  await root.putParameter({ Name: '/other', Value: '2', Type: 'String' });
  const ssm = new SSM(config);
  expect((await ssm.getParameter({ Name: '/app/a' })).Parameter?.Value).toBe('1');
  await expect(ssm.getParameter({ Name: '/other' })).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message:
      'User: arn:aws:sts::000000000000:assumed-role/reader/test is not authorized to perform: ssm:GetParameter on resource: arn:aws:ssm:us-east-1:000000000000:parameter/other because no identity-based policy allows the ssm:GetParameter action',
  });
});

test('a trust may admit one role by a condition, which sees the role and not its session', async () => {
  const engine = await testEngine({ ids: promptIds() });
  const reader = await roleClient(engine, [
    { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: `arn:aws:iam::${engine.accountId}:role/*` },
  ]);
  const iam = new IAM(engine.client);
  const assume = async (RoleName: string, admitted: string) => {
    const statement = {
      Effect: 'Allow',
      Action: 'sts:AssumeRole',
      Principal: { AWS: `arn:aws:iam::${engine.accountId}:root` },
      Condition: { ArnEquals: { 'aws:PrincipalArn': admitted } },
    };
    const { Role } = await iam.createRole({
      RoleName,
      AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }),
    });
    return new STS(reader).assumeRole({ RoleArn: Role!.Arn!, RoleSessionName: 'action' });
  };
  const { AssumedRoleUser } = await assume('action', `arn:aws:iam::${engine.accountId}:role/reader`);
  expect(AssumedRoleUser?.Arn).toMatch(/assumed-role\/action\/action$/);
  await expect(assume('other', `arn:aws:iam::${engine.accountId}:role/writer`)).rejects.toThrow(
    /not authorized to perform: sts:AssumeRole/,
  );
});

test('a trust cannot name a role that there is not', async () => {
  const engine = await testEngine({ ids: promptIds() });
  const iam = new IAM(engine.client);
  const trust = (role: string) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: 'sts:AssumeRole',
          Principal: { AWS: [`arn:aws:iam::${engine.accountId}:role/${role}`] },
        },
      ],
    });
  const create = (RoleName: string, AssumeRolePolicyDocument: string) =>
    iam.createRole({ RoleName, AssumeRolePolicyDocument });
  const refusal = /Invalid principal in policy: "AWS":"arn:aws:iam::000000000000:role\/first"/;
  await expect(create('second', trust('first'))).rejects.toThrow(refusal);
  await create(
    'first',
    JSON.stringify({
      Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'ecs.amazonaws.com' } }],
    }),
  );
  await create('second', trust('first'));
  await iam.deleteRole({ RoleName: 'first' });
  await expect(
    iam.updateAssumeRolePolicy({ RoleName: 'second', PolicyDocument: trust('first') }),
  ).rejects.toThrow(refusal);
});

test('an explicit deny wins over an allow', async () => {
  const engine = await testEngine();
  const config = await roleClient(engine, [
    { Effect: 'Allow', Action: '*', Resource: '*' },
    { Effect: 'Deny', Action: 'ssm:Put*', Resource: '*' },
  ]);
  await expect(new SSM(config).putParameter({ Name: 'x', Value: '1', Type: 'String' })).rejects.toThrow(
    /ssm:PutParameter .* with an explicit deny in an identity-based policy/,
  );
});

test('a bucket policy that denies applies to objects, too', async () => {
  const engine = await testEngine();
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket: 'assets' });
  await s3.putObject({ Bucket: 'assets', Key: 'a/b.txt', Body: 'hello', Metadata: { origin: 'test' } });
  const read = await s3.getObject({ Bucket: 'assets', Key: 'a/b.txt' });
  expect(await read.Body?.transformToString()).toBe('hello');
  expect(read.Metadata).toEqual({ origin: 'test' });
  await s3.putBucketPolicy({
    Bucket: 'assets',
    Policy: JSON.stringify({
      Statement: [
        { Effect: 'Deny', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::assets/*' },
      ],
    }),
  });
  await expect(s3.getObject({ Bucket: 'assets', Key: 'a/b.txt' })).rejects.toMatchObject({
    name: 'AccessDenied',
  });
});

test('objects are listed by prefix, keep their versions, and a bucket with objects is not deleted', async () => {
  const engine = await testEngine();
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket: 'versions' });
  await s3.putBucketVersioning({ Bucket: 'versions', VersioningConfiguration: { Status: 'Enabled' } });
  await s3.putObject({ Bucket: 'versions', Key: 'x/1', Body: 'one' });
  const second = await s3.putObject({ Bucket: 'versions', Key: 'x/1', Body: 'two' });
  await s3.deleteObject({ Bucket: 'versions', Key: 'x/1' });
  await expect(s3.getObject({ Bucket: 'versions', Key: 'x/1' })).rejects.toMatchObject({ name: 'NoSuchKey' });
  const kept = await s3.getObject({ Bucket: 'versions', Key: 'x/1', VersionId: second.VersionId! });
  expect(await kept.Body?.transformToString()).toBe('two');
  await s3.putObject({ Bucket: 'versions', Key: 'x/2', Body: 'three' });
  const listed = await s3.listObjectsV2({ Bucket: 'versions', Prefix: 'x/' });
  expect(listed.Contents?.map(({ Key }) => Key)).toEqual(['x/2']);
  await expect(s3.deleteBucket({ Bucket: 'versions' })).rejects.toMatchObject({ name: 'BucketNotEmpty' });
});

test('a wrong secret, an unknown key and a changed body are refused', async () => {
  const engine = await testEngine();
  const wrong = { ...engine.client.credentials, secretAccessKey: 'wrong' };
  await expect(new STS({ ...engine.client, credentials: wrong }).getCallerIdentity({})).rejects.toMatchObject(
    {
      name: 'SignatureDoesNotMatch',
    },
  );
  const unknown = { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: 'x' };
  await expect(new STS({ ...engine.client, credentials: unknown }).getCallerIdentity({})).rejects.toThrow(
    /does not know this access key/,
  );
});

test('wire garbage gets an error, and the engine goes on', async () => {
  const engine = await testEngine();
  const post = (headers: Record<string, string>, body: string) =>
    fetch(engine.endpoint, { method: 'POST', headers, body }).then(async (reply) => [
      reply.status,
      await reply.text(),
    ]);
  expect((await post({ 'x-amz-target': 'AmazonSSM.GetParameter' }, '{"Name":'))[0]).toBe(400);
  expect((await post({ 'x-amz-target': 'Nothing.AtAll' }, '{}'))[1]).toContain('has no service for target');
  expect((await post({ 'content-type': 'application/x-www-form-urlencoded' }, 'Foo=1'))[1]).toContain(
    'MissingAction',
  );
  expect((await post({}, '\u0000\u0001'))[0]).toBe(403);
  expect((await new STS(engine.client).getCallerIdentity({})).Account).toBe('000000000000');
});
