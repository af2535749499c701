import { UserError } from '../../errors.ts';
import type { ImageReference } from '../oci/image-reference.ts';
import { formatImageReference } from '../oci/image-reference.ts';

/** A language base that this machine can stand for: no files, only what its configuration says. */
export interface LanguageBase {
  /** The base as a container engine would pull it, for the image's annotations. */
  readonly name: string;
  readonly env: readonly string[];
  readonly command: readonly string[];
}

const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The language base that the reference names, when this machine's Node can stand for it.
 *
 * Undefined when it is not a language base at all. A Node of another major version is an error: the image
 * would run on something other than what its Dockerfile asks for.
 */
export function languageBase(reference: ImageReference, nodeVersion: string): LanguageBase | undefined {
  if (!isNodeRepository(reference)) return undefined;
  const name = formatImageReference(reference);
  const [hostMajor] = nodeVersion.split('.');
  const version = /^(\d+)(?:\.\d+)*(?:-[\w.-]+)?$/.exec(reference.tag ?? '');
  if (version === null) {
    throw new UserError(
      'UnknownBase',
      `The base "${name}" does not name a Node version; write FROM node:${hostMajor}-slim, for example.`,
    );
  }
  if (version[1] !== hostMajor) {
    throw new UserError(
      'UnknownBase',
      `The base "${name}" is Node ${version[1]}, but without a container engine images run on this machine's Node ${hostMajor}. Use FROM node:${hostMajor}-slim, or start Docker or Podman.`,
    );
  }
  return { name, env: [`PATH=${DEFAULT_PATH}`, `NODE_VERSION=${nodeVersion}`], command: ['node'] };
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
  return false;
}
