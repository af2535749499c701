import type { Engine } from '../../dispatch/service.ts';
import { invalid } from './faults.ts';

type Place = Pick<Engine, 'region' | 'accountId'>;

/** ARN of a log group without the trailing `:*`. */
export function groupArn({ region, accountId }: Place, name: string): string {
  return `arn:aws:logs:${region}:${accountId}:log-group:${name}`;
}

/**
 * ARN that IAM is asked about: of a stream, or of the group when there is none. AWS writes the latter with an
 * empty stream name, which is why policies for a group need the trailing `:*`.
 */
export function checkedArn(place: Place, group: string | undefined, stream = ''): string {
  return `${groupArn(place, group ?? '')}:log-stream:${stream}`;
}

/** Name of the group that a `logGroupName` or a `logGroupIdentifier` (name or ARN) names. */
export function groupNameOf(input: {
  logGroupName?: string | undefined;
  logGroupIdentifier?: string | undefined;
}): string {
  const { logGroupName, logGroupIdentifier } = input;
  if (logGroupName !== undefined && logGroupIdentifier !== undefined) {
    throw invalid('Only one of logGroupName and logGroupIdentifier can be given.');
  }
  const given = logGroupName ?? logGroupIdentifier;
  if (given === undefined) throw invalid('logGroupName or logGroupIdentifier is required.');
  return logGroupIdentifier === undefined ? given : (nameInArn(logGroupIdentifier) ?? given);
}

/** The group's name in the ARN of a log group, with or without `:*`; `undefined` for anything else. */
export function nameInArn(arn: string): string | undefined {
  return /^arn:aws[^:]*:logs:[^:]*:\d*:log-group:([^:]+)(?::\*)?$/.exec(arn)?.[1];
}
