import type { State, Table } from '../state/state.ts';
import { AWS_MANAGED_POLICIES } from './aws-managed-policies.ts';
import type { Directory } from './principal-element.ts';

/** A role as IAM keeps it. Policies are JSON documents. */
export interface Role {
  readonly roleName: string;
  readonly roleId: string;
  readonly arn: string;
  readonly path: string;
  readonly trustPolicy: string;
  readonly inlinePolicies: Readonly<Record<string, string>>;
  readonly attachedPolicyArns: readonly string[];
  readonly description: string | undefined;
  readonly maxSessionSeconds: number;
  readonly createdAtMs: number;
  readonly tags: Readonly<Record<string, string>>;
  /** Managed policy ARN that bounds the role, if any. */
  readonly permissionsBoundary?: string;
}

/** A managed policy of the account. */
export interface ManagedPolicy {
  readonly policyName: string;
  readonly policyId: string;
  readonly arn: string;
  readonly document: string;
  readonly createdAtMs: number;
  readonly description?: string | undefined;
  /** Absent in policies that were stored before these were kept. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** Where roles and managed policies are kept: written by the IAM service, read by authorisation. */
export class RoleStore {
  /** Roles by ARN. */
  readonly roles: Table<Role>;
  /** Managed policies by ARN. */
  readonly policies: Table<ManagedPolicy>;

  constructor(state: State) {
    this.roles = state.table<Role>('iam.roles');
    this.policies = state.table<ManagedPolicy>('iam.policies');
  }

  byName(roleName: string): Role | undefined {
    for (const role of this.roles.values()) if (role.roleName === roleName) return role;
    return undefined;
  }

  /** The document of a managed policy, of the account or of AWS. */
  managed(arn: string): string | undefined {
    return this.policies.get(arn)?.document ?? AWS_MANAGED_POLICIES.get(arn);
  }
}

/** The account's roles, for the principals of policies. */
export function directoryOf({ state, accountId }: { state: State; accountId: string }): Directory {
  const { roles } = new RoleStore(state);
  return { accountId, hasRole: (arn) => roles.has(arn) };
}
