import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Table } from '../../state/state.ts';

/** One value of a secret. */
export interface SecretVersion {
  readonly id: string;
  readonly text?: string | undefined;
  /** Base64. */
  readonly binary?: string | undefined;
  /** Staging labels, such as AWSCURRENT. */
  readonly stages: readonly string[];
  readonly createdAtMs: number;
}

export interface StoredSecret {
  readonly name: string;
  readonly arn: string;
  readonly description: string | undefined;
  readonly kmsKeyId: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** Oldest first. */
  readonly versions: readonly SecretVersion[];
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** When a secret that was marked for deletion is gone. */
  readonly goneAtMs?: number | undefined;
  readonly markedAtMs?: number | undefined;
}

export const CURRENT = 'AWSCURRENT';
const PREVIOUS = 'AWSPREVIOUS';
/** Secrets Manager keeps this many versions; those without a label go first. */
const VERSIONS_MAX = 100;
const SUFFIX_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export function invalidParameter(message: string): AwsFault {
  return new AwsFault('InvalidParameterException', message);
}

export function invalidRequest(message: string): AwsFault {
  return new AwsFault('InvalidRequestException', message);
}

/** The secrets of the account, by name. */
export class SecretStore {
  readonly #engine: Engine;
  readonly #secrets: Table<StoredSecret>;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#secrets = engine.state.table('secretsmanager.secrets');
  }

  /** An ARN ends in six characters of its own, so that a secret made again is another one. */
  newArn(name: string): string {
    const draw = () => SUFFIX_LETTERS[Number.parseInt(this.#engine.ids.hex(8), 16) % SUFFIX_LETTERS.length];
    return `${this.#arn(name)}-${Array.from({ length: 6 }, draw).join('')}`;
  }

  all(): StoredSecret[] {
    return [...this.#secrets.keys()].flatMap((name) => this.named(name) ?? []);
  }

  put(secret: StoredSecret): StoredSecret {
    return this.#secrets.put(secret.name, secret);
  }

  remove({ name }: StoredSecret): void {
    this.#secrets.delete(name);
  }

  /** The secret of this name, unless its deletion has come. */
  named(name: string): StoredSecret | undefined {
    const secret = this.#secrets.get(name);
    if (secret?.goneAtMs === undefined || secret.goneAtMs > this.#engine.clock.nowMs()) return secret;
    this.#secrets.delete(name);
    return undefined;
  }

  /** The secret by name, by ARN, or by ARN without its last six characters; also one that is marked for deletion. */
  lookUp(id: string): StoredSecret | undefined {
    const prefix = this.#arn('');
    if (!id.startsWith('arn:')) return this.named(id);
    const name = id.startsWith(prefix) ? id.slice(prefix.length) : '';
    const byArn = this.named(name.replace(/-[^-]{6}$/, ''));
    return byArn?.arn === id ? byArn : this.named(name);
  }

  /** The secret. Fails with `ResourceNotFoundException`, and for one that is marked for deletion with `InvalidRequestException`. */
  find(id: string | undefined, { marked = false } = {}): StoredSecret {
    const secret = this.lookUp(id ?? '');
    if (!secret) {
      throw new AwsFault(
        'ResourceNotFoundException',
        "Secrets Manager can't find the specified secret.",
        400,
      );
    }
    if (secret.goneAtMs !== undefined && !marked) {
      throw invalidRequest(
        "You can't perform this operation on the secret because it was marked for deletion.",
      );
    }
    return secret;
  }

  /** What IAM is asked about: the secret's ARN; of one that is not there what its ARN might be. */
  arnFor(id: string | undefined): string {
    const named = id ?? '';
    return this.lookUp(named)?.arn ?? (named.startsWith('arn:') ? named : `${this.#arn(named)}-??????`);
  }

  #arn(name: string): string {
    return `arn:aws:secretsmanager:${this.#engine.region}:${this.#engine.accountId}:secret:${name}`;
  }
}

/** The secret with one more version, which takes its labels from the others. */
export function withVersion(secret: StoredSecret, version: SecretVersion): StoredSecret {
  const labelled = version.stages.reduce<readonly SecretVersion[]>(
    (versions, stage) => moveStage(versions, stage, version.id),
    [...secret.versions, { ...version, stages: [] }],
  );
  const surplus = labelled.length - VERSIONS_MAX;
  const unlabelled = labelled.filter(({ stages }) => stages.length === 0).slice(0, Math.max(surplus, 0));
  return {
    ...secret,
    versions: labelled.filter((kept) => !unlabelled.includes(kept)),
    changedAtMs: version.createdAtMs,
  };
}

/** Gives a label to the version `to`, and takes it from the one that has it; what was current becomes the previous one. */
export function moveStage(
  versions: readonly SecretVersion[],
  stage: string,
  to: string | undefined,
): readonly SecretVersion[] {
  const holder = versions.find(({ stages }) => stages.includes(stage));
  if (holder?.id === to) return versions;
  const moved = versions.map((version) => {
    const others = version.stages.filter((label) => label !== stage);
    return { ...version, stages: version.id === to ? [...others, stage] : others };
  });
  return stage === CURRENT && holder !== undefined ? moveStage(moved, PREVIOUS, holder.id) : moved;
}
