/** An image name as `docker` and task definitions write it, taken apart. */
export interface ImageReference {
  /** Registry host, with its port if one is written; absent for names such as `node:24`. */
  readonly registry?: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Whether the text is a legal repository name of at most 255 characters. */
export function isRepositoryName(text: string): boolean {
  return text.length <= 255 && REPOSITORY.test(text);
}

/** Whether the text is a legal tag: up to 128 word characters, dots and hyphens. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/**
 * Takes an image name apart, or returns undefined when it is not one.
 *
 * As in Docker, the part before the first slash is a registry host only when it contains a dot or a port, or
 * is `localhost`.
 */
export function parseImageReference(text: string): ImageReference | undefined {
  let rest = text;
  let digest: string | undefined;
  const at = rest.indexOf('@');
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    if (!DIGEST.test(digest)) return undefined;
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(':');
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!isTag(tag)) return undefined;
  }
  let registry: string | undefined;
  const slash = rest.indexOf('/');
  if (slash > 0) {
    const host = rest.slice(0, slash);
    if (/[.:]/.test(host) || host === 'localhost') {
      if (!/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d+)?$/.test(host)) return undefined;
      registry = host;
      rest = rest.slice(slash + 1);
    }
  }
  if (!isRepositoryName(rest)) return undefined;
  return {
    ...(registry === undefined ? {} : { registry }),
    repository: rest,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** Account and region of a registry's name in AWS; undefined for any other host. */
export function ecrHost(registry: string): { readonly account: string; readonly region: string } | undefined {
  const [, account, region] = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com$/.exec(registry) ?? [];
  return account === undefined || region === undefined ? undefined : { account, region };
}

/** The name that {@link parseImageReference} reads back as the same reference. */
export function formatImageReference(reference: ImageReference): string {
  const host = reference.registry === undefined ? '' : `${reference.registry}/`;
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${host}${reference.repository}${tag}${digest}`;
}
