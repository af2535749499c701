import { ECR } from '@aws-sdk/client-ecr';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { HARMLESS } from '../src/dispatch/unread-members.ts';
import { FuzzWorld } from './fuzz-world.ts';
import { testEngine } from './harness.ts';
import { membersRead } from './members-read.ts';

test('each member of each operation is read by its code, or is in the table of those that are refused unless harmless', async () => {
  const world = await FuzzWorld.start();
  const read = membersRead();
  const table: Record<string, Record<string, string>> = {};
  for (const [id, { name, model }] of [...world.targets].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const members = read.get(id);
    expect(members, `the function that carries out ${id}`).toBeDefined();
    if (members === undefined || members === 'all') continue;
    const unread = [...model.input.members.keys()].filter((member) => !members.has(member)).sort();
    if (unread.length > 0) {
      table[name] ??= {};
      table[name][model.name] = unread.join(' ');
    }
  }
  // `vitest run -u` writes what the code says now.
  await expect(`${JSON.stringify(table, null, 2)}\n`).toMatchFileSnapshot(
    '../src/dispatch/unread-members.json',
  );
  for (const [service, operations] of Object.entries(HARMLESS)) {
    for (const [operation, members] of Object.entries(operations)) {
      const unread =
        operation === '*'
          ? Object.values(table[service] ?? {}).join(' ')
          : (table[service]?.[operation] ?? '');
      expect(unread.split(' '), `${service}:${operation}`).toEqual(
        expect.arrayContaining(Object.keys(members)),
      );
    }
  }
});

test('a member that an operation would ignore is refused by name, unless it asks for nothing or is harmless', async () => {
  const engine = await testEngine();
  const iam = new IAM(engine.client);
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await expect(iam.listRoles({ PathPrefix: '/app/' })).rejects.toMatchObject({
    name: 'NotImplemented',
    message:
      'the local engine does not honour PathPrefix of iam:ListRoles: leave it out here, or make the call on AWS',
    $metadata: { httpStatusCode: 501 },
  });
  await expect(
    new ECR(engine.client).setRepositoryPolicy({ repositoryName: 'app', policyText: '{}', force: true }),
  ).rejects.toMatchObject({ name: 'RepositoryNotFoundException' });
  await expect(s3.createBucket({ Bucket: 'files', ACL: 'public-read' })).rejects.toThrow(
    'does not honour ACL other than private of s3:CreateBucket',
  );
  await s3.createBucket({ Bucket: 'files', ACL: 'private', ObjectLockEnabledForBucket: false });
});
