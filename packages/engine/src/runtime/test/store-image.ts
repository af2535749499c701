import type { ContainerConfig } from '../oci/image-format.ts';
import { hostArchitecture, MEDIA_TYPES } from '../oci/image-format.ts';
import type { ImageStore } from '../oci/image-store.ts';
import type { LayerEntry } from '../oci/layer-writer.ts';
import { writeLayer } from '../oci/layer-writer.ts';
import { temporaryDirectory, writeFiles } from './temporary-directory.ts';

/** Puts an image with these files into the store and returns its digest. A name that ends with `*` is executable. */
export async function storeImage(
  store: ImageStore,
  repository: string,
  tag: string,
  files: Readonly<Record<string, string>>,
  config: ContainerConfig,
): Promise<string> {
  const directory = temporaryDirectory();
  const entries = Object.entries(files).map(([name, content]): LayerEntry => {
    const path = name.replace(/\*$/, '');
    writeFiles(directory, { [path]: content });
    return {
      type: 'file',
      path,
      mode: name === path ? 0o644 : 0o755,
      size: Buffer.byteLength(content),
      source: `${directory}/${path}`,
    };
  });
  const layer = await writeLayer(store.blobs, entries);
  store.linkBlob(repository, layer.digest);
  const document = {
    architecture: hostArchitecture(),
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
  };
  const blob = await store.putBlob(repository, [Buffer.from(JSON.stringify(document))]);
  const { mediaType, digest, size } = layer;
  const manifest = {
    schemaVersion: 2,
    config: { mediaType: MEDIA_TYPES.ociConfig, ...blob },
    layers: [{ mediaType, digest, size }],
  };
  return store.putManifest(repository, tag, MEDIA_TYPES.ociManifest, Buffer.from(JSON.stringify(manifest)))
    .digest;
}
