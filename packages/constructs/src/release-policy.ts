import { parsePolicy } from '@queue-canary/core';
import { Duration } from 'aws-cdk-lib';

/** How a release is judged and promoted. */
export interface ReleasePolicyProps {
  /**
   * Time the canary is observed at steady state before the release is offered for approval.
   *
   * @default - ten minutes
   */
  readonly bakeTime?: Duration;

  /**
   * Time both services are watched on the new version before it becomes the last good release.
   *
   * @default - five minutes
   */
  readonly watchTime?: Duration;

  /**
   * What happens to a release that waits for its verdict when a newer commit has been built:
   * `supersede` ends it, `wait` lets it end first.
   *
   * @default - supersede
   */
  readonly onNewerCommit?: 'supersede' | 'wait';

  /**
   * New dead letters that end a release: as many within a minute raise the alarm, and as many since the
   * canary's deployment began roll the release back.
   *
   * @default - 1
   */
  readonly alarmThreshold?: number;
}

/** The policy as the controller reads it from its environment. */
export function renderPolicy(props: ReleasePolicyProps): string {
  const policy = {
    approval: 'manual',
    bakeMs: (props.bakeTime ?? Duration.minutes(10)).toMilliseconds(),
    watchMs: (props.watchTime ?? Duration.minutes(5)).toMilliseconds(),
    onNewerCommit: props.onNewerCommit ?? 'supersede',
    deadLettersMax: Math.ceil(props.alarmThreshold ?? 1) - 1,
  };
  const checked = parsePolicy(policy);
  if (!checked.ok) throw new Error(checked.problems.map((problem) => problem.message).join('; '));
  return JSON.stringify(policy);
}
