import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Repositories } from './repositories.ts';

/** Tags of repositories. */
export function tagOperations(repositories: Repositories) {
  const resources = (input: { resourceArn?: string | undefined }) => [input.resourceArn ?? ''];
  const tagged = (arn: string | undefined) => {
    const repository = repositories.byArn(arn ?? '');
    if (repository) return repository;
    throw new AwsFault('RepositoryNotFoundException', `The repository ${arn} does not exist.`);
  };

  return {
    TagResource: {
      resources,
      run: (input) => {
        const repository = tagged(input.resourceArn);
        const added = input.tags ?? [];
        const kept = repository.tags.filter(({ Key }) => !added.some((tag) => tag.Key === Key));
        repositories.change(repository.name, { tags: [...kept, ...added] });
        return {};
      },
    },
    UntagResource: {
      resources,
      run: (input) => {
        const repository = tagged(input.resourceArn);
        repositories.change(repository.name, {
          tags: repository.tags.filter(({ Key }) => !input.tagKeys?.includes(Key ?? '')),
        });
        return {};
      },
    },
    ListTagsForResource: {
      resources,
      run: (input) => ({ tags: [...tagged(input.resourceArn).tags] }),
    },
  } satisfies OperationTable<'ecr'>;
}
