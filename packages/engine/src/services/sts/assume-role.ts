import { AwsFault } from '../../errors.ts';
import type { SessionDetails } from '../../iam/policy-authorizer.ts';
import { parsePolicy } from '../../iam/policy-grammar.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Role, RoleStore } from '../../iam/roles.ts';
import { tagMap } from '../../iam/tags.ts';
import type { Input } from '../../sdk/services.ts';

type Request = Input<'sts', 'AssumeRole'>;

const CHAINED_SECONDS_MAX = 3_600;
const POLICY_CHARACTERS_MAX = 2_048;
const POLICIES_MAX = 10;
const TAGS_MAX = 50;

/**
 * Checks a request for a session of a role. The limits are those of AWS STS (API reference, `AssumeRole`; IAM User
 * Guide, "IAM and AWS STS quotas").
 */
export function checkAssumeRole(input: Request): void {
  constraint('roleArn', input.RoleArn, /^arn:aws:iam::\d{12}:role\/[\w+=,.@/-]+$/, 'the ARN of a role');
  constraint(
    'roleSessionName',
    input.RoleSessionName,
    /^[\w+=,.@-]{2,64}$/,
    '2 to 64 characters of [\\w+=,.@-]',
  );
  if (input.ExternalId !== undefined) {
    constraint(
      'externalId',
      input.ExternalId,
      /^[\w+=,.@:/-]{2,1224}$/,
      '2 to 1224 characters of [\\w+=,.@:/-]',
    );
  }
  const seconds = input.DurationSeconds;
  if (seconds !== undefined && !(Number.isInteger(seconds) && seconds >= 900 && seconds <= 43_200)) {
    throw constrained('durationSeconds', String(seconds), 'Member must have value between 900 and 43200');
  }
  checkTags(input);
}

/** How long the session lasts, in seconds: no longer than the role allows, and an hour for a role that takes a role. */
export function sessionSeconds(input: Request, role: Role, caller: Principal): number {
  const seconds = input.DurationSeconds ?? 3_600;
  if (caller.kind === 'role' && seconds > CHAINED_SECONDS_MAX) {
    throw invalid(
      'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
    );
  }
  if (seconds > role.maxSessionSeconds) {
    throw invalid('The requested DurationSeconds exceeds the MaxSessionDuration set for this role.');
  }
  return seconds;
}

/** What the session carries: its policies and its tags. */
export function sessionDetails(input: Request, store: RoleStore): SessionDetails {
  const arns = (input.PolicyArns ?? []).map(({ arn }) => arn ?? '');
  if (arns.length > POLICIES_MAX) {
    throw constrained(
      'policyArns',
      `${arns.length} policies`,
      `Member must have length less than or equal to ${POLICIES_MAX}`,
    );
  }
  const missing = arns.find((arn) => store.managed(arn) === undefined);
  if (missing !== undefined) throw malformed(`Policy ${missing} does not exist or is not attachable.`);
  const size = [input.Policy ?? '', ...arns].join('').length;
  if (size > POLICY_CHARACTERS_MAX) {
    throw constrained(
      'policy',
      `${size} characters`,
      `Member must have length less than or equal to ${POLICY_CHARACTERS_MAX}`,
    );
  }
  const parsed = input.Policy === undefined ? undefined : parsePolicy(input.Policy, 'session');
  if (parsed !== undefined && 'error' in parsed) throw malformed(parsed.error);
  const sessionTags = tagMap(input.Tags);
  return {
    ...(input.Policy === undefined ? {} : { sessionPolicy: input.Policy }),
    ...(arns.length === 0 ? {} : { sessionPolicyArns: arns }),
    ...(Object.keys(sessionTags).length === 0 ? {} : { sessionTags }),
  };
}

function checkTags({ Tags = [] }: Request): void {
  if (Tags.length > TAGS_MAX) {
    throw constrained(
      'tags',
      `${Tags.length} tags`,
      `Member must have length less than or equal to ${TAGS_MAX}`,
    );
  }
  const keys = new Set<string>();
  for (const { Key = '', Value = '' } of Tags) {
    constraint(
      'tags.key',
      Key,
      /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u,
      '1 to 128 letters, digits, spaces and _.:/=+-@',
    );
    constraint(
      'tags.value',
      Value,
      /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u,
      'up to 256 letters, digits, spaces and _.:/=+-@',
    );
    if (keys.has(Key.toLowerCase())) {
      throw new AwsFault(
        'InvalidParameterValue',
        `Duplicate tag keys found: ${Key}. Tag keys are not case sensitive.`,
      );
    }
    keys.add(Key.toLowerCase());
  }
}

function constraint(name: string, value: string | undefined, form: RegExp, wants: string): void {
  if (!form.test(value ?? '')) throw constrained(name, value ?? '', `Member must be ${wants}`);
}

function constrained(name: string, value: string, rule: string): AwsFault {
  return invalid(
    `1 validation error detected: Value '${value}' at '${name}' failed to satisfy constraint: ${rule}`,
  );
}

function invalid(message: string): AwsFault {
  return new AwsFault('ValidationError', message);
}

function malformed(message: string): AwsFault {
  return new AwsFault('MalformedPolicyDocument', message);
}
