import { UserError } from '../../errors.ts';
import type { ImageReference } from '../oci/image-reference.ts';
import { ecrHost, formatImageReference } from '../oci/image-reference.ts';
import type { BuiltStage } from './built-stage.ts';
import type { LibraryImage } from './image-library.ts';

/** A language base that this machine can stand for: no files, only what its configuration says. */
export interface LanguageBase {
  /** The base as a container engine would pull it, for the image's annotations. */
  readonly name: string;
  readonly env: readonly string[];
  readonly command: readonly string[];
  /** What to say where the image would have, or might have, another Node. */
  readonly warning?: string;
}

/** Below it, programs are likely to depend on what Node has dropped since. */
const OLDEST_NODE = 18;

/** What a stage is made from. */
export type Base =
  | { readonly kind: 'language'; readonly base: LanguageBase; readonly reference: ImageReference }
  | { readonly kind: 'image'; readonly image: LibraryImage }
  | ({ readonly kind: 'stage' } & BuiltStage);

const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The language base that the reference names, when this machine's Node can stand for it.
 *
 * Undefined when it is not a language base at all. A Node of another major version comes with a warning, since the
 * image runs on something other than what its Dockerfile asks for; a very old one is an error.
 */
export function languageBase(reference: ImageReference, nodeVersion: string): LanguageBase | undefined {
  if (!isNodeRepository(reference)) return undefined;
  const name = formatImageReference(reference);
  const [hostMajor = ''] = nodeVersion.split('.');
  const version = /^(\d+)(?:\.\d+)*(?:-[\w.-]+)?$/.exec(reference.tag ?? '')?.[1];
  if (version !== undefined && Number(version) < OLDEST_NODE) {
    throw new UserError(
      'UnknownBase',
      `The base "${name}" is Node ${version}, but without a container engine images run on this machine's Node ${hostMajor}, which is too far from it. Use FROM node:${hostMajor}-slim, or start Docker or Podman.`,
    );
  }
  return {
    name,
    env: [`PATH=${DEFAULT_PATH}`, `NODE_VERSION=${nodeVersion}`],
    command: ['node'],
    ...(version === hostMajor
      ? {}
      : { warning: `${name} is not pulled: this machine's Node ${nodeVersion} stands for it.` }),
  };
}

/** What to say about a base that is neither a language base nor an image in the engine's registry. */
export function unknownBase(image: string, nodeVersion: string): UserError {
  const [hostMajor] = nodeVersion.split('.');
  return new UserError(
    'UnknownBase',
    `The base "${image}" is not available without a container engine: only Node bases (for example node:${hostMajor}-slim) and images in the engine's own registry are. Start Docker or Podman to use it.`,
  );
}

function isNodeRepository({ registry, repository }: ImageReference): boolean {
  if (registry === undefined || DOCKER_HUB.includes(registry))
    return repository === 'node' || repository === 'library/node';
  if (registry === 'public.ecr.aws') return repository === 'docker/library/node';
  if (registry === 'mirror.gcr.io') return repository === 'library/node';
  // Docker Hub or the public gallery behind a pull through cache of ECR, whose prefix its rule chooses.
  if (ecrHost(registry) !== undefined) return /^[^/]+\/(docker\/)?library\/node$/.test(repository);
  return false;
}
