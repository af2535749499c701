import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { IAM } from '@aws-sdk/client-iam';
import { STS } from '@aws-sdk/client-sts';
import { expect, onTestFinished, test } from 'vitest';
import type { JournalEntry } from '../src/index.ts';
import { type TestEngine, testEngine } from './harness.ts';

const run = promisify(execFile);

const CLEAN = {
  ...process.env,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
};

async function git(cwd: string, ...args: string[]): Promise<string> {
  return (await run('git', args, { cwd, env: CLEAN })).stdout.trim();
}

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-git-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function withCredentials(url: string, accessKeyId: string, secret: string): string {
  return url.replace('://', `://${accessKeyId}:${secret}@`);
}

/** A repository on the engine and a working copy with one commit on main that is not pushed yet. */
async function repository(engine: TestEngine, name = 'worker') {
  const client = new CodeCommit(engine.client);
  const { repositoryMetadata } = await client.createRepository({ repositoryName: name });
  const { accessKeyId, secretAccessKey } = engine.rootCredentials;
  const work = scratch();
  await git(work, 'init', '-q', '-b', 'main');
  await git(
    work,
    'remote',
    'add',
    'origin',
    withCredentials(repositoryMetadata!.cloneUrlHttp!, accessKeyId, secretAccessKey),
  );
  const commit = async (file: string, content: string | Uint8Array) => {
    writeFileSync(join(work, file), content);
    await git(work, 'add', '.');
    await git(work, 'commit', '-q', '-m', `change ${file}`);
    return git(work, 'rev-parse', 'HEAD');
  };
  const first = await commit('README', 'hello\n');
  return { client, metadata: repositoryMetadata!, work, commit, first };
}

function stateChanges(engine: TestEngine): Array<Record<string, unknown>> {
  return engine.journal
    .read()
    .filter((entry: JournalEntry) => entry.detail['detail-type'] === 'CodeCommit Repository State Change')
    .map((entry) => entry.detail.detail as Record<string, unknown>);
}

test('a state directory named relative to the working directory holds the repositories', async () => {
  const engine = await testEngine({ directory: relative(process.cwd(), scratch()) });
  const { client, work, first } = await repository(engine);
  await git(work, 'push', '-q', 'origin', 'main');
  expect((await client.getBranch({ repositoryName: 'worker', branchName: 'main' })).branch?.commitId).toBe(
    first,
  );
});

test('a push is announced before git says that it is done, and its commit can be read', async () => {
  const engine = await testEngine();
  const { client, metadata, work, first, commit } = await repository(engine);
  await git(work, 'push', '-q', 'origin', 'main');
  expect(stateChanges(engine)).toEqual([
    {
      event: 'referenceCreated',
      repositoryName: 'worker',
      repositoryId: metadata.repositoryId,
      referenceType: 'branch',
      referenceName: 'main',
      referenceFullName: 'refs/heads/main',
      commitId: first,
      callerUserArn: 'arn:aws:iam::000000000000:root',
    },
  ]);
  const second = await commit('README', 'hello again\n');
  await git(work, 'push', '-q', 'origin', 'main');
  expect(stateChanges(engine)[1]).toMatchObject({
    event: 'referenceUpdated',
    commitId: second,
    oldCommitId: first,
  });
  expect((await client.getBranch({ repositoryName: 'worker', branchName: 'main' })).branch?.commitId).toBe(
    second,
  );
  expect((await client.getCommit({ repositoryName: 'worker', commitId: second })).commit).toMatchObject({
    message: 'change README\n',
    parents: [first],
    author: { name: 'Ada', email: 'ada@example.com' },
  });
  const file = await client.getFile({ repositoryName: 'worker', filePath: '/README' });
  expect(Buffer.from(file.fileContent!).toString()).toBe('hello again\n');
  expect((await client.getRepository({ repositoryName: 'worker' })).repositoryMetadata?.defaultBranch).toBe(
    'main',
  );
  const { differences } = await client.getDifferences({
    repositoryName: 'worker',
    beforeCommitSpecifier: first,
    afterCommitSpecifier: 'main',
  });
  expect(differences).toMatchObject([{ changeType: 'M', afterBlob: { path: 'README', mode: '100644' } }]);
});

test('an empty repository can be cloned; a large history goes through both ways', async () => {
  const engine = await testEngine();
  const { metadata, work, commit } = await repository(engine);
  const url = withCredentials(
    metadata.cloneUrlHttp!,
    engine.rootCredentials.accessKeyId,
    engine.rootCredentials.secretAccessKey,
  );
  const elsewhere = scratch();
  await git(elsewhere, 'clone', '-q', url, 'empty');
  expect(readdirSync(join(elsewhere, 'empty'))).toEqual(['.git']);
  const big = randomBytes(9_000_000);
  const head = await commit('big.bin', big);
  await git(work, 'push', '-q', 'origin', 'main');
  await git(elsewhere, 'clone', '-q', url, 'full');
  expect(await git(join(elsewhere, 'full'), 'rev-parse', 'HEAD')).toBe(head);
  expect(readFileSync(join(elsewhere, 'full', 'big.bin')).equals(big)).toBe(true);
});

