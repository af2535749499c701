import { IAM } from '@aws-sdk/client-iam';
import { SNS } from '@aws-sdk/client-sns';
import { STS } from '@aws-sdk/client-sts';
import { describe, expect, test } from 'vitest';
import { testEngine } from './harness.ts';

async function topic() {
  const engine = await testEngine();
  const sns = new SNS(engine.client);
  const { TopicArn } = await sns.createTopic({ Name: 'releases' });
  const statements = async () => {
    const { Attributes } = await sns.getTopicAttributes({ TopicArn });
    return (JSON.parse(Attributes!.Policy!) as { Statement: Array<Record<string, unknown>> }).Statement;
  };
  return { engine, sns, TopicArn: TopicArn!, statements };
}

describe('a permission', () => {
  test('joins the topic’s policy under its label until it is removed', async () => {
    const { sns, TopicArn, statements } = await topic();
    const [owner] = await statements();
    await sns.addPermission({
      TopicArn,
      Label: 'partners',
      AWSAccountId: ['111122223333'],
      ActionName: ['Publish', 'Subscribe'],
    });
    expect(await statements()).toEqual([
      owner,
      {
        Sid: 'partners',
        Effect: 'Allow',
        Principal: { AWS: ['arn:aws:iam::111122223333:root'] },
        Action: ['SNS:Publish', 'SNS:Subscribe'],
        Resource: TopicArn,
      },
    ]);
    await expect(
      sns.addPermission({
        TopicArn,
        Label: 'partners',
        AWSAccountId: ['111122223333'],
        ActionName: ['Publish'],
      }),
    ).rejects.toThrow('already exists');
    await sns.removePermission({ TopicArn, Label: 'partners' });
    expect(await statements()).toEqual([owner]);
  });

  test.each([
    ['an action of another kind', { ActionName: ['CreateTopic'] }, 'out of service scope'],
    ['something that is no account', { AWSAccountId: ['me'] }, 'me is not an account'],
    ['a bad label', { Label: 'a b' }, 'Label'],
  ])('for %s is refused', async (_, input, why) => {
    const { sns, TopicArn } = await topic();
    await expect(
      sns.addPermission({
        TopicArn,
        Label: 'partners',
        AWSAccountId: ['111122223333'],
        ActionName: ['Publish'],
        ...input,
      }),
    ).rejects.toThrow(why);
  });
});

test('a policy that IAM could not read is refused when it is set', async () => {
  const { sns, TopicArn } = await topic();
  await expect(
    sns.setTopicAttributes({ TopicArn, AttributeName: 'Policy', AttributeValue: '{"Statement":[{}]}' }),
  ).rejects.toThrow('Effect must be Allow or Deny');
});

test('an endpoint outside the account and region is refused, not taken for a local one', async () => {
  const { sns, TopicArn } = await topic();
  await expect(
    sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: 'arn:aws:sqs:eu-west-1:000000000000:orders' }),
  ).rejects.toThrow('all that the local engine has');
});

test('a second subscription of an endpoint with other attributes is refused', async () => {
  const { engine, sns, TopicArn } = await topic();
  const Endpoint = `arn:aws:sqs:${engine.region}:${engine.accountId}:orders`;
  await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint });
  await expect(
    sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint, Attributes: { RawMessageDelivery: 'true' } }),
  ).rejects.toThrow('already exists with different attributes');
});

test('a role without permission gets the authorization error of SNS', async () => {
  const { engine, TopicArn } = await topic();
  const { Role } = await new IAM(engine.client).createRole({
    RoleName: 'stranger',
    AssumeRolePolicyDocument: JSON.stringify({
      Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS: engine.accountId } }],
    }),
  });
  const { Credentials } = await new STS(engine.client).assumeRole({
    RoleArn: Role!.Arn!,
    RoleSessionName: 'session',
  });
  const stranger = new SNS({
    ...engine.client,
    credentials: {
      accessKeyId: Credentials!.AccessKeyId!,
      secretAccessKey: Credentials!.SecretAccessKey!,
      sessionToken: Credentials!.SessionToken!,
    },
  });
  await expect(stranger.publish({ TopicArn, Message: 'x' })).rejects.toMatchObject({
    name: 'AuthorizationErrorException',
    Code: 'AuthorizationError',
    $metadata: { httpStatusCode: 403 },
    message: expect.stringContaining(`not authorized to perform: sns:Publish on resource: ${TopicArn}`),
  });
});
