import { createHash } from 'node:crypto';

export const MEDIA_TYPES = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;

const IMAGE_MANIFESTS: readonly string[] = [MEDIA_TYPES.ociManifest, MEDIA_TYPES.dockerManifest];
const MANIFEST_LISTS: readonly string[] = [MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerList];

/** Whether the media type names a manifest that lists other manifests, one per platform. */
export function isManifestList(mediaType: string): boolean {
  return MANIFEST_LISTS.includes(mediaType);
}

/** Whether the registry stores manifests of this media type at all. */
export function isManifestType(mediaType: string): boolean {
  return IMAGE_MANIFESTS.includes(mediaType) || isManifestList(mediaType);
}

/** A reference from a manifest to content, by digest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: string; readonly variant?: string };
}

/** Manifest of one image for one platform. */
export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Manifest that names one image manifest per platform. */
export interface ManifestList {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly manifests: readonly Descriptor[];
}

/** How a container of the image runs. Names and meaning are those of the OCI image configuration. */
export interface ContainerConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  /** Docker's additions to the OCI configuration. ECS does not carry out the check of an image. */
  readonly Shell?: readonly string[];
  readonly Healthcheck?: Readonly<Record<string, unknown>>;
}

/** The OCI image configuration document. */
export interface ImageConfig {
  readonly author?: string;
  readonly created?: string;
  readonly architecture: string;
  readonly os: string;
  readonly config?: ContainerConfig;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly string[] };
  readonly history?: readonly {
    readonly created?: string;
    readonly created_by?: string;
    readonly empty_layer?: boolean;
  }[];
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Whether the text is a digest that the stores accept: sha256 in lower-case hexadecimal, nothing else. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** Content digest of the bytes, as `sha256:<hex>`. */
export function digestOf(content: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** This machine's architecture in OCI terms. */
export function hostArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}
