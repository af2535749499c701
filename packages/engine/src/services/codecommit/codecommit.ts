import type { Engine, Principal, Service } from '../../dispatch/service.ts';
import { AwsFault, UserError } from '../../errors.ts';
import type { Authorizer } from '../../iam/authorizer.ts';
import type { Identity } from '../../iam/identity.ts';
import type { HttpHandler } from '../../wire/server.ts';
import { Commits, gitMode } from './commits.ts';
import { Git, GitError } from './git.ts';
import { GIT_PATH, gitHttpHandler } from './git-http.ts';
import { Repositories, type Repository } from './repositories.ts';

/**
 * Files of commits for the services that take source from CodeCommit. They are no API operations on AWS
 * either: the pipeline uses an internal archive upload, the build a git clone. Both check the permission that
 * AWS asks of the role.
 */
export interface CommitSources {
  /** Zip of a commit's files. Needs `codecommit:UploadArchive`. */
  archive(principal: Principal, repositoryName: string, commitId: string): Promise<Uint8Array>;
  /** Clones into the empty directory `target` and checks out `specifier`. Needs `codecommit:GitPull`. */
  checkOut(
    principal: Principal,
    repositoryName: string,
    specifier: string | undefined,
    target: string,
  ): Promise<string>;
}

interface CodeCommitParts {
  readonly identity: Identity;
  readonly authorizer: Authorizer;
  readonly handle: (handler: HttpHandler) => void;
  /** Search path of this machine, where git is found. */
  readonly hostPath: string;
}

/**
 * CodeCommit: repositories that real git clones, fetches and pushes over HTTP, and the events about their
 * branches. Pull requests, approval rules, triggers and encryption keys of one's own are not implemented.
 */
