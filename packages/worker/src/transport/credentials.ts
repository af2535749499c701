import type { Clock } from '../clock.ts';

/** Keys to sign with, in the shape of the AWS SDK's credential providers. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
}

/**
 * Gets credentials; any of the AWS SDK's providers is one. With `forceRefresh` those that it keeps have been refused, so it
 * must ask again.
 */
export type CredentialsProvider = (options?: { readonly forceRefresh?: boolean }) => Promise<Credentials>;

/** The SDK's own chain: environment, web identity, container role, instance role, profiles. */
export function defaultCredentials(): CredentialsProvider {
  let provider: Promise<CredentialsProvider> | undefined;
  return async (options) => {
    provider ??= import('@aws-sdk/credential-provider-node').then(({ defaultProvider }) => defaultProvider());
    return (await provider)(options);
  };
}

/** Credentials are renewed this long before they end; the SDK's providers do the same. */
const RENEW_BEFORE_MS = 5 * 60_000;

/** Asks a provider once for many signatures, again before the credentials end, and only once at a time. */
export class CachedCredentials {
  readonly #provider: CredentialsProvider;
  readonly #clock: Clock;
  #current: Credentials | undefined;
  #wereRefused = false;
  #renewAtMs = 0;
  #asking: Promise<Credentials> | undefined;

  constructor(provider: CredentialsProvider, clock: Clock) {
    this.#provider = provider;
    this.#clock = clock;
  }

  /** The credentials at hand while they last, without waiting; otherwise those that the provider gives. */
  get(): Credentials | Promise<Credentials> {
    if (this.#current !== undefined && this.#clock.nowMs() < this.#renewAtMs) return this.#current;
    this.#asking ??= this.#ask();
    return this.#asking;
  }

  /** Forgets credentials that SQS refused. */
  forget(refused: Credentials): void {
    if (this.#current !== refused) return;
    this.#current = undefined;
    this.#wereRefused = true;
  }

  async #ask(): Promise<Credentials> {
    try {
      const credentials = await this.#provider(this.#wereRefused ? { forceRefresh: true } : undefined);
      this.#wereRefused = false;
      this.#current = credentials;
      // Credentials close to their end are used for the call at hand, and asked for again at the next.
      this.#renewAtMs =
        credentials.expiration === undefined
          ? Number.POSITIVE_INFINITY
          : credentials.expiration.getTime() - RENEW_BEFORE_MS;
      return credentials;
    } finally {
      this.#asking = undefined;
    }
  }
}
