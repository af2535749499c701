import type { ImageDetail, ImageFailure, ImageIdentifier } from '@aws-sdk/client-ecr';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { parseBoundedJson } from '../../document-bounds.ts';
import { AwsFault } from '../../errors.ts';
import { digestOf, MEDIA_TYPES } from '../../runtime/oci/image-format.ts';
import type { ImageStore, StoredImage } from '../../runtime/oci/image-store.ts';
import { ImageStoreError } from '../../runtime/oci/image-store-error.ts';
import type { Input } from '../../sdk/services.ts';
import { page } from './paging.ts';
import type { Repositories } from './repositories.ts';

interface Parts {
  readonly repositories: Repositories;
  readonly images: ImageStore;
  readonly onPushed: (image: StoredImage, tag: string | undefined) => void;
}

/** Images of a repository, as the API shows and changes them. */
export function imageOperations(engine: Engine, parts: Parts) {
  const { repositories, images } = parts;
  const own = (input: { repositoryName?: string | undefined }) => [repositories.arn(input.repositoryName)];
  const named = (input: { repositoryName?: string | undefined; registryId?: string | undefined }) =>
    repositories.get(input.repositoryName, input.registryId).name;

  return {
    BatchGetImage: { resources: own, run: (input) => batchGetImage(engine, parts, named(input), input) },
    PutImage: { resources: own, run: (input) => putImage(engine, parts, named(input), input) },
    DescribeImages: { resources: own, run: (input) => describeImages(engine, parts, named(input), input) },
    ListImages: {
      resources: own,
      run: (input) => {
        const ids = images
          .listImages(named(input))
          .filter((image) => hasTagStatus(image, input.filter?.tagStatus))
          .flatMap((image): ImageIdentifier[] =>
            image.tags.length > 0
              ? image.tags.map((imageTag) => ({ imageDigest: image.digest, imageTag }))
              : [{ imageDigest: image.digest }],
          );
        const { items, nextToken } = page(ids, input);
        return { imageIds: items, nextToken };
      },
    },
    BatchDeleteImage: {
      resources: own,
      run: (input) => batchDeleteImage(engine, parts, named(input), input),
    },
  } satisfies OperationTable<'ecr'>;
}

function batchGetImage(
  engine: Engine,
  { images }: Parts,
  repositoryName: string,
  input: Input<'ecr', 'BatchGetImage'>,
) {
  const found: Array<{
    imageId: ImageIdentifier;
    imageManifest: string;
    imageManifestMediaType: string;
  }> = [];
  const failures: ImageFailure[] = [];
  for (const id of input.imageIds ?? []) {
    const failure = whyInvalid(id);
    const image = failure ? undefined : imageOf(images, repositoryName, id);
    const manifest = image && images.readManifest(repositoryName, image.digest);
    if (!image || !manifest) failures.push(failure ?? missing(id));
    else {
      found.push({
        imageId: { imageDigest: image.digest, ...(id.imageTag ? { imageTag: id.imageTag } : {}) },
        imageManifest: manifest.content.toString('utf8'),
        imageManifestMediaType: manifest.mediaType,
      });
    }
  }
  return {
    images: found.map((image) => ({ registryId: engine.accountId, repositoryName, ...image })),
    failures,
  };
}

function putImage(
  engine: Engine,
  { repositories, images, onPushed }: Parts,
  repositoryName: string,
  input: Input<'ecr', 'PutImage'>,
) {
  const { imageTag, imageManifest = '' } = input;
  const content = Buffer.from(imageManifest, 'utf8');
  const mediaType = input.imageManifestMediaType ?? mediaTypeOf(imageManifest);
  const before = imageTag === undefined ? undefined : images.resolve(repositoryName, imageTag);
  const image = put(() =>
    images.putManifest(
      repositoryName,
      imageTag ?? input.imageDigest ?? digestOf(content),
      mediaType,
      content,
      {
        immutableTags: imageTag !== undefined && repositories.isImmutable(repositoryName, imageTag),
      },
    ),
  );
  if (before === image.digest) {
    throw new AwsFault(
      'ImageAlreadyExistsException',
      `Image with digest '${image.digest}' and tag '${imageTag}' already exists in the repository with name '${repositoryName}' in registry with id '${engine.accountId}'`,
    );
  }
  onPushed(image, imageTag);
  return {
    image: {
      registryId: engine.accountId,
      repositoryName,
      imageId: { imageDigest: image.digest, imageTag },
      imageManifest,
      imageManifestMediaType: image.mediaType,
    },
  };
}

