import type { Origin } from './authorizer.ts';
import type { Keys } from './policy-variables.ts';
import type { Principal } from './principal.ts';
import type { Role } from './roles.ts';

/** What the engine knows of a request, apart from what its operation says. */
export interface KnownRequest {
  readonly principal: Principal;
  /** The role of the principal's session. */
  readonly role: Role | undefined;
  readonly action: string;
  readonly resource: string;
  readonly region: string;
  readonly accountId: string;
  readonly nowMs: number;
  readonly origin: Origin | undefined;
  readonly requestTags: Readonly<Record<string, string>>;
  readonly tagKeys: readonly string[];
  readonly resourceTags: Readonly<Record<string, string>>;
  /** Keys of the operation. They have the last word. */
  readonly own: Readonly<Record<string, string | readonly string[]>>;
}

/** Services that have a key of their own for a resource's tags. */
const OWN_RESOURCE_TAG = new Set(['iam', 'ecs', 'ecr', 'ssm', 'secretsmanager']);
/** Services that name themselves in `aws:CalledVia`, of those that the engine has. */
const CALLED_VIA = new Set(['cloudformation.amazonaws.com']);
/** Services whose only endpoint is in N. Virginia. */
const GLOBAL = new Set(['iam']);

/**
 * The condition keys of a request, in lower case. What is missing on AWS is missing here: `aws:username` for all but
 * users, the address and agent of calls that a service makes, everything of organizations and VPC endpoints.
 *
 * `aws:SecureTransport` is `true` for loopback: traffic that never leaves the machine stands for TLS.
 *
 * Source: IAM User Guide, "AWS global condition context keys" and "IAM policy elements: Variables and tags".
 */
export function requestKeys(known: KnownRequest): Keys {
  const { principal, action, resource, origin } = known;
  const [, , vendor = '', , account] = resource.split(':');
  const service = action.split(':')[0]!;
  const keys: Record<string, string | readonly string[] | undefined> = {
    'aws:SecureTransport': 'true',
    'aws:CurrentTime': new Date(known.nowMs).toISOString(),
    'aws:EpochTime': String(Math.floor(known.nowMs / 1000)),
    'aws:RequestedRegion': GLOBAL.has(service) ? 'us-east-1' : known.region,
    'aws:ResourceAccount': account || known.accountId,
    'aws:SourceIp': origin?.sourceIp,
    'aws:UserAgent': origin?.userAgent,
    ...principalKeys(principal, known.role),
    ...viaKeys(principal),
    ...withPrefix('aws:RequestTag/', known.requestTags),
    'aws:TagKeys': known.tagKeys,
    ...withPrefix('aws:ResourceTag/', known.resourceTags),
    ...(OWN_RESOURCE_TAG.has(vendor) ? withPrefix(`${vendor}:ResourceTag/`, known.resourceTags) : {}),
    ...known.own,
  };
  const entries = Object.entries(keys).flatMap(([key, value]): Array<[string, readonly string[]]> => {
    const values = value === undefined ? [] : [value].flat();
    return values.length === 0 ? [] : [[key.toLowerCase(), values]];
  });
  return new Map(entries);
}

function principalKeys(
  principal: Principal,
  role: Role | undefined,
): Record<string, string | readonly string[] | undefined> {
  const { kind, accountId } = principal;
  if (kind === 'service') {
    return {
      'aws:PrincipalIsAWSService': 'true',
      'aws:PrincipalServiceName': principal.arn,
      'aws:PrincipalServiceNamesList': [principal.arn],
      ...(principal.sourceArn === undefined
        ? {}
        : { 'aws:SourceArn': principal.sourceArn, 'aws:SourceAccount': accountId }),
      // Only CloudWatch still sends it, so a topic's default policy admits its alarms and nothing else.
      ...(principal.sourceArn !== undefined && principal.arn === 'cloudwatch.amazonaws.com'
        ? { 'aws:SourceOwner': accountId }
        : {}),
    };
  }
  return {
    'aws:PrincipalArn': principal.roleArn ?? principal.arn,
    'aws:PrincipalAccount': accountId,
    'aws:PrincipalType': kind === 'root' ? 'Account' : kind === 'user' ? 'User' : 'AssumedRole',
    'aws:PrincipalIsAWSService': 'false',
    'aws:userid': kind === 'root' ? accountId : principal.userId,
    ...(kind === 'role'
      ? {
          ...withPrefix('aws:PrincipalTag/', { ...role?.tags, ...principal.sessionTags }),
          'aws:TokenIssueTime':
            principal.issuedAtMs === undefined ? undefined : new Date(principal.issuedAtMs).toISOString(),
          // Of temporary credentials only, and here none of them is issued with MFA.
          'aws:MultiFactorAuthPresent': 'false',
        }
      : {}),
  };
}

function viaKeys({ calledVia = [] }: Principal): Record<string, string | readonly string[] | undefined> {
  const listed = calledVia.filter((service) => CALLED_VIA.has(service));
  return {
    'aws:ViaAWSService': String(calledVia.length > 0),
    'aws:CalledVia': listed,
    'aws:CalledViaFirst': listed[0],
    'aws:CalledViaLast': listed.at(-1),
  };
}

function withPrefix(prefix: string, tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`${prefix}${key}`, value]));
}
