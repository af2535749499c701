import { parsePolicy, policyDocument, policySettings, type SettingProblem } from '@queue-canary/core';
import type { Duration } from 'aws-cdk-lib';
import type { ReleasePolicyProps } from './release-policy-props.ts';

/** Raised with every problem at once when the controller could not follow the policy. */
export class ReleasePolicyError extends Error {
  override readonly name = 'ReleasePolicyError';
}

/** The policy as the controller reads it from its environment, or one error that lists all that is wrong. */
export function renderPolicy(props: ReleasePolicyProps, visibilityTimeout: Duration): string {
  const given = { ...props, visibilityTimeout };
  const document: Record<string, unknown> = {};
  const judge: Record<string, unknown> = {};
  for (const [setting, property] of PROPERTIES) {
    const value: unknown = given[property];
    if (value === undefined) continue;
    const [name, section] = setting.startsWith('judge.') ? [setting.slice(6), judge] : [setting, document];
    section[name] = isDuration(value) ? value.toMilliseconds() : value;
  }
  const parsed = parsePolicy({ ...document, judge });
  if (parsed.ok) return JSON.stringify(policyDocument(parsed.policy));
  throw new ReleasePolicyError(
    `The release policy is impossible:\n${parsed.problems.map((each) => `  - ${ofProperties(each)}`).join('\n')}`,
  );
}

type Property = keyof ReleasePolicyProps | 'visibilityTimeout';

/** Which property each setting of the policy comes from. */
const PROPERTIES: ReadonlyMap<string, Property> = new Map([
  ...[...policySettings].flatMap(
    ([setting, { property }]): Array<[string, Property]> =>
      property === undefined ? [] : [[setting, property as Property]],
  ),
  ['judge.visibilityTimeoutMs', 'visibilityTimeout'],
]);

function isDuration(value: unknown): value is Duration {
  return typeof value === 'object' && value !== null && 'toMilliseconds' in value;
}

/** A problem of the policy, in the names of the properties that it comes from. */
function ofProperties({ setting, message }: SettingProblem): string {
  const named = message.replaceAll(
    /"?\b((?:judge\.)?[A-Za-z]+)\b"?/g,
    (word, name) => PROPERTIES.get(name) ?? word,
  );
  if (!setting.endsWith('Ms')) return named;
  // A bare 0 begins a range, and takes the unit of its end.
  return named.replaceAll(/\b(?:(\d+) ms|([1-9]\d*))\b/g, (_, ms, bare) => readable(Number(ms ?? bare)));
}

function readable(ms: number): string {
  return ms >= 120_000 && ms % 60_000 === 0 ? `${ms / 60_000} minutes` : `${ms / 1000} seconds`;
}
