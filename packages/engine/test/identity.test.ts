import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { SSM } from '@aws-sdk/client-ssm';
import { STS } from '@aws-sdk/client-sts';
import { expect, test } from 'vitest';
import { SystemClock } from '../src/index.ts';
import { promptIds, type TestEngine, testEngine } from './harness.ts';
import { presigned, signer } from './sigv4.ts';

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
  const post = (service: string, headers: Record<string, string>, body: string, path = '/') =>
    fetch(engine.endpoint + path, {
      method: 'POST',
      headers: signer(
        engine.rootCredentials,
        new URL(engine.endpoint).host,
        service,
        '20260101T000000Z',
      )(path, headers, body),
      body,
    }).then(async (reply) => [reply.status, await reply.text()]);
  expect((await post('ssm', { 'x-amz-target': 'AmazonSSM.GetParameter' }, '{"Name":'))[0]).toBe(400);
  const alarms = { 'x-amz-target': 'GraniteServiceVersion20100801.DescribeAlarmsForMetric' };
  const nothing = '{"MetricName":"m","Namespace":"n","Dimensions":[null]}';
  expect(await post('monitoring', alarms, nothing)).toEqual([
    400,
    expect.stringContaining('Dimensions[0] must be something else than null'),
  ]);
  expect((await post('lambda', {}, 'null', '/2015-03-31/functions'))[0]).toBe(400);
  expect((await post('ssm', { 'x-amz-target': 'Nothing.AtAll' }, '{}'))[1]).toContain(
    'has no service for target',
  );
  expect((await post('sts', { 'content-type': 'application/x-www-form-urlencoded' }, 'Foo=1'))[1]).toContain(
    'MissingAction',
  );
  const unsigned = await fetch(engine.endpoint, { method: 'POST', body: '\u0000\u0001' });
  expect(unsigned.status).toBe(403);
  expect((await new STS(engine.client).getCallerIdentity({})).Account).toBe('000000000000');
});

test('a URL that is presigned with Signature Version 2 is refused with how to sign it', async () => {
  const engine = await testEngine();
  const { accessKeyId } = engine.rootCredentials;
  const refused = await fetch(
    `${engine.endpoint}/shared/a?AWSAccessKeyId=${accessKeyId}&Signature=c2ln&Expires=4102444800`,
  );
  expect(refused.status).toBe(400);
  expect(await refused.text()).toMatch(/<Code>InvalidRequest<.*Signature Version 2.*s3v4/);
});

test('a client of another region is told the region of the engine; STS and IAM answer in any', async () => {
  const engine = await testEngine();
  const client = { ...engine.client, region: 'us-west-2' };
  const message =
    "Credential should be scoped to a valid region: the local engine is us-east-1, and the request was signed for us-west-2. Set AWS_REGION and the client's region to us-east-1.";
  await expect(new SSM(client).getParameter({ Name: 'a' })).rejects.toMatchObject({
    name: 'SignatureDoesNotMatch',
    message,
    $metadata: { httpStatusCode: 403 },
  });
  await expect(new S3({ ...client, forcePathStyle: true }).listBuckets({})).rejects.toMatchObject({
    name: 'AuthorizationHeaderMalformed',
    $metadata: { httpStatusCode: 400 },
  });
  expect(await new STS(client).getCallerIdentity({})).toMatchObject({ Account: engine.accountId });
  expect((await new IAM(client).listRoles({})).Roles).not.toEqual([]);
});

test('a presigned URL is good for as long as it says', async () => {
  const engine = await testEngine();
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket: 'shared' });
  await s3.putObject({ Bucket: 'shared', Key: 'a', Body: 'content' });
  const url = (atMs: number, seconds: number) => {
    const timestamp = new Date(atMs).toISOString().replace(/[-:]|\.\d+/g, '');
    return presigned(engine.rootCredentials, engine.endpoint, '/shared/a', timestamp, seconds);
  };
  expect(await (await fetch(url(new SystemClock().nowMs(), 60))).text()).toBe('content');
  const old = await fetch(url(Date.UTC(2020, 0, 1), 1));
  expect([old.status, await old.text()]).toEqual([403, expect.stringContaining('Request has expired')]);
  const endless = await fetch(url(new SystemClock().nowMs(), 604_801));
  expect(endless.status).toBe(400);
});

test('a signature covers the host and, but for S3, the body', async () => {
  const engine = await testEngine();
  const { host } = new URL(engine.endpoint);
  const type = {
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': 'AmazonSSM.DescribeParameters',
  };
  const sign = signer(engine.rootCredentials, host, 'ssm', '20260101T000000Z');
  const headers = sign('/', { ...type, 'x-amz-content-sha256': 'anything' }, 'anything');
  const changed = await fetch(engine.endpoint, { method: 'POST', headers, body: '{}' });
  expect([changed.status, await changed.text()]).toEqual([400, expect.stringContaining('SHA256Mismatch')]);
  const hostless = headers.authorization!.replace('host;', '');
  const unbound = await fetch(engine.endpoint, {
    method: 'POST',
    headers: { ...headers, authorization: hostless },
  });
  expect(await unbound.text()).toContain("'Host' must be a signed header");
});
