import type { Clock } from '../clock/clock.ts';
import { AwsFault } from '../errors.ts';
import type { State } from '../state/state.ts';
import { AccessRecord, type Grant } from './access-record.ts';
import type { AuthorizationRequest, Authorizer } from './authorizer.ts';
import { decide } from './decision.ts';
import {
  type Decision,
  evaluate,
  evaluateResourcePolicy,
  grantThatAllows,
  type PolicyDocument,
  type RequestContext,
  type ResourceDecision,
} from './policy.ts';
import { parsePolicy } from './policy-grammar.ts';
import type { PolicyKind } from './policy-kinds.ts';
import type { Keys } from './policy-variables.ts';
import type { Principal } from './principal.ts';
import type { Caller } from './principal-element.ts';
import { requestKeys } from './request-keys.ts';
import { type Role, RoleStore } from './roles.ts';

const PARSED_MAX = 1_000;

/** What a session carries beyond its role and its name. */
export type SessionDetails = Pick<
  Principal,
  'sessionPolicy' | 'sessionPolicyArns' | 'sessionTags' | 'assumedBy'
>;

/**
 * IAM's decision for every call, by the policies of the principal's role, its boundary, its session and the resource.
 * Deny is the default, and its message names the principal, the action and the resource.
 */
export class PolicyAuthorizer implements Authorizer {
  readonly store: RoleStore;
  readonly #record: AccessRecord;
  readonly #accountId: string;
  readonly #region: string;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #parsed: Partial<Record<PolicyKind, Map<string, PolicyDocument>>> = {};

  constructor(parts: { state: State; accountId: string; region: string; clock: Pick<Clock, 'nowMs'> }) {
    this.store = new RoleStore(parts.state);
    this.#record = new AccessRecord(parts.state);
    this.#accountId = parts.accountId;
    this.#region = parts.region;
    this.#clock = parts.clock;
  }

