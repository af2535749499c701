import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { SSM } from '@aws-sdk/client-ssm';
import { expect, test } from 'vitest';
import { CloudFormationWorld } from './cloudformation-world.ts';
import { type TestEngine, testEngine } from './harness.ts';
import { roleClient } from './role-client.ts';

/** Whether any entry of the journal holds the text. */
const isJournaled = (engine: TestEngine, text: string) =>
  JSON.stringify(engine.journal.read()).includes(text);

test('a secret has versions, of which labels say which is meant', async () => {
  const engine = await testEngine();
  const secrets = new SecretsManager(engine.client);
  const created = await secrets.createSecret({
    Name: 'shop/key',
    SecretString: 'open sesame',
    Tags: [{ Key: 'a', Value: 'b' }],
  });
  expect(created.ARN).toMatch(
    /^arn:aws:secretsmanager:us-east-1:000000000000:secret:shop\/key-[A-Za-z0-9]{6}$/,
  );
  const put = await secrets.putSecretValue({ SecretId: 'shop/key', SecretString: 'open barley' });
  for (const SecretId of ['shop/key', created.ARN, created.ARN!.slice(0, -7)]) {
    expect(await secrets.getSecretValue({ SecretId })).toMatchObject({
      ARN: created.ARN,
      SecretString: 'open barley',
      VersionId: put.VersionId,
      VersionStages: ['AWSCURRENT'],
    });
  }
  const before = { SecretString: 'open sesame', VersionStages: ['AWSPREVIOUS'] };
  const SecretId = 'shop/key';
  expect(await secrets.getSecretValue({ SecretId, VersionStage: 'AWSPREVIOUS' })).toMatchObject(before);
  expect(await secrets.getSecretValue({ SecretId, VersionId: created.VersionId })).toMatchObject(before);
  await secrets.updateSecret({ SecretId, SecretBinary: Buffer.from([1, 2]), Description: 'bytes' });
  const { SecretBinary, SecretString } = await secrets.getSecretValue({ SecretId });
  expect([[...SecretBinary!], SecretString]).toEqual([[1, 2], undefined]);
  expect((await secrets.listSecretVersionIds({ SecretId })).Versions).toHaveLength(2);
  expect(await secrets.describeSecret({ SecretId })).toMatchObject({
    Description: 'bytes',
    Tags: [{ Key: 'a', Value: 'b' }],
    VersionIdsToStages: { [put.VersionId!]: ['AWSPREVIOUS'] },
  });
  await secrets.createSecret({ Name: 'other' });
  await expect(secrets.getSecretValue({ SecretId: 'other' })).rejects.toThrow(/staging label: AWSCURRENT/);
  const { SecretList } = await secrets.listSecrets({ Filters: [{ Key: 'name', Values: ['!other'] }] });
  expect(SecretList!.map(({ Name }) => Name)).toEqual(['shop/key']);
  expect(isJournaled(engine, 'createSecret') || isJournaled(engine, 'CreateSecret')).toBe(true);
  expect(isJournaled(engine, 'open ')).toBe(false);
});

test('a request that is repeated under its token changes nothing, and another value under it is refused', async () => {
  const secrets = new SecretsManager((await testEngine()).client);
  const ClientRequestToken = 'a'.repeat(32);
  await secrets.createSecret({ Name: 'key', SecretString: 'one', ClientRequestToken });
  const again = { SecretId: 'key', ClientRequestToken };
  expect((await secrets.putSecretValue({ ...again, SecretString: 'one' })).VersionId).toBe(
    ClientRequestToken,
  );
  await expect(secrets.putSecretValue({ ...again, SecretString: 'two' })).rejects.toMatchObject({
    name: 'ResourceExistsException',
  });
});

