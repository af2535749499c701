import type { Engine, Service } from '../../dispatch/service.ts';
import type { Authorizer } from '../../iam/authorizer.ts';
import { tagMap } from '../../iam/tags.ts';
import type { ImageStore, StoredImage } from '../../runtime/oci/image-store.ts';
import { Registry } from '../../runtime/oci/registry.ts';
import type { HttpHandler } from '../../wire/server.ts';
import { imageOperations } from './image-operations.ts';
import { layerOperations } from './layer-operations.ts';
import { policyOperations } from './policy-operations.ts';
import { RegistryAccess } from './registry-access.ts';
import { Repositories } from './repositories.ts';
import { repositoryOperations } from './repository-operations.ts';
import { tagOperations } from './tag-operations.ts';

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
      ...imageOperations(engine, { repositories, images, onPushed: pushed }),
      ...layerOperations(engine, repositories, images),
      ...tagOperations(repositories),
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
