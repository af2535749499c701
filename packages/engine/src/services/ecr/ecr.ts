import type { Engine, OperationTable, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Authorizer } from '../../iam/authorizer.ts';
import { parsePolicy } from '../../iam/policy-grammar.ts';
import { directoryOf } from '../../iam/roles.ts';
import { tagMap } from '../../iam/tags.ts';
import type { ImageStore, StoredImage } from '../../runtime/oci/image-store.ts';
import { Registry } from '../../runtime/oci/registry.ts';
import { parseBoundedJson } from '../../wire/document-bounds.ts';
import type { HttpHandler } from '../../wire/server.ts';
import { imageOperations } from './images.ts';
import { page } from './paging.ts';
import { RegistryAccess } from './registry-access.ts';
import { Repositories } from './repository.ts';

/**
 * Amazon ECR: repositories, their images, and the image registry under `/v2/` to which `docker` pushes.
 *
 * Lifecycle policies and scan settings are kept and shown, but nothing is expired or scanned.
 */
export function createEcr(
  engine: Engine,
  parts: {
    readonly images: ImageStore;
    readonly authorizer: Authorizer;
    readonly handle: (handler: HttpHandler) => void;
  },
): Service<'ecr'> {
  const { images } = parts;
  const repositories = new Repositories(engine);
  const access = new RegistryAccess(engine, repositories, parts.authorizer);
  const pushed = (image: StoredImage, tag: string | undefined) =>
    tellPushed(engine, repositories, image, tag);
  const registry = new Registry({
    store: images,
    clock: engine.clock,
    ids: engine.ids,
    policy: {
      authorize: (token, repository, action) => access.authorize(token, repository, action),
      repositoryExists: (repository) => repositories.has(repository),
      tagIsImmutable: (repository, tag) => repositories.isImmutable(repository, tag),
      onPushed: (image) => pushed(image, image.tags.length === 1 ? image.tags[0] : undefined),
    },
  });
  parts.handle((request, response) => registry.handle(request, response));

  return {
    name: 'ecr',
    operations: {
      ...repositoryOperations(engine, repositories, images),
      ...policyOperations(engine, repositories),
      ...imageOperations(engine, repositories, images, pushed),
      GetAuthorizationToken: {
        run: (_input, { principal }) => {
          const { password, expiresAt } = access.issue(principal);
          return {
            authorizationData: [
              {
                authorizationToken: Buffer.from(`AWS:${password}`).toString('base64'),
                expiresAt,
                proxyEndpoint: engine.endpoint(),
              },
            ],
          };
        },
      },
    },
    resourcePolicy: (arn) => repositories.byArn(arn)?.policy,
    resourceTags: (arn) => tagMap(repositories.byArn(arn)?.tags),
    stop: () => registry.close(),
  };
}

type RepositoryOperations =
  | 'CreateRepository'
  | 'DescribeRepositories'
  | 'DeleteRepository'
  | 'PutImageTagMutability'
  | 'PutImageScanningConfiguration'
  | 'TagResource'
  | 'UntagResource'
  | 'ListTagsForResource';

function repositoryOperations(
  engine: Engine,
  repositories: Repositories,
  images: ImageStore,
): Pick<OperationTable<'ecr'>, RepositoryOperations> {
  const own = (input: { repositoryName?: string | undefined }) => [repositories.arn(input.repositoryName)];
  const tagged = (arn: string | undefined) => {
    const repository = repositories.byArn(arn ?? '');
    if (repository) return repository;
    throw new AwsFault('RepositoryNotFoundException', `The repository ${arn} does not exist.`);
  };
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
    TagResource: {
      resources: (input) => [input.resourceArn ?? ''],
      run: (input) => {
        const repository = tagged(input.resourceArn);
        const added = input.tags ?? [];
        const kept = repository.tags.filter(({ Key }) => !added.some((tag) => tag.Key === Key));
        repositories.change(repository.name, { tags: [...kept, ...added] });
        return {};
      },
    },
    UntagResource: {
      resources: (input) => [input.resourceArn ?? ''],
      run: (input) => {
        const repository = tagged(input.resourceArn);
        repositories.change(repository.name, {
          tags: repository.tags.filter(({ Key }) => !input.tagKeys?.includes(Key ?? '')),
        });
        return {};
      },
    },
    ListTagsForResource: {
      resources: (input) => [input.resourceArn ?? ''],
      run: (input) => ({ tags: [...tagged(input.resourceArn).tags] }),
    },
  };
}

