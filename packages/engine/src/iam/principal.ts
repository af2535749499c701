/** Who makes a call. */
export interface Principal {
  /**
   * `root`: the account's owner, may do everything. `role`: a session of a role. `service`: an AWS service on
   * its own behalf, for vended metrics, logs and events.
   */
  readonly kind: 'root' | 'role' | 'user' | 'service';
  /** ARN as `sts:GetCallerIdentity` reports it; for a service its principal, such as `events.amazonaws.com`. */
  readonly arn: string;
  readonly accountId: string;
  /** ARN of the role whose policies apply; for `role` only. */
  readonly roleArn?: string;
  /** Unique id of the role and name of the session, as `sts:GetCallerIdentity` reports it; for `role` only. */
  readonly userId?: string;
  /** Session policy that narrows the role further, as JSON. */
  readonly sessionPolicy?: string;
  /** Managed policies that narrow it in the same way. */
  readonly sessionPolicyArns?: readonly string[];
  readonly sessionTags?: Readonly<Record<string, string>>;
  /** When the session began, milliseconds since the epoch. */
  readonly issuedAtMs?: number;
  /** The service that assumed the role for itself, if one did. */
  readonly assumedBy?: string;
  /** The services through which the principal's call passes, each with the principal's permissions. */
  readonly calledVia?: readonly string[];
  /**
   * ARN of the rule, topic or alarm for which a service acts; for `service` only. With it the call needs a
   * statement of the resource's own policy that admits the service, as on AWS.
   */
  readonly sourceArn?: string;
}

/** Temporary credentials of a principal. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
  /** Environment variables with which an SDK uses these credentials and this engine. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * An AWS service as principal. On its own behalf (vended metrics, logs, events) it may do everything; for a
 * customer's resource, given as `sourceArn`, only what the target's resource policy grants it.
 */
export function servicePrincipal(
  engine: { readonly accountId: string },
  service: string,
  sourceArn?: string,
): Principal {
  return {
    kind: 'service',
    arn: service,
    accountId: engine.accountId,
    ...(sourceArn === undefined ? {} : { sourceArn }),
  };
}

/** A principal whose permissions `service` uses for a call of its own. */
export function viaService(principal: Principal, service: string): Principal {
  return { ...principal, calledVia: [...(principal.calledVia ?? []), service] };
}
