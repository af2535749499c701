import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Credentials, Principal } from '../../iam/principal.ts';
import { functionArn } from './function-reference.ts';
import { invalidParameter } from './function-settings.ts';
import type { StoredFunction } from './store.ts';

/** A function's session of its execution role. */
export interface RoleSession {
  readonly principal: Principal;
  readonly credentials: Credentials;
  /** Differs from that of any earlier session of this engine process. */
  readonly number: number;
}

/** A session is replaced this long before it expires: longer than any invocation lasts. */
const SPARE_MS = 60 * 60_000;

/**
 * Sessions of execution roles. A function's processes share one for as long as it is good; when it is replaced,
 * so are they, because a running process cannot be given other credentials.
 */
export class RoleSessions {
  readonly #engine: Engine;
  readonly #sessions = new Map<string, { role: string; session: RoleSession }>();
  #number = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The current session. Fails when the role is gone or no longer trusts Lambda. */
  of({ name, settings: { role } }: StoredFunction): RoleSession {
    const principal = assumeExecutionRole(this.#engine, role, name);
    const known = this.#sessions.get(name);
    const goodUntilMs = this.#engine.clock.nowMs() + SPARE_MS;
    if (known?.role === role && known.session.credentials.expiration.getTime() > goodUntilMs) {
      return known.session;
    }
    const session = { principal, credentials: this.#engine.credentials(principal), number: ++this.#number };
    this.#sessions.set(name, { role, session });
    return session;
  }

  forget(name: string): void {
    this.#sessions.delete(name);
  }
}

/** @throws `InvalidParameterValueException` for a role that is missing or does not trust Lambda */
export function assumeExecutionRole(engine: Engine, roleArn: string, functionName: string): Principal {
  try {
    return engine.assumeRole(
      roleArn,
      'lambda.amazonaws.com',
      functionName,
      functionArn(engine, functionName),
    );
  } catch (error) {
    if (!(error instanceof AwsFault)) throw error;
    throw invalidParameter(
      `The role defined for the function cannot be assumed by Lambda: ${error.message}.`,
    );
  }
}
