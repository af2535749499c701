import {
  type Approval,
  defaultJudgePolicy,
  defaultReleasePolicy,
  type OnNewerCommit,
  parsePolicy,
} from '@queue-canary/core';
import { Duration } from 'aws-cdk-lib';

/**
 * CloudWatch keeps the seconds of metrics for three hours; the verdict is due before the first of them are lost.
 */
const DECISION_MAX = Duration.minutes(150);

/** The least share that the judge takes: below it, chance alone would look like a stall. */
const SHARE_MIN = 1e-4;

/** How a release is judged and promoted. */
export interface ReleasePolicyProps {
  /**
   * Who promotes a release.
   *
   * - `manual`: a person decides, and the judge only advises.
   * - `automatic`: a pass promotes without a person and a fail rolls back; an inconclusive verdict goes to a
   *   person.
   * - `automatic-then-manual`: a fail rolls back; everything else goes to a person, with the evidence, once
   *   the judge has settled.
   *
   * Dead letters roll a release back under each of them, see `alarmThreshold`.
   *
   * @default - manual
   */
  readonly approval?: Approval;

  /**
   * Time the canary is observed at steady state, before the release is promoted or offered for approval.
   * The judge may fail it earlier, and passes none before the queue's visibility timeout is over: a
   * message that the canary lost shows up only then.
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
   * Time, from steady state on, within which the judge must pass or fail the canary; then the verdict is
   * inconclusive and a person decides. Longer than the bake and the visibility timeout, and at most 150
   * minutes: the judge compares seconds, and CloudWatch keeps those for three hours.
   *
   * @default - one hour; twice the bake or the visibility timeout if that is longer, within the limit
   */
  readonly decideWithin?: Duration;

  /**
   * By how much more of its work than stable the canary must be shown not to fail before it passes: 0.02
   * is two percentage points. A unit of work is one receive, with all messages it brought. Halving the
   * margin takes about two to four times as many units, so a slow queue needs a larger margin or more time.
   *
   * @default - 0.02
   */
  readonly margin?: number;

  /**
   * By how much more of its messages the canary must be shown not to exceed stable's 90th percentile of
   * processing time: with 0.05, no more than 15 % of them may. Given, a pass needs this beside `margin`;
   * without it latency can still fail a release, but does not hold back a pass.
   *
   * @default - a pass does not depend on latency
   */
  readonly latencyMargin?: number;

  /**
   * Probability that the judge ever fails a version that is as good as stable, however often it looks.
   * A smaller one takes more failures of a bad version to be sure.
   *
   * @default - 0.01: one release in a hundred
   */
  readonly falseRollbackRate?: number;

  /**
   * Probability that the judge passes a version that is worse than stable by the margin.
   *
   * @default - 0.05: one such release in twenty
   */
  readonly falsePromotionRate?: number;

  /**
   * Units of work that each track must have finished before a pass.
   *
   * @default - 30
   */
  readonly unitsMin?: number;

  /**
   * Time after steady state in which latency is not judged: new tasks are slow until they are warm.
   * Failures count from the first message on.
   *
   * @default - 30 seconds
   */
  readonly warmUpTime?: Duration;

  /**
   * What happens to a release that waits for its verdict when a newer commit has been built:
   * `supersede` ends it, `wait` lets it end first.
   *
   * @default - supersede
   */
  readonly onNewerCommit?: OnNewerCommit;

  /**
   * New dead letters that end a release: as many within a minute raise the alarm, and as many since the
   * canary's deployment began roll the release back.
   *
   * @default - 1
   */
  readonly alarmThreshold?: number;
}

/** Raised with every problem at once when the controller could not follow the policy. */
export class ReleasePolicyError extends Error {
  override readonly name = 'ReleasePolicyError';
}

/** What the judge has to know of the system that it judges. */
export interface JudgedSystem {
  /** Visibility timeout of the queue. */
  readonly visibilityTimeout: Duration;
  /** Tasks of the canary service. */
  readonly canaryTasks: number;
  /** Most tasks of the stable service. */
  readonly stableTasksMax: number;
}

/** The policy as the controller reads it from its environment, or one error that lists all that is wrong. */
export function renderPolicy(props: ReleasePolicyProps, system: JudgedSystem): string {
  const bakeMs = (props.bakeTime ?? Duration.millis(defaultReleasePolicy.bakeMs)).toMilliseconds();
  const visibilityTimeoutMs = system.visibilityTimeout.toMilliseconds();
  const longestMs = DECISION_MAX.toMilliseconds();
  const defaultDeadlineMs = Math.max(
    defaultJudgePolicy.deadlineMs,
    2 * Math.max(bakeMs, visibilityTimeoutMs),
  );
  const deadlineMs = props.decideWithin?.toMilliseconds() ?? Math.min(defaultDeadlineMs, longestMs);
  const policy = {
    approval: props.approval ?? defaultReleasePolicy.approval,
    bakeMs,
    watchMs: props.watchTime?.toMilliseconds() ?? defaultReleasePolicy.watchMs,
    onNewerCommit: props.onNewerCommit ?? defaultReleasePolicy.onNewerCommit,
    deadLettersMax: Math.ceil(props.alarmThreshold ?? 1) - 1,
    judge: {
      alpha: props.falseRollbackRate ?? defaultJudgePolicy.alpha,
      beta: props.falsePromotionRate ?? defaultJudgePolicy.beta,
      delta: props.margin ?? defaultJudgePolicy.delta,
      ...(props.latencyMargin === undefined
        ? { required: ['failures'] }
        : { required: ['failures', 'latency'], latencyDelta: props.latencyMargin }),
      shareMin: shareMin(system),
      unitsMin: props.unitsMin ?? defaultJudgePolicy.unitsMin,
      visibilityTimeoutMs,
      deadlineMs,
      warmUpMs: props.warmUpTime?.toMilliseconds() ?? defaultJudgePolicy.warmUpMs,
    },
  };
  const checked = parsePolicy(policy);
  const problems = checked.ok
    ? []
    : checked.problems.map(({ setting, message }) => `${PROPERTIES.get(setting) ?? setting}: ${message}`);
  if (deadlineMs > longestMs) {
    problems.push(
      `decideWithin: must be at most ${DECISION_MAX.toMinutes()} minutes, not ${deadlineMs / 60_000}: CloudWatch keeps the seconds of metrics for three hours`,
    );
  }
  if (problems.length > 0) {
    throw new ReleasePolicyError(
      `The release policy is impossible:\n${problems.map((each) => `  - ${each}`).join('\n')}`,
    );
  }
  return JSON.stringify(policy);
}

/** Which property a setting of the policy comes from. */
const PROPERTIES: ReadonlyMap<string, keyof ReleasePolicyProps | keyof JudgedSystem> = new Map([
  ['bakeMs', 'bakeTime'],
  ['watchMs', 'watchTime'],
  ['deadLettersMax', 'alarmThreshold'],
  ['judge.alpha', 'falseRollbackRate'],
  ['judge.beta', 'falsePromotionRate'],
  ['judge.delta', 'margin'],
  ['judge.latencyDelta', 'latencyMargin'],
  ['judge.unitsMin', 'unitsMin'],
  ['judge.visibilityTimeoutMs', 'visibilityTimeout'],
  ['judge.deadlineMs', 'decideWithin'],
  ['judge.warmUpMs', 'warmUpTime'],
]);

/** Half of what the canary gets while stable runs all its tasks: less than that is a stall, not its share. */
function shareMin({ canaryTasks, stableTasksMax }: JudgedSystem): number {
  return Math.max(SHARE_MIN, canaryTasks / (canaryTasks + stableTasksMax) / 2);
}
