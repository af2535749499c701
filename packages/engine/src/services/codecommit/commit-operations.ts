import type { Call, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import type { Commits } from './commits.ts';
import type { Repositories } from './repositories.ts';
import { gitMode } from './trees.ts';

/** Reading commits and their files, and adding a commit to a branch. */
export function commitOperations(repositories: Repositories, commits: Commits) {
  const named = (input: { repositoryName?: string | undefined }) => [
    repositories.arn(input.repositoryName ?? '*'),
  ];

  return {
    GetCommit: {
      resources: named,
      run: async (input) => ({
        commit: await commits.get(repositories.get(input.repositoryName), input.commitId ?? ''),
      }),
    },
    GetFile: {
      resources: named,
      run: async (input) =>
        await commits.file(
          repositories.get(input.repositoryName),
          input.commitSpecifier,
          input.filePath ?? '',
        ),
    },
    GetBlob: {
      resources: named,
      run: async (input) => ({
        content: await commits.blob(repositories.get(input.repositoryName), input.blobId ?? ''),
      }),
    },
    GetFolder: {
      resources: named,
      run: async (input) =>
        await commits.folder(
          repositories.get(input.repositoryName),
          input.commitSpecifier,
          input.folderPath ?? '',
        ),
    },
    GetDifferences: {
      resources: named,
      run: async (input) => ({
        differences: await commits.differences(repositories.get(input.repositoryName), input),
      }),
    },
    PutFile: { resources: named, run: (input, call) => putFile(commits, input, call) },
    CreateCommit: { resources: named, run: (input, call) => createCommit(commits, input, call) },
  } satisfies OperationTable<'codecommit'>;
}

async function putFile(commits: Commits, input: Input<'codecommit', 'PutFile'>, { principal, atMs }: Call) {
  const filePath = input.filePath ?? '';
  const made = await commits.create(input.repositoryName ?? '', {
    branch: input.branchName ?? '',
    parentCommitId: input.parentCommitId,
    message: input.commitMessage ?? `Edited ${filePath}`,
    name: input.name ?? principal.arn,
    email: input.email ?? '',
    put: [
      {
        path: filePath,
        mode: gitMode(input.fileMode),
        content: input.fileContent ?? new Uint8Array(),
      },
    ],
    remove: [],
    nowMs: atMs,
    callerArn: principal.arn,
  });
  return { commitId: made.commitId, treeId: made.treeId, blobId: [...made.blobs.values()][0] };
}

async function createCommit(
  commits: Commits,
  input: Input<'codecommit', 'CreateCommit'>,
  { principal, atMs }: Call,
) {
  if (input.setFileModes !== undefined && input.setFileModes.length > 0) {
    throw new AwsFault(
      'FileModeRequiredException',
      'setFileModes: not supported by the local engine; give the file with its fileMode in putFiles',
    );
  }
  const put = (input.putFiles ?? []).map((entry) => {
    if (entry.fileContent === undefined) {
      throw new AwsFault(
        'FileContentRequiredException',
        `putFiles: ${entry.filePath} needs fileContent: the local engine does not read sourceFile`,
      );
    }
    return { path: entry.filePath ?? '', mode: gitMode(entry.fileMode), content: entry.fileContent };
  });
  const remove = (input.deleteFiles ?? []).map((entry) => entry.filePath ?? '');
  if (put.length + remove.length === 0) {
    throw new AwsFault('NoChangeException', 'The commit changes nothing.');
  }
  const made = await commits.create(input.repositoryName ?? '', {
    branch: input.branchName ?? '',
    parentCommitId: input.parentCommitId,
    message: input.commitMessage ?? '',
    name: input.authorName ?? principal.arn,
    email: input.email ?? '',
    put,
    remove,
    nowMs: atMs,
    callerArn: principal.arn,
  });
  const file = (path: string) => ({ absolutePath: path, blobId: made.blobs.get(path) });
  const paths = [...made.blobs.keys()];
  return {
    commitId: made.commitId,
    treeId: made.treeId,
    filesAdded: paths.filter((path) => !made.existed.has(path)).map(file),
    filesUpdated: paths.filter((path) => made.existed.has(path)).map(file),
    filesDeleted: remove.map((path) => ({ absolutePath: path })),
  };
}
