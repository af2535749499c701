import { AwsFault } from '../../errors.ts';
import { parsePolicy } from '../../iam/policy-grammar.ts';
import { iamSize, type PolicyKind } from '../../iam/policy-kinds.ts';
import type { Directory } from '../../iam/principal-element.ts';
import type { Role } from '../../iam/roles.ts';

/** Characters that are not white space (IAM User Guide, "IAM and AWS STS quotas"). */
const TRUST_MAX = 2_048;
const MANAGED_MAX = 6_144;
const INLINE_MAX = 10_240;
const ATTACHED_MAX = 10;

/** Checks of the documents that IAM takes. Each gives back the document, or throws the fault that says what is wrong. */
export class Documents {
  readonly #directory: Directory;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  trust(document: string | undefined): string {
    const text = this.#checked(document, 'trust');
    if (iamSize(text) > TRUST_MAX) throw limit(`Cannot exceed quota for ACLSizePerRole: ${TRUST_MAX}`);
    return text;
  }

  managed(document: string | undefined): string {
    const text = this.#checked(document, 'managed');
    if (iamSize(text) > MANAGED_MAX) throw limit(`Cannot exceed quota for PolicySize: ${MANAGED_MAX}`);
    return text;
  }

  /** A role's inline policies with one more, or with another of that name: they count together. */
  inline(role: Role, name: string, document: string | undefined): Readonly<Record<string, string>> {
    const policies = { ...role.inlinePolicies, [name]: this.#checked(document, 'identity') };
    const size = Object.values(policies).reduce((sum, text) => sum + iamSize(text), 0);
    if (size > INLINE_MAX) {
      throw limit(`Maximum policy size of ${INLINE_MAX} bytes exceeded for role ${role.roleName}`);
    }
    return policies;
  }

  #checked(document = '', kind: PolicyKind): string {
    const parsed = parsePolicy(document, kind, this.#directory);
    if ('error' in parsed) throw new AwsFault('MalformedPolicyDocument', parsed.error);
    return document;
  }
}

/** The managed policies of a role with one more. */
export function attached(role: Role, arn: string): readonly string[] {
  if (role.attachedPolicyArns.includes(arn)) return role.attachedPolicyArns;
  if (role.attachedPolicyArns.length >= ATTACHED_MAX) {
    throw limit(`Cannot exceed quota for PoliciesPerRole: ${ATTACHED_MAX}`);
  }
  return [...role.attachedPolicyArns, arn];
}

export function checkPolicyName(name: string | undefined): string {
  if (name !== undefined && /^[\w+=,.@-]{1,128}$/.test(name)) return name;
  throw new AwsFault(
    'ValidationError',
    `The specified value for policyName is invalid: ${name}. It must be 1 to 128 letters, digits and characters of +=,.@_-`,
  );
}

/** Seconds that a session of a role may last at most. */
export function checkMaxSession(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= 3_600 && seconds <= 43_200) return seconds;
  throw new AwsFault(
    'ValidationError',
    `1 validation error detected: Value '${seconds}' at 'maxSessionDuration' failed to satisfy constraint: Member must have value between 3600 and 43200`,
  );
}

function limit(message: string): AwsFault {
  return new AwsFault('LimitExceeded', message, 409);
}
