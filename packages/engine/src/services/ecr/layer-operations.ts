import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { ImageStore } from '../../runtime/oci/image-store.ts';
import type { Repositories } from './repositories.ts';

/** Layers of a repository's images, whose content travels through the registry. */
export function layerOperations(engine: Engine, repositories: Repositories, images: ImageStore) {
  const own = (input: { repositoryName?: string | undefined }) => [repositories.arn(input.repositoryName)];
  const named = (input: { repositoryName?: string | undefined; registryId?: string | undefined }) =>
    repositories.get(input.repositoryName, input.registryId).name;

  return {
    BatchCheckLayerAvailability: {
      resources: own,
      journaled: false,
      run: (input) => {
        const repositoryName = named(input);
        return {
          layers: (input.layerDigests ?? []).map((layerDigest) => {
            const here = images.hasBlob(repositoryName, layerDigest);
            return {
              layerDigest,
              layerAvailability: here ? ('AVAILABLE' as const) : ('UNAVAILABLE' as const),
              layerSize: here ? images.blobs.size(layerDigest) : undefined,
            };
          }),
          failures: [],
        };
      },
    },
    GetDownloadUrlForLayer: {
      resources: own,
      run: (input) => {
        const repositoryName = named(input);
        const layerDigest = input.layerDigest ?? '';
        if (!images.hasBlob(repositoryName, layerDigest)) {
          throw new AwsFault(
            'LayersNotFoundException',
            `The layer with digest '${layerDigest}' was not found in the repository with name '${repositoryName}' in the registry with id '${engine.accountId}'`,
          );
        }
        // On AWS a presigned URL; here the registry's own, which asks for the authorization token.
        return { downloadUrl: `${engine.endpoint()}/v2/${repositoryName}/blobs/${layerDigest}`, layerDigest };
      },
    },
  } satisfies OperationTable<'ecr'>;
}