test('a role reads the secrets that its policy names', async () => {
  const engine = await testEngine();
  const secrets = new SecretsManager(engine.client);
  const { ARN } = await secrets.createSecret({ Name: 'mine', SecretString: 'one' });
  await secrets.createSecret({ Name: 'theirs', SecretString: 'two' });
  const Action = 'secretsmanager:GetSecretValue';
  const reader = new SecretsManager(await roleClient(engine, [{ Effect: 'Allow', Action, Resource: ARN }]));
  expect((await reader.getSecretValue({ SecretId: 'mine' })).SecretString).toBe('one');
  for (const SecretId of ['theirs', 'missing']) {
    await expect(reader.getSecretValue({ SecretId })).rejects.toMatchObject({
      name: 'AccessDeniedException',
    });
  }
  await expect(reader.describeSecret({ SecretId: 'mine' })).rejects.toMatchObject({
    name: 'AccessDeniedException',
  });
});

test('AWS::SecretsManager::Secret is given or generated, is read by references, and goes at once with its stack', async () => {
  const world = await CloudFormationWorld.start();
  const secrets = new SecretsManager(world.engine.client);
  const template = (Description: string, resolve = true) => ({
    Resources: {
      Given: {
        Type: 'AWS::SecretsManager::Secret',
        Properties: { Name: 'given', SecretString: 'sesame', Description },
      },
      Made: {
        Type: 'AWS::SecretsManager::Secret',
        Properties: {
          Description,
          GenerateSecretString: {
            SecretStringTemplate: '{"user":"ann"}',
            GenerateStringKey: 'password',
            PasswordLength: 20,
            ExcludePunctuation: true,
          },
        },
      },
      ...(resolve && {
        Note: {
          Type: 'AWS::SSM::Parameter',
          Properties: {
            Name: 'note',
            Type: 'String',
            Value: {
              'Fn::Join': [
                '',
                [
                  '{{resolve:secretsmanager:given}} {{resolve:secretsmanager:',
                  { Ref: 'Made' },
                  ':SecretString:password::}}',
                ],
              ],
            },
          },
        },
      }),
    },
    Outputs: { Given: { Value: { Ref: 'Given' } }, Made: { Value: { 'Fn::GetAtt': ['Made', 'Id'] } } },
  });
  const { Outputs } = await world.create('app', template('first'));
  const SecretId = Outputs!.find(({ OutputKey }) => OutputKey === 'Made')!.OutputValue!;
  expect(SecretId).toMatch(/:secret:Made-[A-Z0-9]{12}-[A-Za-z0-9]{6}$/);
  const read = async () => (await secrets.getSecretValue({ SecretId })).SecretString!;
  const made = await read();
  const { password, user } = JSON.parse(made);
  expect([user, password]).toEqual(['ann', expect.stringMatching(/^[A-Za-z0-9]{20}$/)]);
  const note = await new SSM(world.engine.client).getParameter({ Name: 'note' });
  expect(note.Parameter!.Value).toBe(`sesame ${password}`);
  await world.update('app', template('second'));
  expect(await read()).toBe(made);
  expect((await secrets.describeSecret({ SecretId })).Description).toBe('second');
  expect(isJournaled(world.engine, password)).toBe(false);
  expect((await world.events('app')).length).toBeGreaterThan(0);
  await world.delete('app');
  await secrets.createSecret({ Name: 'given' });
});

test('a reference to a secret or a member that is not there fails its resource with the reason', async () => {
  const world = await CloudFormationWorld.start();
  await new SecretsManager(world.engine.client).createSecret({ Name: 'key', SecretString: '{"a":1}' });
  for (const [name, reference, reason] of [
    ['one', '{{resolve:secretsmanager:gone}}', /can't find the specified secret/],
    ['two', '{{resolve:secretsmanager:key:SecretString:b}}', /JSONKey/],
  ] as const) {
    const Properties = { Type: 'String', Value: reference };
    await world.create(name, { Resources: { Note: { Type: 'AWS::SSM::Parameter', Properties } } });
    expect(await world.reason(name, 'Note', 'CREATE_FAILED')).toMatch(reason);
  }
});
