import type { Clock } from '../clock/clock.ts';
import { AwsFault } from '../errors.ts';
import type { Ids } from '../ids.ts';
import type { State, Table } from '../state/state.ts';
import { gitPasswordMatches, readGitPassword } from './git-password.ts';
import { NO_WAY_TO_AWS } from './no-way-to-aws.ts';
import type { Credentials, Principal } from './principal.ts';
import {
  type RequestHead,
  readSignature,
  type SignatureScope,
  sameText,
  signedAtMs,
  verifySignature,
} from './signature.ts';

interface StoredKey {
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly principal: Principal;
  /** Absent for long-lived keys. */
  readonly expiresAtMs?: number;
}

/** Who signed a request, and for which service. */
export interface Caller {
  readonly principal: Principal;
  readonly service: string;
  /** Throws unless the signature covers this body. To be called before the request is acted upon. */
  readonly vouch: (body: Buffer) => void;
}

const GLOBAL_SERVICES: ReadonlySet<string> = new Set(['iam', 'sts']);
const SESSION_MS = 12 * 3_600_000;

/**
 * How far the time of a signed password for git may be from now: the credential helper makes a new one for each call, since
 * CodeCommit takes them for 15 minutes (https://docs.aws.amazon.com/codecommit/latest/userguide/troubleshooting-ch.html).
 */
const GIT_PASSWORD_MS = 15 * 60_000;

/**
 * Who is calling: access keys and sessions, and the check of request signatures. The account's root key is
 * made once per state directory and shown by `queue-canary up`.
 */
export class Identity {
  readonly #keys: Table<StoredKey>;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #endpoint: () => string;
  readonly #region: string;
  readonly root: Principal;
  readonly rootAccessKeyId: string;