export function createCodeCommit(
  engine: Engine,
  parts: CodeCommitParts,
): { service: Service<'codecommit'>; sources: CommitSources } {
  const repositories = new Repositories(engine, new Git(parts.hostPath));
  const commits = new Commits(repositories);
  parts.handle(gitHttpHandler({ ...parts, repositories, state: engine.state }));

  const named = (input: { repositoryName?: string | undefined }) => [
    repositories.arn(input.repositoryName ?? '*'),
  ];
  const byArn = (input: { resourceArn?: string | undefined }) => [input.resourceArn ?? '*'];
  const metadata = (repository: Repository, endpoint: string) => ({
    accountId: engine.accountId,
    repositoryId: repository.repositoryId,
    repositoryName: repository.repositoryName,
    repositoryDescription: repository.description,
    defaultBranch: repository.defaultBranch,
    lastModifiedDate: new Date(repository.modifiedAtMs),
    creationDate: new Date(repository.createdAtMs),
    cloneUrlHttp: `${endpoint}${GIT_PATH}${repository.repositoryName}`,
    Arn: repositories.arn(repository.repositoryName),
  });
  const findByArn = (arn: string | undefined) => {
    const repository = repositories.all.find((item) => repositories.arn(item.repositoryName) === arn);
    if (!repository) throw new AwsFault('RepositoryDoesNotExistException', `${arn} does not exist`);
    return repository;
  };
  const resourceTags = (arn: string) =>
    repositories.all.find((item) => repositories.arn(item.repositoryName) === arn)?.tags;
  const authorize = (principal: Principal, action: string, repositoryName: string) =>
    parts.authorizer.authorize({
      principal,
      actions: [action],
      resources: [repositories.arn(repositoryName)],
      resourceTags,
      accessDeniedCode: 'AccessDeniedException',
    });
  const changeRef = async (
    repositoryName: string | undefined,
    callerArn: string,
    args: readonly string[],
  ) => {
    const repository = repositories.get(repositoryName);
    await repositories.exclusively(repository, async () => {
      await repositories.git.run(args, { cwd: repositories.directory(repository) });
      await repositories.announce(repository.repositoryName, callerArn);
    });
  };

  const service: Service<'codecommit'> = {
    name: 'codecommit',
    resourceTags,
    operations: {
      CreateRepository: {
        resources: named,
        run: async (input, { endpoint }) => {
          if (input.kmsKeyId !== undefined) {
            throw new AwsFault(
              'EncryptionKeyInvalidIdException',
              'kmsKeyId: the local engine does not encrypt repositories',
            );
          }
          const repository = await repositories.create(
            input.repositoryName ?? '',
            input.repositoryDescription,
            input.tags ?? {},
          );
          return { repositoryMetadata: metadata(repository, endpoint) };
        },
      },
      GetRepository: {
        resources: named,
        run: (input, { endpoint }) => ({
          repositoryMetadata: metadata(repositories.get(input.repositoryName), endpoint),
        }),
      },
      BatchGetRepositories: {
        resources: (input) => (input.repositoryNames ?? []).map((name) => repositories.arn(name)),
        run: (input, { endpoint }) => {
          const names = input.repositoryNames ?? [];
          const found = names.map((name) => repositories.find(name)).filter((item) => item !== undefined);
          return {
            repositories: found.map((repository) => metadata(repository, endpoint)),
            repositoriesNotFound: names.filter((name) => !repositories.find(name)),
          };
        },
      },
      ListRepositories: {
        run: (input) => {
          const list = repositories.all.sort((a, b) =>
            input.sortBy === 'lastModifiedDate'
              ? a.modifiedAtMs - b.modifiedAtMs
              : a.repositoryName < b.repositoryName
                ? -1
                : 1,
          );
          if (input.order === 'descending') list.reverse();
          return {
            repositories: list.map(({ repositoryName, repositoryId }) => ({ repositoryName, repositoryId })),
          };
        },
      },
      DeleteRepository: {
        resources: named,
        run: async (input) => {
          const repositoryId = await repositories.delete(input.repositoryName ?? '');
          return repositoryId === undefined ? {} : { repositoryId };
        },
      },
      UpdateRepositoryName: {
        resources: (input) => [repositories.arn(input.oldName ?? '*')],
        run: (input) => {
          repositories.rename(input.oldName ?? '', input.newName ?? '');
          return {};
        },
      },
      UpdateRepositoryDescription: {
        resources: named,
        run: (input) => {
          repositories.describe(repositories.get(input.repositoryName), {
            description: input.repositoryDescription,
          });
          return {};
        },
      },
      UpdateDefaultBranch: {
        resources: named,
        run: async (input) => {
          await repositories.setDefaultBranch(
            repositories.get(input.repositoryName),
            input.defaultBranchName ?? '',
          );
          return {};
        },
      },
      GetBranch: {
        resources: named,
        run: (input) => {
          const repository = repositories.get(input.repositoryName);
          const commitId = repositories.commitOfBranch(repository, input.branchName);
          return { branch: { branchName: input.branchName, commitId } };
        },
      },
      ListBranches: {
        resources: named,
        run: (input) => ({
          branches: Object.keys(repositories.get(input.repositoryName).refs)
            .filter((ref) => ref.startsWith('refs/heads/'))
            .map((ref) => ref.slice('refs/heads/'.length)),
        }),
      },
      CreateBranch: {
        resources: named,
        run: async (input, { principal }) => {
          const repository = repositories.get(input.repositoryName);
          const ref = `refs/heads/${input.branchName}`;
          if (repository.refs[ref] !== undefined) {
            throw new AwsFault('BranchNameExistsException', `Branch ${input.branchName} already exists`);
          }
          const commit = await commits.resolve(repository, input.commitId);
          try {
            await changeRef(input.repositoryName, principal.arn, ['update-ref', ref, commit, '0'.repeat(40)]);
          } catch (error) {
            if (!(error instanceof GitError)) throw error;
            throw new AwsFault('InvalidBranchNameException', `Branch name ${input.branchName} is not valid`);
          }
          return {};
        },
      },
      DeleteBranch: {
        resources: named,
        run: async (input, { principal }) => {
          const repository = repositories.get(input.repositoryName);
          if (repository.defaultBranch === input.branchName) {
            throw new AwsFault(
              'DefaultBranchCannotBeDeletedException',
              `The default branch ${input.branchName} cannot be deleted: make another branch the default first`,
            );
          }
          const commitId = repository.refs[`refs/heads/${input.branchName}`];
          if (commitId === undefined) return {};
          await changeRef(input.repositoryName, principal.arn, [
            'update-ref',
            '-d',
            `refs/heads/${input.branchName}`,
          ]);
          return { deletedBranch: { branchName: input.branchName, commitId } };
        },
      },
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
      PutFile: {
        resources: named,
        run: async (input, { principal, atMs }) => {
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
        },
      },
      CreateCommit: {
        resources: named,
        run: async (input, { principal, atMs }) => {
          if (input.setFileModes !== undefined && input.setFileModes.length > 0) {
            throw new AwsFault(
              'FileModeRequiredException',
              'setFileModes: not supported by the local engine',
            );
          }
          const put = (input.putFiles ?? []).map((entry) => {
            if (entry.fileContent === undefined) {
              throw new AwsFault(
                'FileContentRequiredException',
                `putFiles: ${entry.filePath} needs fileContent; sourceFile is not supported by the local engine`,
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
        },
      },
      TagResource: {
        resources: byArn,
        run: (input) => {
          const repository = findByArn(input.resourceArn);
          repositories.describe(repository, { tags: { ...repository.tags, ...input.tags } });
          return {};
        },
      },
      UntagResource: {
        resources: byArn,
        run: (input) => {
          const repository = findByArn(input.resourceArn);
          const gone = new Set(input.tagKeys ?? []);
          repositories.describe(repository, {
            tags: Object.fromEntries(Object.entries(repository.tags).filter(([key]) => !gone.has(key))),
          });
          return {};
        },
      },
      ListTagsForResource: {
        resources: byArn,
        run: (input) => ({ tags: { ...findByArn(input.resourceArn).tags } }),
      },
    },
    async start() {
      if (repositories.all.length === 0) return;
      try {
        await repositories.git.run(['version'], { cwd: engine.directory });
      } catch (error) {
        throw new UserError('GitNotInstalled', (error as Error).message, { cause: error });
      }
      // A push whose refs git had already moved when the engine died is announced now.
      for (const repository of repositories.all) {
        await repositories.exclusively(repository, () =>
          repositories.announce(repository.repositoryName, undefined),
        );
      }
    },
  };

  return {
    service,
    sources: {
      async archive(principal, repositoryName, commitId) {
        authorize(principal, 'codecommit:UploadArchive', repositoryName);
        return commits.archive(repositories.get(repositoryName), commitId);
      },
      async checkOut(principal, repositoryName, specifier, target) {
        authorize(principal, 'codecommit:GitPull', repositoryName);
        return commits.checkOut(repositories.get(repositoryName), specifier, target);
      },
    },
  };
}
