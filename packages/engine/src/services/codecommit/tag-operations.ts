import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Repositories, Repository } from './repositories.ts';

/** Tags of repositories. */
export function tagOperations(repositories: Repositories) {
  const byArn = (input: { resourceArn?: string | undefined }) => [input.resourceArn ?? '*'];
  const find = (arn: string | undefined): Repository => {
    const repository = repositories.byArn(arn);
    if (!repository) throw new AwsFault('RepositoryDoesNotExistException', `${arn} does not exist`);
    return repository;
  };

  return {
    TagResource: {
      resources: byArn,
      run: (input) => {
        const repository = find(input.resourceArn);
        repositories.describe(repository, { tags: { ...repository.tags, ...input.tags } });
        return {};
      },
    },
    UntagResource: {
      resources: byArn,
      run: (input) => {
        const repository = find(input.resourceArn);
        const gone = new Set(input.tagKeys ?? []);
        repositories.describe(repository, {
          tags: Object.fromEntries(Object.entries(repository.tags).filter(([key]) => !gone.has(key))),
        });
        return {};
      },
    },
    ListTagsForResource: {
      resources: byArn,
      run: (input) => ({ tags: { ...find(input.resourceArn).tags } }),
    },
  } satisfies OperationTable<'codecommit'>;
}
