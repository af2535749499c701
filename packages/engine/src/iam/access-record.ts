import type { State, Table } from '../state/state.ts';
import type { Role } from './roles.ts';

/** A permission of a role: one action on one resource, as a statement of its policies writes them. */
export interface Grant {
  readonly action: string;
  readonly resource: string;
}

/** A grant that allowed a call. */
export interface UsedGrant extends Grant {
  readonly roleArn: string;
}

/** A call that IAM refused. */
export interface Denial {
  /** ARN of the role, or the name of the service that acted by itself. */
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
}

/** Enough for what a mistake in a template causes; what a program repeats with ever other resources is cut. */
const DENIALS_MAX = 1_000;
/** Calls of a role that are known to be recorded, so that a repeated one costs one look-up. */
const RECENT_MAX = 10_000;

/**
 * Which of their permissions roles have used, and what was refused. It is kept with the state. Grants are as many as
 * the policies write; of refusals the first thousand are kept.
 */
export class AccessRecord {
  readonly used: Table<UsedGrant>;
  readonly denied: Table<Denial>;
  /** By role as it is: one whose policies have changed is another object. */
  readonly #recent = new WeakMap<Role, Set<string>>();

  constructor(state: State) {
    this.used = state.table<UsedGrant>('iam.used-grants');
    this.denied = state.table<Denial>('iam.denials');
  }

  /** Records that a role was allowed a call, by the grant that `by` looks up; it is asked for new calls only. */
  allowed(role: Role, call: Grant, by: () => Grant | undefined): void {
    let recent = this.#recent.get(role);
    if (recent === undefined || recent.size >= RECENT_MAX) {
      recent = new Set();
      this.#recent.set(role, recent);
    }
    const known = `${call.action} ${call.resource}`;
    if (recent.has(known)) return;
    recent.add(known);
    const grant = by();
    if (grant === undefined) return;
    const key = keyOf(role.arn, grant);
    if (!this.used.has(key)) this.used.put(key, { roleArn: role.arn, ...grant });
  }

  refused(principal: string, { action, resource }: Grant): void {
    const key = keyOf(principal, { action, resource });
    if (this.denied.has(key) || this.denied.size >= DENIALS_MAX) return;
    this.denied.put(key, { principal, action, resource });
  }
}

function keyOf(principal: string, { action, resource }: Grant): string {
  return `${principal} ${action} ${resource}`;
}
