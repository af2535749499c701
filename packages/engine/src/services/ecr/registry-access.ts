import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { type Authorizer, LOOPBACK } from '../../iam/authorizer.ts';
import type { Principal } from '../../iam/principal.ts';
import { digestOf } from '../../runtime/oci/image-format.ts';
import type { RegistryAction } from '../../runtime/oci/registry.ts';
import type { Table } from '../../state/state.ts';
import type { Repositories } from './repositories.ts';

interface StoredToken {
  readonly principal: Principal;
  readonly expiresAtMs: number;
}

const TOKEN_MS = 12 * 3_600_000;

const ACTIONS: Readonly<Record<RegistryAction, readonly string[]>> = {
  pull: ['ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
  push: [
    'ecr:BatchCheckLayerAvailability',
    'ecr:InitiateLayerUpload',
    'ecr:UploadLayerPart',
    'ecr:CompleteLayerUpload',
    'ecr:PutImage',
  ],
};

/**
 * Registry logins: tokens for 12 hours that stand for whoever asked for them, and the check of what that
 * principal may do with a repository. Only digests of tokens are stored.
 */
export class RegistryAccess {
  readonly #engine: Engine;
  readonly #repositories: Repositories;
  readonly #authorizer: Authorizer;
  readonly #tokens: Table<StoredToken>;

  constructor(engine: Engine, repositories: Repositories, authorizer: Authorizer) {
    this.#engine = engine;
    this.#repositories = repositories;
    this.#authorizer = authorizer;
    this.#tokens = engine.state.table<StoredToken>('ecr.tokens');
  }

  issue(principal: Principal): { password: string; expiresAt: Date } {
    const nowMs = this.#engine.clock.nowMs();
    for (const [key, { expiresAtMs }] of [...this.#tokens.entries()]) {
      if (expiresAtMs <= nowMs) this.#tokens.delete(key);
    }
    const password = this.#engine.ids.hex(64);
    const expiresAtMs = nowMs + TOKEN_MS;
    this.#tokens.put(digestOf(password), { principal, expiresAtMs });
    return { password, expiresAt: new Date(expiresAtMs) };
  }

  /** Resolves when the token's holder may do this; throws the fault that says why not. */
  async authorize(password: string, repository: string | undefined, action: RegistryAction): Promise<void> {
    const token = this.#tokens.get(digestOf(password));
    if (!token || token.expiresAtMs <= this.#engine.clock.nowMs()) {
      throw new AwsFault(
        'UnauthorizedException',
        'Your authorization token has expired or is invalid. Reauthenticate and try again.',
        401,
      );
    }
    if (repository === undefined) return;
    this.#authorizer.authorize({
      principal: token.principal,
      actions: ACTIONS[action],
      resources: [this.#repositories.arn(repository)],
      origin: { sourceIp: LOOPBACK },
      resourcePolicy: (arn) => this.#repositories.byArn(arn)?.policy,
      accessDeniedCode: 'AccessDeniedException',
    });
  }
}
