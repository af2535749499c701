import type { State, Table } from '../state/state.ts';
import type { Directory } from './principals.ts';

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

/**
 * AWS's own managed policies that templates of this system attach. A role that attaches another one gets no
 * permission from it, and attaching it fails, so that nothing is silently missing.
 */
export const AWS_MANAGED_POLICIES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'arn:aws:iam::aws:policy/AdministratorAccess': {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
    },
    'arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole': {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
          Resource: '*',
        },
      ],
    },
    'arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy': {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: [
            'ecr:GetAuthorizationToken',
            'ecr:BatchCheckLayerAvailability',
            'ecr:GetDownloadUrlForLayer',
            'ecr:BatchGetImage',
            'logs:CreateLogStream',
            'logs:PutLogEvents',
          ],
          Resource: '*',
        },
      ],
    },
  }).map(([arn, document]) => [arn, JSON.stringify(document)]),
);