type PolicyOperations =
  | 'SetRepositoryPolicy'
  | 'GetRepositoryPolicy'
  | 'DeleteRepositoryPolicy'
  | 'PutLifecyclePolicy'
  | 'GetLifecyclePolicy'
  | 'DeleteLifecyclePolicy';

function policyOperations(
  engine: Engine,
  repositories: Repositories,
): Pick<OperationTable<'ecr'>, PolicyOperations> {
  const own = (input: { repositoryName?: string | undefined }) => [repositories.arn(input.repositoryName)];
  const registryId = engine.accountId;
  const missing = (code: string, what: string, name: string) =>
    new AwsFault(
      code,
      `${what} does not exist for the repository with name '${name}' in the registry with id '${registryId}'`,
    );
  const noPolicy = (name: string) => missing('RepositoryPolicyNotFoundException', 'Repository policy', name);
  const noLifecycle = (name: string) => missing('LifecyclePolicyNotFoundException', 'Lifecycle policy', name);
  return {
    SetRepositoryPolicy: {
      resources: own,
      run: (input) => {
        const { name } = repositories.get(input.repositoryName, input.registryId);
        const policy = input.policyText ?? '';
        const parsed = parsePolicy(policy, 'ecr', directoryOf(engine));
        if ('error' in parsed) throw new AwsFault('InvalidParameterException', parsed.error);
        repositories.change(name, { policy });
        return { registryId, repositoryName: name, policyText: policy };
      },
    },
    GetRepositoryPolicy: {
      resources: own,
      run: (input) => {
        const { name, policy } = repositories.get(input.repositoryName, input.registryId);
        if (policy === undefined) throw noPolicy(name);
        return { registryId, repositoryName: name, policyText: policy };
      },
    },
    DeleteRepositoryPolicy: {
      resources: own,
      run: (input) => {
        const { policy, ...rest } = repositories.get(input.repositoryName, input.registryId);
        if (policy === undefined) throw noPolicy(rest.name);
        repositories.replace(rest);
        return { registryId, repositoryName: rest.name, policyText: policy };
      },
    },
    PutLifecyclePolicy: {
      resources: own,
      run: (input) => {
        const { name } = repositories.get(input.repositoryName, input.registryId);
        const lifecyclePolicy = input.lifecyclePolicyText ?? '';
        if (!isLifecyclePolicy(lifecyclePolicy)) {
          throw new AwsFault(
            'InvalidParameterException',
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: it must be JSON with a list of rules'",
          );
        }
        repositories.change(name, { lifecyclePolicy });
        engine.journal.append('ecr', 'lifecycle-policy.recorded', {
          repository: name,
          note: 'kept and shown; the local engine expires no images',
        });
        return { registryId, repositoryName: name, lifecyclePolicyText: lifecyclePolicy };
      },
    },
    GetLifecyclePolicy: {
      resources: own,
      run: (input) => {
        const { name, lifecyclePolicy } = repositories.get(input.repositoryName, input.registryId);
        if (lifecyclePolicy === undefined) throw noLifecycle(name);
        return { registryId, repositoryName: name, lifecyclePolicyText: lifecyclePolicy };
      },
    },
    DeleteLifecyclePolicy: {
      resources: own,
      run: (input) => {
        const { lifecyclePolicy, ...rest } = repositories.get(input.repositoryName, input.registryId);
        if (lifecyclePolicy === undefined) throw noLifecycle(rest.name);
        repositories.replace(rest);
        return { registryId, repositoryName: rest.name, lifecyclePolicyText: lifecyclePolicy };
      },
    },
  };
}

function isLifecyclePolicy(text: string): boolean {
  try {
    return Array.isArray((parseBoundedJson(text) as { rules?: unknown }).rules);
  } catch {
    return false;
  }
}

function tellPushed(
  engine: Engine,
  repositories: Repositories,
  image: StoredImage,
  tag: string | undefined,
): void {
  engine.journal.append('ecr', 'image.pushed', {
    repository: image.repository,
    digest: image.digest,
    tag,
    sizeBytes: image.sizeBytes,
  });
  engine.journal.publish({
    source: 'aws.ecr',
    'detail-type': 'ECR Image Action',
    resources: [repositories.arn(image.repository)],
    detail: {
      'action-type': 'PUSH',
      result: 'SUCCESS',
      'repository-name': image.repository,
      'image-digest': image.digest,
      ...(tag === undefined ? {} : { 'image-tag': tag }),
      'manifest-media-type': image.mediaType,
    },
  });
}
