import { IAM } from '@aws-sdk/client-iam';
import { STS } from '@aws-sdk/client-sts';
import type { ClientConfig, TestEngine } from './harness.ts';

/** Settings of an SDK client. */
export type RoleConfig = ClientConfig & { credentials: { sessionToken: string } };

export function policy(statements: readonly object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

/** Makes a role that its account may assume, with these statements, and assumes it. */
export async function roleClient(
  engine: Pick<TestEngine, 'client' | 'accountId'>,
  statements: readonly object[],
  { roleName = 'worker', sessionName = 'tester', tags = {} as Readonly<Record<string, string>> } = {},
): Promise<RoleConfig> {
  const iam = new IAM(engine.client);
  const { Role } = await iam.createRole({
    RoleName: roleName,
    AssumeRolePolicyDocument: policy([
      { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS: engine.accountId } },
    ]),
    Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
  });
  await iam.putRolePolicy({ RoleName: roleName, PolicyName: 'own', PolicyDocument: policy(statements) });
  const { Credentials } = await new STS(engine.client).assumeRole({
    RoleArn: Role!.Arn!,
    RoleSessionName: sessionName,
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
