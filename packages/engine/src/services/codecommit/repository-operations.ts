import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { GIT_PATH } from './git-http.ts';
import type { Repositories, Repository } from './repositories.ts';

/** Making, describing, changing and deleting repositories. */
export function repositoryOperations(engine: Engine, repositories: Repositories) {
  const named = (input: { repositoryName?: string | undefined }) => [
    repositories.arn(input.repositoryName ?? '*'),
  ];
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

  return {
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
  } satisfies OperationTable<'codecommit'>;
}
