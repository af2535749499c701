import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { ImageStore } from '../../runtime/oci/image-store.ts';
import { page } from './paging.ts';
import type { Repositories } from './repositories.ts';

/** Making, describing, changing and deleting repositories. */
export function repositoryOperations(engine: Engine, repositories: Repositories, images: ImageStore) {
  const own = (input: { repositoryName?: string | undefined }) => [repositories.arn(input.repositoryName)];

  return {
    CreateRepository: {
      resources: own,
      actions: (input) => ['ecr:CreateRepository', ...(input.tags?.length ? ['ecr:TagResource'] : [])],
      run: (input) => {
        const repository = repositories.create({
          name: input.repositoryName ?? '',
          createdAtMs: engine.clock.nowMs(),
          tagMutability: input.imageTagMutability ?? 'MUTABLE',
          mutableTags: input.imageTagMutabilityExclusionFilters ?? [],
          scanning: { scanOnPush: input.imageScanningConfiguration?.scanOnPush ?? false },
          encryption: input.encryptionConfiguration ?? { encryptionType: 'AES256' },
          tags: input.tags ?? [],
        });
        engine.journal.append('ecr', 'repository.created', { repository: repository.name });
        return { repository: repositories.shown(repository) };
      },
    },
    DescribeRepositories: {
      resources: (input) =>
        input.repositoryNames?.length
          ? input.repositoryNames.map((name) => repositories.arn(name))
          : [repositories.arn('*')],
      run: (input) => {
        const found = input.repositoryNames?.length
          ? input.repositoryNames.map((name) => repositories.get(name, input.registryId))
          : repositories.values();
        const { items, nextToken } = page(found, input);
        return { repositories: items.map((repository) => repositories.shown(repository)), nextToken };
      },
    },
    DeleteRepository: {
      resources: own,
      run: (input) => {
        const repository = repositories.get(input.repositoryName, input.registryId);
        const { name } = repository;
        if (!input.force && images.listImages(name).length > 0) {
          throw new AwsFault(
            'RepositoryNotEmptyException',
            `The repository with name '${name}' in registry with id '${engine.accountId}' cannot be deleted because it still contains images`,
          );
        }
        const shown = repositories.shown(repository);
        repositories.delete(name);
        images.deleteRepository(name);
        engine.journal.append('ecr', 'repository.deleted', { repository: name });
        return { repository: shown };
      },
    },
    PutImageTagMutability: {
      resources: own,
      run: (input) => {
        const { name } = repositories.get(input.repositoryName, input.registryId);
        const changed = repositories.change(name, {
          tagMutability: input.imageTagMutability!,
          mutableTags: input.imageTagMutabilityExclusionFilters ?? [],
        });
        return {
          registryId: engine.accountId,
          repositoryName: name,
          imageTagMutability: changed.tagMutability,
          imageTagMutabilityExclusionFilters: [...changed.mutableTags],
        };
      },
    },
    PutImageScanningConfiguration: {
      resources: own,
      run: (input) => {
        const { name } = repositories.get(input.repositoryName, input.registryId);
        const scanning = { scanOnPush: input.imageScanningConfiguration?.scanOnPush ?? false };
        repositories.change(name, { scanning });
        return { registryId: engine.accountId, repositoryName: name, imageScanningConfiguration: scanning };
      },
    },
  } satisfies OperationTable<'ecr'>;
}
