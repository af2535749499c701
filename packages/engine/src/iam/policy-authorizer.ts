import type { Principal } from '../dispatch/service.ts';
import { AwsFault } from '../errors.ts';
import type { State } from '../state/state.ts';
import { AccessRecord, type Grant } from './access-record.ts';
import type { AuthorizationRequest, Authorizer } from './authorizer.ts';
import {
  type Decision,
  evaluate,
  evaluateResourcePolicy,
  grantThatAllows,
  type PolicyDocument,
  parsePolicy,
  type RequestContext,
} from './policy.ts';
import { AWS_MANAGED_POLICIES, type Role, RoleStore } from './roles.ts';

/**
 * IAM's decision for every call: an explicit deny wins, then the role's policies (bounded by session policy
 * and permissions boundary) or a resource policy must allow. Deny is the default, and its message names the
 * principal, the action and the resource.
 *
 * `aws:SecureTransport` is `true` for loopback: traffic that never leaves the machine stands for TLS.
 */
export class PolicyAuthorizer implements Authorizer {
  readonly store: RoleStore;
  readonly #record: AccessRecord;
  readonly #accountId: string;
  readonly #parsed = new Map<string, PolicyDocument>();

  constructor(parts: { state: State; accountId: string }) {
    this.store = new RoleStore(parts.state);
    this.#record = new AccessRecord(parts.state);
    this.#accountId = parts.accountId;
  }

  authorize(request: AuthorizationRequest): void {
    const { principal } = request;
    if (principal.kind === 'service' && principal.sourceArn === undefined) return;
    for (const action of request.actions) {
      for (const resource of request.resources) {
        this.#require(request, action, resource, request.conditions);
      }
    }
    for (const { roleArn, service } of request.passesRoles) {
      this.#require(request, 'iam:PassRole', roleArn, { 'iam:PassedToService': service });
    }
  }

  /** A session of `roleArn` for an AWS service; refused unless the role trusts that service. */
  assumeRole(roleArn: string, service: string, sessionName: string): Principal {
    const role = this.store.roles.get(roleArn);
    if (!role)
      throw new AwsFault(
        'AccessDenied',
        `the role ${roleArn} does not exist, so ${service} cannot assume it`,
        403,
      );
    const decision = evaluateResourcePolicy(
      this.#parse(role.trustPolicy),
      { action: 'sts:AssumeRole', resource: '*', keys: this.#keys(roleArn, {}) },
      { aws: [], service },
    );
    if (decision !== 'allow') {
      this.#record.refused(service, { action: 'sts:AssumeRole', resource: roleArn });
      throw new AwsFault('AccessDenied', `the role ${roleArn} does not trust ${service}`, 403);
    }
    return this.session(role, sessionName);
  }

  /** The principal of a role session. */
  session(role: Role, sessionName: string, sessionPolicy?: string): Principal {
    return {
      kind: 'role',
      arn: `arn:aws:sts::${this.#accountId}:assumed-role/${role.roleName}/${sessionName}`,
      accountId: this.#accountId,
      roleArn: role.arn,
      ...(sessionPolicy === undefined ? {} : { sessionPolicy }),
    };
  }

  /** Whether `caller` may assume `role` according to the role's trust policy. */
  trusts(role: Role, caller: Principal): boolean {
    return (
      evaluateResourcePolicy(
        this.#parse(role.trustPolicy),
        { action: 'sts:AssumeRole', resource: '*', keys: this.#keys(arnOf(caller), {}) },
        { aws: this.#names(caller), service: caller.kind === 'service' ? caller.arn : undefined },
      ) === 'allow'
    );
  }

  #require(
    request: AuthorizationRequest,
    action: string,
    resource: string,
    conditions: Readonly<Record<string, string | string[]>>,
  ): void {
    const { principal } = request;
    const resourcePolicy = request.resourcePolicy(resource);
    if (principal.kind === 'root' && resourcePolicy === undefined) return;
    const context = {
      action,
      resource,
      keys: this.#keys(arnOf(principal), withSource(principal, conditions)),
    };
    const byResource: Decision = resourcePolicy
      ? evaluateResourcePolicy(this.#parse(resourcePolicy), context, {
          aws: principal.kind === 'service' ? [] : this.#names(principal),
          service: principal.kind === 'service' ? principal.arn : undefined,
        })
      : 'none';
    const byIdentity = this.#identityDecision(principal, context);
    if (
      byIdentity !== 'deny' &&
      byResource !== 'deny' &&
      (byIdentity === 'allow' || byResource === 'allow')
    ) {
      const role = this.store.roles.get(principal.roleArn ?? '');
      if (role !== undefined && byIdentity === 'allow') {
        this.#record.allowed(role, { action, resource }, () => this.#grant(role, context));
      }
      return;
    }
    this.#record.refused(principal.roleArn ?? principal.arn, { action, resource });
    const because =
      byIdentity === 'deny'
        ? 'with an explicit deny in an identity-based policy'
        : byResource === 'deny'
          ? 'with an explicit deny in a resource-based policy'
          : `because no ${principal.kind === 'service' ? 'resource' : 'identity'}-based policy allows the ${action} action`;
    throw new AwsFault(
      request.accessDeniedCode,
      `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource} ${because}`,
      request.accessDeniedCode === 'AccessDeniedException' ? 400 : 403,
    );
  }

  #identityDecision(principal: Principal, context: RequestContext): Decision {
    if (principal.kind === 'root') return 'allow';
    const role = principal.roleArn === undefined ? undefined : this.store.roles.get(principal.roleArn);
    if (!role) return 'none';
    let allowed = false;
    for (const document of this.#documents(role)) {
      const decision = evaluate(this.#parse(document), context);
      if (decision === 'deny') return 'deny';
      if (decision === 'allow') allowed = true;
    }
    if (!allowed) return 'none';
    const bounds = [
      principal.sessionPolicy,
      role.permissionsBoundary && this.#managed(role.permissionsBoundary),
    ];
    for (const bound of bounds) {
      if (bound === undefined) continue;
      const decision = evaluate(this.#parse(bound), context);
      if (decision !== 'allow') return decision;
    }
    return 'allow';
  }

  #documents(role: Role): string[] {
    return [
      ...Object.values(role.inlinePolicies),
      ...role.attachedPolicyArns.map((arn) => this.#managed(arn)),
    ].filter((document) => document !== undefined);
  }

  /** What in a role's own policies allows the request. */
  #grant(role: Role, context: RequestContext): Grant | undefined {
    for (const document of this.#documents(role)) {
      const grant = grantThatAllows(this.#parse(document), context);
      if (grant !== undefined) return grant;
    }
    return undefined;
  }

  #managed(arn: string): string | undefined {
    const own = this.store.policies.get(arn)?.document;
    if (own !== undefined) return own;
    const aws = AWS_MANAGED_POLICIES[arn];
    return aws === undefined ? undefined : JSON.stringify(aws);
  }

  #names(principal: Principal): string[] {
    const names = [principal.arn, principal.accountId, `arn:aws:iam::${principal.accountId}:root`];
    return principal.roleArn ? [...names, principal.roleArn] : names;
  }

