import type { ImageConfig, ImageManifest } from '../oci/image-format.ts';

export interface BuiltStage {
  readonly image: {
    readonly manifestDigest: string;
    readonly manifest: ImageManifest;
    readonly config: ImageConfig;
  };
  readonly id: string;
  /** Arguments that a stage made from this one has as well. */
  readonly args: Readonly<Record<string, string>>;
}
