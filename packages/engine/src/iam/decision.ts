import type { Decision, ResourceDecision } from './policy.ts';

/** What each kind of policy says about one request. `undefined`: the principal or the resource has none. */
export interface Verdicts {
  readonly identity: Decision | undefined;
  readonly boundary: Decision | undefined;
  readonly session: Decision | undefined;
  readonly resource: ResourceDecision | undefined;
  /** What a role says about who may assume it; without its consent nothing else allows that. */
  readonly trust: ResourceDecision | undefined;
}

export type Outcome = 'allowed' | { readonly because: string };

const KINDS: ReadonlyArray<readonly [keyof Verdicts, string]> = [
  ['identity', 'an identity-based policy'],
  ['resource', 'a resource-based policy'],
  ['boundary', 'a permissions boundary'],
  ['session', 'a session policy'],
  ['trust', 'a role trust policy'],
];

/**
 * IAM's decision within an account. An explicit deny wins wherever it stands. What a resource grants to the principal
 * itself needs nothing more; what it grants to the principal's role must be within boundary and session policy; what
 * it grants to the account leaves the decision to the identity's policies, within the same bounds.
 *
 * Source: IAM User Guide, "Determining whether a request is allowed or denied within an account".
 */
export function decide(verdicts: Verdicts, action: string): Outcome {
  const denying = KINDS.find(([kind]) => verdicts[kind] === 'deny');
  if (denying !== undefined) return { because: `with an explicit deny in ${denying[1]}` };
  const silent = (kind: string) => ({ because: `because no ${kind} allows the ${action} action` });
  if (verdicts.trust === 'none') return silent('role trust policy');
  const granted = [verdicts.resource, verdicts.trust].map((each) =>
    typeof each === 'object' ? each.allows : undefined,
  );
  if (granted.includes('itself')) return 'allowed';
  if (!granted.includes('role') && verdicts.identity !== 'allow') {
    return silent(verdicts.identity === undefined ? 'resource-based policy' : 'identity-based policy');
  }
  if (verdicts.boundary === 'none') return silent('permissions boundary');
  if (verdicts.session === 'none') return silent('session policy');
  return 'allowed';
}