test('a fetch whose request is so long that git compresses it brings every branch', async () => {
  const engine = await testEngine();
  const { metadata, work } = await repository(engine);
  const branches = Array.from({ length: 60 }, (_, number) => `branch-${number}`);
  const tree = await git(work, 'rev-parse', 'HEAD^{tree}');
  for (const branch of branches) {
    await git(work, 'branch', branch, await git(work, 'commit-tree', tree, '-m', branch));
  }
  await git(work, 'push', '-q', 'origin', ...branches);
  const { accessKeyId, secretAccessKey } = engine.rootCredentials;
  const url = withCredentials(metadata.cloneUrlHttp!, accessKeyId, secretAccessKey);
  const copy = scratch();
  await git(copy, 'clone', '-q', '--mirror', url, '.');
  expect((await git(copy, 'for-each-ref', '--format=%(refname:short)')).split('\n')).toEqual(branches.sort());
});

test('other branches, tags, force pushes and deletions are accepted and each named in its event', async () => {
  const engine = await testEngine();
  const { client, work, first, commit } = await repository(engine);
  await git(work, 'push', '-q', 'origin', 'main');
  await git(work, 'push', '-q', 'origin', 'main:feature/x');
  await git(work, 'tag', 'v1');
  await git(work, 'push', '-q', 'origin', 'v1');
  await git(work, 'commit', '-q', '--amend', '-m', 'rewritten');
  const rewritten = await git(work, 'rev-parse', 'HEAD');
  await expect(git(work, 'push', '-q', 'origin', 'main')).rejects.toThrow(/non-fast-forward/);
  await git(work, 'push', '-q', '--force', 'origin', 'main');
  await git(work, 'push', '-q', '--delete', 'origin', 'feature/x');
  expect(
    stateChanges(engine)
      .slice(1)
      .map(({ event, referenceType, referenceName, commitId, oldCommitId }) => [
        event,
        referenceType,
        referenceName,
        commitId,
        oldCommitId,
      ]),
  ).toEqual([
    ['referenceCreated', 'branch', 'feature/x', first, undefined],
    ['referenceCreated', 'tag', 'v1', first, undefined],
    ['referenceUpdated', 'branch', 'main', rewritten, first],
    ['referenceDeleted', 'branch', 'feature/x', undefined, first],
  ]);
  expect((await client.listBranches({ repositoryName: 'worker' })).branches).toEqual(['main']);
  await commit('more', '1');
  await expect(client.getBranch({ repositoryName: 'worker', branchName: 'feature/x' })).rejects.toMatchObject(
    { name: 'BranchDoesNotExistException' },
  );
  await expect(client.deleteBranch({ repositoryName: 'worker', branchName: 'main' })).rejects.toMatchObject({
    name: 'DefaultBranchCannotBeDeletedException',
  });
});

test('nobody gets in without a valid key, and a role needs GitPull or GitPush on this repository', async () => {
  const engine = await testEngine();
  const { metadata, work } = await repository(engine);
  await git(work, 'push', '-q', 'origin', 'main');
  const url = metadata.cloneUrlHttp!;
  const anonymous = await fetch(`${url}/info/refs?service=git-upload-pack`);
  expect(anonymous.status).toBe(401);
  expect(anonymous.headers.get('www-authenticate')).toMatch(/^Basic /);
  const elsewhere = scratch();
  const bad = withCredentials(url, engine.rootCredentials.accessKeyId, 'wrong');
  await expect(git(elsewhere, 'clone', bad)).rejects.toThrow(/Authentication failed/);

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
    PolicyName: 'pull',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'codecommit:GitPull', Resource: metadata.Arn }],
    }),
  });
  const { Credentials } = await new STS(engine.client).assumeRole({
    RoleArn: Role!.Arn!,
    RoleSessionName: 'test',
  });
  const asReader = withCredentials(url, Credentials!.AccessKeyId!, Credentials!.SecretAccessKey!);
  await git(elsewhere, 'clone', '-q', asReader, 'copy');
  await expect(git(join(elsewhere, 'copy'), 'push', 'origin', 'main:other')).rejects.toThrow(
    /assumed-role\/reader\/test is not authorized to perform: codecommit:GitPush on resource: arn:aws:codecommit:us-east-1:000000000000:worker/,
  );
  const unknown = withCredentials(
    url.replace('/worker', '/nothing'),
    engine.rootCredentials.accessKeyId,
    engine.rootCredentials.secretAccessKey,
  );
  await expect(git(elsewhere, 'clone', unknown)).rejects.toThrow(/repository nothing does not exist/);
});

test('a push that git had taken when the engine died is announced when it starts again', async () => {
  const directory = scratch();
  const first = await testEngine({ directory });
  const { work, metadata, commit } = await repository(first);
  await git(work, 'push', '-q', 'origin', 'main');
  await first.close();
  const head = await commit('README', 'pushed while nobody could say so\n');
  await git(work, 'push', '-q', join(directory, 'codecommit', `${metadata.repositoryId}.git`), 'main');
  const second = await testEngine({ directory });
  expect(stateChanges(second).at(-1)).toMatchObject({ event: 'referenceUpdated', commitId: head });
});

