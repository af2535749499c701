import { parseBoundedJson } from '../../document-bounds.ts';
import { type Descriptor, isDigest, isManifestList, isManifestType, MEDIA_TYPES } from './image-format.ts';
import { ImageStoreError } from './image-store-error.ts';

/** The part of the image store that a manifest is checked against. */
interface Images {
  readonly blobs: { size(digest: string): number | undefined; read(digest: string): Buffer };
  hasBlob(repository: string, digest: string): boolean;
  describe(repository: string, reference: string): { readonly sizeBytes: number } | undefined;
}

/** Checks that a manifest is complete and that the repository has all that it names; returns what that is. */
export function checkManifest(
  images: Images,
  repository: string,
  mediaType: string,
  content: Uint8Array,
): { references: string[]; sizeBytes: number } {
  if (!isManifestType(mediaType))
    throw new ImageStoreError('MANIFEST_INVALID', `Manifests of type "${mediaType}" are not supported.`);
  let document: unknown;
  try {
    document = parseBoundedJson(Buffer.from(content).toString('utf8'));
  } catch {
    throw new ImageStoreError('MANIFEST_INVALID', 'The manifest is not JSON.');
  }
  const fields = isRecord(document) ? document : {};
  if (fields.schemaVersion !== 2)
    throw new ImageStoreError('MANIFEST_INVALID', 'Only manifests of schema version 2 are supported.');
  if (fields.mediaType !== undefined && fields.mediaType !== mediaType) {
    throw new ImageStoreError(
      'MANIFEST_INVALID',
      `The manifest says that it is "${String(fields.mediaType)}", not "${mediaType}".`,
    );
  }
  if (isManifestList(mediaType)) {
    const entries = descriptors(fields.manifests, 'manifests');
    const sizes = entries.map((entry) => {
      const image = images.describe(repository, entry.digest);
      if (image === undefined)
        throw new ImageStoreError(
          'MANIFEST_BLOB_UNKNOWN',
          `The list names ${entry.digest}, which was not pushed.`,
        );
      return image.sizeBytes;
    });
    return {
      references: entries.map((entry) => entry.digest),
      sizeBytes: sizes.reduce((sum, size) => sum + size, content.length),
    };
  }
  const [config] = descriptors([fields.config], 'config');
  const blobs = [config!, ...descriptors(fields.layers, 'layers')];
  for (const blob of blobs) {
    if (!images.hasBlob(repository, blob.digest)) {
      throw new ImageStoreError(
        'MANIFEST_BLOB_UNKNOWN',
        `The manifest names the blob ${blob.digest}, which was not pushed.`,
      );
    }
    const size = images.blobs.size(blob.digest);
    if (size !== blob.size)
      throw new ImageStoreError(
        'MANIFEST_INVALID',
        `The blob ${blob.digest} has ${size} bytes, not ${blob.size}.`,
      );
  }
  checkConfig(images, blobs[0]!, mediaType);
  return {
    references: blobs.map((blob) => blob.digest),
    sizeBytes: blobs.reduce((sum, blob) => sum + blob.size, content.length),
  };
}

/** Artifacts other than images (signatures, charts) have other configurations; those stay unread. */
function checkConfig(images: Images, config: Descriptor, mediaType: string): void {
  if (config.mediaType !== MEDIA_TYPES.ociConfig && mediaType !== MEDIA_TYPES.dockerManifest) return;
  try {
    const document: unknown = parseBoundedJson(images.blobs.read(config.digest).toString('utf8'));
    if (isRecord(document) && isRecord(document.rootfs) && Array.isArray(document.rootfs.diff_ids)) return;
  } catch {
    // Reported below: unreadable and incomplete configurations are the same mistake.
  }
  throw new ImageStoreError('MANIFEST_INVALID', `The image configuration ${config.digest} is not valid.`);
}

function descriptors(value: unknown, field: string): Descriptor[] {
  if (!Array.isArray(value)) throw new ImageStoreError('MANIFEST_INVALID', `The manifest has no ${field}.`);
  return value.map((item: unknown) => {
    const descriptor = isRecord(item) ? item : {};
    const { mediaType, digest, size } = descriptor;
    if (
      typeof mediaType !== 'string' ||
      typeof digest !== 'string' ||
      !isDigest(digest) ||
      typeof size !== 'number'
    ) {
      throw new ImageStoreError(
        'MANIFEST_INVALID',
        `The manifest's ${field} needs mediaType, digest and size.`,
      );
    }
    return { mediaType, digest, size };
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