  #keys(
    principalArn: string,
    conditions: Readonly<Record<string, string | string[]>>,
  ): ReadonlyMap<string, readonly string[]> {
    const keys = new Map<string, readonly string[]>([
      ['aws:securetransport', ['true']],
      ['aws:principalarn', [principalArn]],
      ['aws:principalaccount', [this.#accountId]],
      ['aws:sourceip', ['127.0.0.1']],
    ]);
    for (const [key, value] of Object.entries(conditions)) {
      keys.set(key.toLowerCase(), Array.isArray(value) ? value : [value]);
    }
    return keys;
  }

  #parse(text: string): PolicyDocument {
    let document = this.#parsed.get(text);
    if (!document) {
      const parsed = parsePolicy(text);
      if ('error' in parsed) throw new AwsFault('MalformedPolicyDocument', parsed.error);
      document = parsed;
      if (this.#parsed.size > 1000) this.#parsed.clear();
      this.#parsed.set(text, document);
    }
    return document;
  }
}

/**
 * `aws:PrincipalArn` is the role, not its session:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
 */
function arnOf(principal: Principal): string {
  return principal.roleArn ?? principal.arn;
}

/**
 * The condition keys with which resource policies tell for whom a service acts. Only CloudWatch still sends
 * the older `aws:SourceOwner`, so a topic's default policy admits its alarms and nothing else.
 */
function withSource(
  principal: Principal,
  conditions: Readonly<Record<string, string | string[]>>,
): Readonly<Record<string, string | string[]>> {
  if (principal.sourceArn === undefined) return conditions;
  return {
    ...conditions,
    'aws:sourcearn': principal.sourceArn,
    'aws:sourceaccount': principal.accountId,
    'aws:principalisawsservice': 'true',
    ...(principal.arn === 'cloudwatch.amazonaws.com' ? { 'aws:sourceowner': principal.accountId } : {}),
  };
}