test('commits made through the API are announced, need the current tip, and land in the tree', async () => {
  const engine = await testEngine();
  const client = new CodeCommit(engine.client);
  await client.createRepository({ repositoryName: 'worker' });
  const text = (content: string) => Buffer.from(content);
  const first = await client.createCommit({
    repositoryName: 'worker',
    branchName: 'main',
    authorName: 'Ada',
    email: 'ada@example.com',
    commitMessage: 'start',
    putFiles: [
      { filePath: 'src/index.ts', fileContent: text('1') },
      { filePath: 'run.sh', fileContent: text('#!/bin/sh\n'), fileMode: 'EXECUTABLE' },
    ],
  });
  await expect(
    client.putFile({ repositoryName: 'worker', branchName: 'main', filePath: 'a', fileContent: text('2') }),
  ).rejects.toMatchObject({ name: 'ParentCommitIdRequiredException' });
  const second = await client.putFile({
    repositoryName: 'worker',
    branchName: 'main',
    filePath: 'src/index.ts',
    fileContent: text('2'),
    parentCommitId: first.commitId!,
  });
  const stale = client.putFile({
    repositoryName: 'worker',
    branchName: 'main',
    filePath: 'src/index.ts',
    fileContent: text('3'),
    parentCommitId: first.commitId!,
  });
  await expect(stale).rejects.toMatchObject({ name: 'ParentCommitIdOutdatedException' });
  const root = await client.getFolder({ repositoryName: 'worker', folderPath: '/' });
  expect(root.subFolders).toMatchObject([{ absolutePath: 'src' }]);
  expect(root.files).toMatchObject([{ absolutePath: 'run.sh', fileMode: 'EXECUTABLE' }]);
  const file = await client.getFile({ repositoryName: 'worker', filePath: 'src/index.ts' });
  expect(Buffer.from(file.fileContent!).toString()).toBe('2');
  expect(stateChanges(engine).map(({ commitId }) => commitId)).toEqual([first.commitId, second.commitId]);
});

test.each([
  ['an empty branch', { branchName: '' }, 'InvalidBranchNameException'],
  ['a branch that git does not take', { branchName: 'a..b' }, 'InvalidBranchNameException'],
  ['a branch with a NUL', { branchName: 'a\0b' }, 'InvalidBranchNameException'],
  ['a path with a NUL', { filePath: 'a\u0000100644 blob x\tb' }, 'InvalidPathException'],
  ["a path into git's own", { filePath: 'a/.GIT/config' }, 'InvalidPathException'],
  ['a name of no letters', { name: '<>' }, 'InvalidCommitException'],
  ['an address with a NUL', { email: 'a\0b' }, 'InvalidCommitException'],
])('a commit with %s is refused', async (_what, change, name) => {
  const engine = await testEngine();
  const client = new CodeCommit(engine.client);
  await client.createRepository({ repositoryName: 'worker' });
  const file = { repositoryName: 'worker', branchName: 'main', filePath: 'a', fileContent: Buffer.from('1') };
  await expect(client.putFile({ ...file, ...change })).rejects.toMatchObject({ name });
  await expect(client.putFile(file)).resolves.toHaveProperty('commitId');
});

test.each(['/', '../a', ':(bogus)a', ':!a', '*', 'a\u0000b'])('there is no file %j', async (filePath) => {
  const engine = await testEngine();
  const client = new CodeCommit(engine.client);
  await client.createRepository({ repositoryName: 'worker' });
  const file = { repositoryName: 'worker', branchName: 'main', filePath: 'a', fileContent: Buffer.from('1') };
  await client.putFile(file);
  await expect(client.getFile({ repositoryName: 'worker', filePath })).rejects.toMatchObject({
    name: 'FileDoesNotExistException',
  });
});

test('repository names are checked, taken names refused, and a renamed one keeps its commits', async () => {
  const engine = await testEngine();
  const { client, work } = await repository(engine);
  await git(work, 'push', '-q', 'origin', 'main');
  await expect(client.createRepository({ repositoryName: 'a/b' })).rejects.toMatchObject({
    name: 'InvalidRepositoryNameException',
  });
  await expect(client.createRepository({ repositoryName: 'worker' })).rejects.toMatchObject({
    name: 'RepositoryNameExistsException',
  });
  await client.updateRepositoryName({ oldName: 'worker', newName: 'renamed' });
  await expect(client.getRepository({ repositoryName: 'worker' })).rejects.toMatchObject({
    name: 'RepositoryDoesNotExistException',
  });
  expect((await client.listBranches({ repositoryName: 'renamed' })).branches).toEqual(['main']);
  await client.deleteRepository({ repositoryName: 'renamed' });
  expect((await client.listRepositories({})).repositories).toEqual([]);
  expect(readdirSync(join(engine.directory, 'codecommit'))).toEqual([]);
});