function describeImages(
  engine: Engine,
  { images }: Parts,
  repositoryName: string,
  input: Input<'ecr', 'DescribeImages'>,
) {
  const wanted = input.imageIds?.map((id) => {
    const image = imageOf(images, repositoryName, id);
    if (!image) {
      throw new AwsFault(
        'ImageNotFoundException',
        `The image with imageId {imageDigest:'${id.imageDigest ?? 'null'}', imageTag:'${id.imageTag ?? 'null'}'} does not exist within the repository with name '${repositoryName}' in the registry with id '${engine.accountId}'`,
      );
    }
    return image;
  });
  const all = (wanted ?? images.listImages(repositoryName)).filter((image) =>
    hasTagStatus(image, input.filter?.tagStatus),
  );
  const { items, nextToken } = page(all, input);
  return {
    imageDetails: items.map(
      (image): ImageDetail => ({
        registryId: engine.accountId,
        repositoryName,
        imageDigest: image.digest,
        imageTags: image.tags.length > 0 ? [...image.tags] : undefined,
        imageSizeInBytes: image.sizeBytes,
        imagePushedAt: new Date(image.pushedAtMs),
        imageManifestMediaType: image.mediaType,
        artifactMediaType: MEDIA_TYPES.ociConfig,
      }),
    ),
    nextToken,
  };
}

function batchDeleteImage(
  engine: Engine,
  { images }: Parts,
  repositoryName: string,
  input: Input<'ecr', 'BatchDeleteImage'>,
) {
  const deleted: ImageIdentifier[] = [];
  const failures: ImageFailure[] = [];
  for (const id of input.imageIds ?? []) {
    const failure = whyInvalid(id);
    const image = failure ? undefined : imageOf(images, repositoryName, id);
    if (!image) {
      failures.push(failure ?? missing(id));
      continue;
    }
    // Taking an image's last tag off deletes the image, as on AWS.
    if (id.imageTag !== undefined && id.imageDigest === undefined && image.tags.length > 1) {
      images.removeTag(repositoryName, id.imageTag);
    } else images.deleteImage(repositoryName, image.digest);
    deleted.push({ imageDigest: image.digest, ...(id.imageTag ? { imageTag: id.imageTag } : {}) });
    engine.journal.append('ecr', 'image.deleted', {
      repository: repositoryName,
      digest: image.digest,
      tag: id.imageTag,
    });
  }
  return { imageIds: deleted, failures };
}

function imageOf(images: ImageStore, repository: string, id: ImageIdentifier): StoredImage | undefined {
  const image = images.describe(repository, id.imageDigest ?? id.imageTag ?? '');
  return image && (id.imageTag === undefined || image.tags.includes(id.imageTag)) ? image : undefined;
}

function hasTagStatus({ tags }: StoredImage, status: string | undefined): boolean {
  if (status === 'TAGGED') return tags.length > 0;
  return status !== 'UNTAGGED' || tags.length === 0;
}

function whyInvalid(imageId: ImageIdentifier): ImageFailure | undefined {
  if (imageId.imageDigest === undefined && imageId.imageTag === undefined) {
    return {
      imageId,
      failureCode: 'MissingDigestAndTag',
      failureReason: 'Invalid request parameters: both tag and digest cannot be null',
    };
  }
  if (imageId.imageDigest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(imageId.imageDigest)) {
    return {
      imageId,
      failureCode: 'InvalidImageDigest',
      failureReason: 'Invalid request parameters: image digest should satisfy the regex sha256:[0-9a-f]{64}',
    };
  }
  return undefined;
}

function missing(imageId: ImageIdentifier): ImageFailure {
  return { imageId, failureCode: 'ImageNotFound', failureReason: 'Requested image not found' };
}

function mediaTypeOf(manifest: string): string {
  try {
    const { mediaType } = parseBoundedJson(manifest) as { mediaType?: string };
    return mediaType ?? MEDIA_TYPES.ociManifest;
  } catch {
    return MEDIA_TYPES.ociManifest; // refused as malformed by the store
  }
}

/** Turns the store's refusal into the error that ECR's API has for it. */
function put(store: () => StoredImage): StoredImage {
  try {
    return store();
  } catch (error) {
    if (!(error instanceof ImageStoreError)) throw error;
    if (error.code === 'MANIFEST_BLOB_UNKNOWN') throw new AwsFault('LayersNotFoundException', error.message);
    if (error.code === 'DIGEST_INVALID')
      throw new AwsFault('ImageDigestDoesNotMatchException', error.message);
    if (error.code === 'TAG_INVALID' && error.message.includes('immutable')) {
      throw new AwsFault('ImageTagAlreadyExistsException', error.message);
    }
    throw new AwsFault('InvalidParameterException', error.message);
  }
}