  authorize(request: AuthorizationRequest): void {
    const { principal } = request;
    if (principal.kind === 'service' && principal.sourceArn === undefined) return;
    for (const action of request.actions) {
      for (const resource of request.resources) this.#require(request, action, resource);
    }
    for (const { roleArn, service } of request.passesRoles ?? []) {
      const { accessDeniedCode, origin } = request;
      const conditions = { 'iam:PassedToService': service };
      this.#require(
        { principal, actions: [], resources: [], accessDeniedCode, origin, conditions },
        'iam:PassRole',
        roleArn,
      );
    }
  }

  /** A session of `roleArn` for an AWS service; refused unless the role trusts that service for `sourceArn`. */
  assumeRole(roleArn: string, service: string, sessionName: string, sourceArn?: string): Principal {
    const role = this.store.roles.get(roleArn);
    if (!role)
      throw new AwsFault(
        'AccessDenied',
        `the role ${roleArn} does not exist, so ${service} cannot assume it`,
        403,
      );
    const principal: Principal = {
      kind: 'service',
      arn: service,
      accountId: this.#accountId,
      ...(sourceArn === undefined ? {} : { sourceArn }),
    };
    const keys = this.#keys(
      { principal, actions: [], resources: [], accessDeniedCode: '' },
      'sts:AssumeRole',
      roleArn,
    );
    const trust = this.#byResource(role.trustPolicy, 'trust', principal, {
      action: 'sts:AssumeRole',
      resource: roleArn,
      keys,
    });
    if (typeof trust !== 'object') {
      this.#record.refused(service, { action: 'sts:AssumeRole', resource: roleArn });
      const forWhom = sourceArn === undefined ? '' : ` for ${sourceArn}`;
      throw new AwsFault('AccessDenied', `the role ${roleArn} does not trust ${service}${forWhom}`, 403);
    }
    return this.session(role, sessionName, { assumedBy: service });
  }

  /** The principal of a role session that begins now. */
  session(role: Role, sessionName: string, details: SessionDetails = {}): Principal {
    return {
      kind: 'role',
      arn: `arn:aws:sts::${this.#accountId}:assumed-role/${role.roleName}/${sessionName}`,
      accountId: this.#accountId,
      roleArn: role.arn,
      userId: `${role.roleId}:${sessionName}`,
      issuedAtMs: this.#clock.nowMs(),
      ...details,
    };
  }

  #require(request: AuthorizationRequest, action: string, resource: string): void {
    const { principal } = request;
    const resourcePolicy = request.resourcePolicy?.(resource);
    if (principal.kind === 'root' && resourcePolicy === undefined && request.trustPolicy === undefined)
      return;
    const context = { action, resource, keys: this.#keys(request, action, resource) };
    const role = this.#roleOf(principal);
    // Of a session whose role is gone nobody can say what bounds it, so no resource admits it.
    const gone = principal.roleArn !== undefined && role === undefined;
    const identity = this.#byIdentity(principal, role, context);
    const outcome = decide(
      {
        identity,
        boundary:
          role?.permissionsBoundary === undefined
            ? undefined
            : this.#byAny([this.store.managed(role.permissionsBoundary)], 'managed', context),
        session: this.#bySession(principal, context),
        resource:
          resourcePolicy === undefined || gone
            ? undefined
            : this.#byResource(resourcePolicy, 'resource', principal, context),
        trust:
          request.trustPolicy &&
          this.#byResource(gone ? undefined : request.trustPolicy(resource), 'trust', principal, context),
      },
      action,
    );
    if (outcome === 'allowed') {
      if (role !== undefined && identity === 'allow') {
        this.#record.allowed(role, { action, resource }, () => this.#grant(role, context));
      }
      return;
    }
    this.#record.refused(principal.roleArn ?? principal.arn, { action, resource });
    throw new AwsFault(
      request.accessDeniedCode,
      `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource} ${outcome.because}`,
      request.accessDeniedCode === 'AccessDeniedException' ? 400 : 403,
    );
  }

  /** The role of a session, unless it was deleted since; one that was made again under its name is another. */
  #roleOf({ roleArn, userId }: Principal): Role | undefined {
    const role = roleArn === undefined ? undefined : this.store.roles.get(roleArn);
    return userId === undefined || userId.startsWith(`${role?.roleId}:`) ? role : undefined;
  }

  #byIdentity(principal: Principal, role: Role | undefined, context: RequestContext): Decision | undefined {
    if (principal.kind === 'root') return 'allow';
    if (principal.kind === 'service') return undefined;
    if (role === undefined) return 'none';
    const inline = this.#byAny(Object.values(role.inlinePolicies), 'identity', context);
    const attached = this.#byAny(this.#attached(role), 'managed', context);
    return strongest([inline, attached]);
  }

  #bySession(
    { sessionPolicy, sessionPolicyArns = [] }: Principal,
    context: RequestContext,
  ): Decision | undefined {
    if (sessionPolicy === undefined && sessionPolicyArns.length === 0) return undefined;
    const managed = sessionPolicyArns.map((arn) => this.store.managed(arn));
    return strongest([
      this.#byAny([sessionPolicy], 'session', context),
      this.#byAny(managed, 'managed', context),
    ]);
  }

  #byAny(documents: ReadonlyArray<string | undefined>, kind: PolicyKind, context: RequestContext): Decision {
    return strongest(
      documents.map((document) =>
        document === undefined ? 'none' : evaluate(this.#parse(document, kind), context),
      ),
    );
  }

  #byResource(
    document: string | undefined,
    kind: 'resource' | 'trust',
    principal: Principal,
    context: RequestContext,
  ): ResourceDecision {
    if (document === undefined) return 'none';
    return evaluateResourcePolicy(this.#parse(document, kind), context, this.#caller(principal));
  }

  #attached(role: Role): Array<string | undefined> {
    return role.attachedPolicyArns.map((arn) => this.store.managed(arn));
  }

  /** What in a role's own policies allows the request. */
  #grant(role: Role, context: RequestContext): Grant | undefined {
    const documents = [
      ...Object.values(role.inlinePolicies).map((text) => this.#parse(text, 'identity')),
      ...this.#attached(role).map((text) => text && this.#parse(text, 'managed')),
    ];
    for (const document of documents) {
      const grant = document ? grantThatAllows(document, context) : undefined;
      if (grant !== undefined) return grant;
    }
    return undefined;
  }

  #caller(principal: Principal): Caller {
    const { arn, accountId, roleArn } = principal;
    const role = this.#roleOf(principal);
    return {
      arn,
      accountId,
      ...(roleArn === undefined ? {} : { role: { arn: roleArn, id: role?.roleId } }),
      ...(principal.kind === 'service' ? { service: arn } : {}),
      bounded: role?.permissionsBoundary !== undefined,
    };
  }

  /** The request's keys, worked out when a policy asks for the first of them. */
  #keys(request: AuthorizationRequest, action: string, resource: string): Keys {
    const { principal, origin, conditions: own = {} } = request;
    let keys: Keys | undefined;
    const read = () => {
      const passed = request.requestTags?.();
      return requestKeys({
        principal,
        role: this.#roleOf(principal),
        action,
        resource,
        region: this.#region,
        accountId: this.#accountId,
        nowMs: this.#clock.nowMs(),
        origin,
        requestTags: passed?.tags ?? {},
        tagKeys: passed?.keys ?? [],
        resourceTags: request.resourceTags?.(resource) ?? {},
        own,
      });
    };
    return {
      get: (key) => {
        keys ??= read();
        return keys.get(key);
      },
    };
  }

  /** Documents are checked where they are put. One that is not as it must be grants nothing, and says so. */
  #parse(text: string, kind: PolicyKind): PolicyDocument {
    this.#parsed[kind] ??= new Map();
    const known = this.#parsed[kind];
    let document = known.get(text);
    if (!document) {
      const parsed = parsePolicy(text, kind);
      if ('error' in parsed) throw new AwsFault('MalformedPolicyDocument', parsed.error);
      document = parsed;
      if (known.size >= PARSED_MAX) known.clear();
      known.set(text, document);
    }
    return document;
  }
}

/** Documents of one kind together: any may deny, else any may allow. */
function strongest(decisions: readonly Decision[]): Decision {
  return decisions.includes('deny') ? 'deny' : decisions.includes('allow') ? 'allow' : 'none';
}
