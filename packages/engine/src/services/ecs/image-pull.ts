import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import { ecrHost, type ImageReference, parseImageReference } from '../../runtime/oci/image-reference.ts';
import { TaskStartError } from './task-start-error.ts';

const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];

/** Whether the image is kept in ECR, under AWS's name for it or under this engine's. */
export function isEcrImage(reference: ImageReference): boolean {
  return (
    reference.registry !== undefined &&
    (isLoopback(reference.registry) || ecrHost(reference.registry) !== undefined)
  );
}

/**
 * Resolves a task's image to a digest with the execution role, through the same ECR calls that a pull on AWS
 * makes; so a role that may not pull fails here as there. The registry of an earlier port of this engine
 * counts as this one: image names outlive a restart.
 */
export async function pullImage(
  engine: Engine,
  executionRole: Principal | undefined,
  image: string,
  pinnedDigest: string | undefined,
): Promise<{ repository: string; digest: string }> {
  const reference = parseImageReference(image);
  if (!reference) throw new TaskStartError(`CannotPullContainerError: invalid reference format: "${image}"`);
  requireOwnRegistry(engine, reference, image);
  if (!executionRole) {
    throw new TaskStartError(
      `CannotPullContainerError: the task definition has no execution role, and without one nothing may pull ${image}`,
    );
  }
  await engine.call(executionRole, 'ecr', 'GetAuthorizationToken', {}).catch((error: unknown) => {
    throw new TaskStartError(
      `ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: ${told(error)}`,
    );
  });
  const { repository } = reference;
  const failed = (error: unknown): never => {
    throw new TaskStartError(
      `CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref ${image}: ${told(error)}`,
    );
  };
  const digest = pinnedDigest ?? reference.digest;
  const imageId = digest ? { imageDigest: digest } : { imageTag: reference.tag ?? 'latest' };
  const { images } = await engine
    .call(executionRole, 'ecr', 'BatchGetImage', {
      repositoryName: repository,
      imageIds: [imageId],
      acceptedMediaTypes: MANIFEST_TYPES,
    })
    .catch(failed);
  const found = images?.[0];
  const resolved = found?.imageId?.imageDigest;
  if (!found?.imageManifest || !resolved) return failed(new Error(`${image}: not found`));
  const layerDigest = firstLayer(found.imageManifest);
  if (layerDigest) {
    await engine
      .call(executionRole, 'ecr', 'GetDownloadUrlForLayer', { repositoryName: repository, layerDigest })
      .catch(failed);
  }
  return { repository, digest: resolved };
}

function requireOwnRegistry(engine: Engine, { registry }: ImageReference, image: string): void {
  const ecr = registry === undefined ? undefined : ecrHost(registry);
  if (
    ecr ? ecr.account === engine.accountId && ecr.region === engine.region : registry && isLoopback(registry)
  )
    return;
  const host = new URL(engine.endpoint()).host;
  throw new TaskStartError(
    `CannotPullContainerError: the local engine cannot pull "${image}": it pulls only from its own registry, ${host}/<repository> or ${engine.accountId}.dkr.ecr.${engine.region}.amazonaws.com/<repository>. Push the image there.`,
  );
}

function isLoopback(registry: string): boolean {
  return /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(registry);
}

/** Layers of a list are those of its entries; the list itself has none. */
function firstLayer(manifest: string): string | undefined {
  const { layers } = JSON.parse(manifest) as { layers?: ReadonlyArray<{ digest: string }> };
  return layers?.[0]?.digest;
}

function told(error: unknown): string {
  if (error instanceof AwsFault) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