  constructor(parts: {
    state: State;
    clock: Clock;
    ids: Ids;
    endpoint: () => string;
    accountId: string;
    region: string;
  }) {
    this.#keys = parts.state.table<StoredKey>('identity.keys');
    this.#clock = parts.clock;
    this.#ids = parts.ids;
    this.#endpoint = parts.endpoint;
    this.#region = parts.region;
    this.root = { kind: 'root', arn: `arn:aws:iam::${parts.accountId}:root`, accountId: parts.accountId };
    const existing = [...this.#keys.entries()].find(([, key]) => key.principal.kind === 'root');
    this.rootAccessKeyId = existing?.[0] ?? `AKIA${parts.ids.suffix(16)}`;
    if (!existing) {
      this.#keys.put(this.rootAccessKeyId, { secretAccessKey: parts.ids.hex(40), principal: this.root });
    }
    this.#forgetExpired();
  }

  /** The owner's long-lived credentials. */
  rootCredentials(): { accessKeyId: string; secretAccessKey: string } {
    return {
      accessKeyId: this.rootAccessKeyId,
      secretAccessKey: this.#keys.get(this.rootAccessKeyId)!.secretAccessKey,
    };
  }

  /** Issues session credentials for a principal. They survive a restart of the engine until they expire. */
  issue(principal: Principal, durationMs = SESSION_MS): Credentials {
    this.#forgetExpired();
    const accessKeyId = `ASIA${this.#ids.suffix(16)}`;
    const secretAccessKey = this.#ids.hex(40);
    const sessionToken = this.#ids.hex(64);
    const expiresAtMs = this.#clock.nowMs() + durationMs;
    this.#keys.put(accessKeyId, { secretAccessKey, sessionToken, principal, expiresAtMs });
    return {
      accessKeyId,
      secretAccessKey,
      sessionToken,
      expiration: new Date(expiresAtMs),
      environment: {
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_SESSION_TOKEN: sessionToken,
        AWS_REGION: this.#region,
        AWS_DEFAULT_REGION: this.#region,
        AWS_ENDPOINT_URL: this.#endpoint(),
        AWS_EC2_METADATA_DISABLED: 'true',
        ...NO_WAY_TO_AWS,
      },
    };
  }

  /** The principal of an access key without checking a signature, for protocols that carry a token instead. */
  principalOf(accessKeyId: string, sessionToken?: string): Principal | undefined {
    const key = this.#keys.get(accessKeyId);
    if (!key || this.#expired(key)) return undefined;
    if (sessionToken !== undefined && !sameText(key.sessionToken ?? '', sessionToken)) return undefined;
    return key.principal;
  }

  /**
   * Checks what git sends over HTTP Basic: an access key id with its secret, or with a password that its secret signed.
   * With such a password a session gives its token as well, after a `%`.
   *
   * @param address - host without port, and path, of the repository as git was given it
   */
  checkGitCredentials(
    userName: string,
    password: string,
    address: { readonly host: string; readonly path: string },
  ): Principal | undefined {
    const signed = readGitPassword(password);
    if (!signed) {
      const owned = this.#keys.get(userName);
      return owned && !this.#expired(owned) && sameText(owned.secretAccessKey, password)
        ? owned.principal
        : undefined;
    }
    const [accessKeyId = '', sessionToken] = userName.split('%');
    const key = this.#keys.get(accessKeyId);
    if (!key || this.#expired(key)) return undefined;
    if ((key.sessionToken === undefined) !== (sessionToken === undefined)) return undefined;
    if (!sameText(key.sessionToken ?? '', sessionToken ?? '')) return undefined;
    const ageMs = this.#clock.nowMs() - signedAtMs(`${signed.timestamp}Z`);
    if (Math.abs(ageMs) > GIT_PASSWORD_MS) return undefined;
    const claimed = { ...address, region: this.#region };
    return gitPasswordMatches(signed, claimed, key.secretAccessKey) ? key.principal : undefined;
  }

  /**
   * Who calls, by the head of a request alone; whoever has no valid credentials is refused. Where the signature does
   * not cover the bytes of the body but at most their stated hash, it is verified as well.
   */
  authenticate(head: RequestHead): Caller {
    const claimed = readSignature(head);
    if (!claimed) {
      throw new AwsFault(
        'MissingAuthenticationToken',
        'this is the queue-canary local engine; it serves signed AWS API requests, images under /v2/ and git under /git/',
        403,
      );
    }
    const key = this.#keys.get(claimed.scope.accessKeyId);
    if (!key) {
      throw new AwsFault(
        'InvalidClientTokenId',
        'The security token included in the request is invalid: the engine does not know this access key. Use the credentials that `queue-canary up` prints.',
        403,
      );
    }
    if (key.sessionToken !== undefined && !sameText(key.sessionToken, claimed.sessionToken ?? '')) {
      throw new AwsFault(
        'InvalidClientTokenId',
        'The security token included in the request is invalid.',
        403,
      );
    }
    if (this.#expired(key)) {
      throw new AwsFault('ExpiredToken', 'The security token included in the request is expired', 403);
    }
    this.#checkRegion(claimed.scope);
    const { secretAccessKey } = key;
    const vouch = verifySignature(head, claimed, secretAccessKey, this.#clock.nowMs());
    return { principal: key.principal, service: claimed.scope.service, vouch };
  }

  /** Clients sign calls of global services for whatever region they have. */
  #checkRegion({ region, service }: SignatureScope): void {
    if (region === this.#region || GLOBAL_SERVICES.has(service)) return;
    const what = `the local engine is ${this.#region}, and the request was signed for ${region}. Set AWS_REGION and the client's region to ${this.#region}.`;
    throw service === 's3'
      ? new AwsFault('AuthorizationHeaderMalformed', `The authorization header is malformed; ${what}`, 400)
      : new AwsFault('SignatureDoesNotMatch', `Credential should be scoped to a valid region: ${what}`, 403);
  }

  #forgetExpired(): void {
    for (const [id, key] of [...this.#keys.entries()]) if (this.#expired(key)) this.#keys.delete(id);
  }

  #expired(key: StoredKey): boolean {
    return key.expiresAtMs !== undefined && key.expiresAtMs <= this.#clock.nowMs();
  }
}
