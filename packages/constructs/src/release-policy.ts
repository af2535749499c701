import {
  type Approval,
  type CounterPolicy,
  defaultJudgePolicy,
  defaultReleasePolicy,
  type JudgedMetric,
  type OnNewerCommit,
  type PolicyProblem,
  parsePolicy,
} from '@queue-canary/core';
import type { Duration } from 'aws-cdk-lib';

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
   * Time for which the canary is observed at steady state before the release is promoted or offered for approval.
   * The judge may fail it earlier. It passes no release before the queue's visibility timeout is over, because a
   * message that the canary lost shows up only then. At least `warmUpTime`, and at most twelve hours.
   *
   * @default - ten minutes
   */
  readonly bakeTime?: Duration;

  /**
   * Time for which both services are watched on the new version before it becomes the last good release; at
   * most twelve hours.
   *
   * @default - five minutes
   */
  readonly watchTime?: Duration;

  /**
   * Time from steady state within which the judge must pass or fail the canary. After that the verdict is
   * inconclusive and a person decides. Longer than the bake and the visibility timeout, and at most twelve
   * hours: CodePipeline waits 24 hours for the controller, which holds in memory what the workers reported
   * meanwhile. ECS forgets stopped tasks after an hour, so crashes count for no longer than that.
   *
   * @default - one hour; twice the bake or the visibility timeout if that is longer, within the limit
   */
  readonly decideWithin?: Duration;

  /**
   * How many percentage points more failures than stable a pass must exclude: 0.02 is two points. Half the
   * margin needs two to four times as many messages, so a slow queue needs a larger margin or more time.
   *
   * @default - 0.02
   */
  readonly margin?: number;

  /**
   * How many percentage points more of its messages than stable's own 10 % may exceed stable's 90th percentile
   * of processing time: with 0.05, a pass must show that no more than 15 % of the canary's do. If it is given, a pass needs this in addition to
   * `margin`; without it latency can still fail a release, but does not hold back a pass.
   *
   * @default - a pass does not depend on latency
   */
  readonly latencyMargin?: number;

  /**
   * The slowdown from which on a version is bad: 0.5 is half as long again, which fails a release on latency.
   * About half of it is tolerated.
   *
   * @default - 0.5
   */
  readonly slower?: number;

  /**
   * Probability that the judge ever fails a version that is as good as stable, however often it looks.
   * A smaller rate needs more failures of a bad version.
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
   * Messages that each track must have finished before a pass.
   *
   * @default - 30
   */
  readonly messagesMin?: number;

  /**
   * Time that a task takes to be warm. A younger task is compared with stable's tasks at the same age, and no
   * release passes on that alone, so the bake must be at least as long. Where work takes long, the judge waits
   * longer by itself.
   *
   * @default - three minutes
   */
  readonly warmUpTime?: Duration;

  /**
   * How much tasks of one version differ: the standard deviation of the logarithm of their odds of failing.
   * The judge learns from stable's tasks if they differ more. This is the least that it assumes, even if stable
   * has only one task. Set it if tasks are known to differ and stable has few.
   *
   * @default - 0.25: a quarter
   */
  readonly taskSpread?: number;

  /**
   * Counters of your own that are judged, by the names that the handler uses: whether less or more per finished
   * message is worse, and what part of stable's count is tolerated (0.25 is a quarter).
   *
   * @default - none is judged
   */
  readonly counters?: Readonly<Record<string, CounterPolicy>>;

  /**
   * The judge says what it would have done, without doing it. With `true` a person decides about each release
   * that it would have passed or failed. With a list, the named metrics do not count towards a fail.
   *
   * @default - false
   */
  readonly dryRun?: boolean | readonly JudgedMetric[];

  /**
   * What happens to a release that waits for its verdict when a newer commit has been built:
   * `supersede` ends it, `wait` lets it end first.
   *
   * @default - supersede
   */
  readonly onNewerCommit?: OnNewerCommit;

  /**
   * Dead letters that end a release, counted from the start of the canary's deployment and caused by its own
   * tasks. As many new ones from one minute to the next raise the alarm, which makes the controller look.
   *
   * @default - 1
   */
  readonly alarmThreshold?: number;
}

/** Raised with every problem at once when the controller could not follow the policy. */
export class ReleasePolicyError extends Error {
  override readonly name = 'ReleasePolicyError';
}

/** The policy as the controller reads it from its environment, or one error that lists all that is wrong. */
export function renderPolicy(props: ReleasePolicyProps, visibilityTimeout: Duration): string {
  const policy = {
    approval: props.approval ?? defaultReleasePolicy.approval,
    bakeMs: props.bakeTime?.toMilliseconds() ?? defaultReleasePolicy.bakeMs,
    watchMs: props.watchTime?.toMilliseconds() ?? defaultReleasePolicy.watchMs,
    onNewerCommit: props.onNewerCommit ?? defaultReleasePolicy.onNewerCommit,
    deadLettersMax: Math.ceil(props.alarmThreshold ?? 1) - 1,
  };
  const judge = {
    alpha: props.falseRollbackRate ?? defaultJudgePolicy.alpha,
    beta: props.falsePromotionRate ?? defaultJudgePolicy.beta,
    margin: props.margin ?? defaultJudgePolicy.margin,
    ...(props.latencyMargin === undefined
      ? { required: ['failures'] }
      : { required: ['failures', 'latency'], latencyMargin: props.latencyMargin }),
    slower: props.slower ?? defaultJudgePolicy.slower,
    ...(props.taskSpread === undefined ? {} : { taskSpread: props.taskSpread }),
    messagesMin: props.messagesMin ?? defaultJudgePolicy.messagesMin,
    visibilityTimeoutMs: visibilityTimeout.toMilliseconds(),
    warmUpMs: props.warmUpTime?.toMilliseconds() ?? defaultJudgePolicy.warmUpMs,
    counters: props.counters ?? defaultJudgePolicy.counters,
    dryRun: props.dryRun ?? defaultJudgePolicy.dryRun,
    ...(props.decideWithin === undefined ? {} : { deadlineMs: props.decideWithin.toMilliseconds() }),
  };
  const checked = parsePolicy({ ...policy, judge });
  if (!checked.ok) {
    throw new ReleasePolicyError(
      `The release policy is impossible:\n${checked.problems.map((each) => `  - ${ofProperties(each)}`).join('\n')}`,
    );
  }
  return JSON.stringify({ ...policy, judge: { ...judge, deadlineMs: checked.policy.judge.deadlineMs } });
}

/** Which property a setting of the policy comes from. */
export const PROPERTIES: ReadonlyMap<string, keyof ReleasePolicyProps | 'visibilityTimeout'> = new Map([
  ['approval', 'approval'],
  ['bakeMs', 'bakeTime'],
  ['watchMs', 'watchTime'],
  ['onNewerCommit', 'onNewerCommit'],
  ['deadLettersMax', 'alarmThreshold'],
  ['judge.alpha', 'falseRollbackRate'],
  ['judge.beta', 'falsePromotionRate'],
  ['judge.margin', 'margin'],
  ['judge.required', 'latencyMargin'],
  ['judge.latencyMargin', 'latencyMargin'],
  ['judge.slower', 'slower'],
  ['judge.taskSpread', 'taskSpread'],
  ['judge.messagesMin', 'messagesMin'],
  ['judge.visibilityTimeoutMs', 'visibilityTimeout'],
  ['judge.deadlineMs', 'decideWithin'],
  ['judge.warmUpMs', 'warmUpTime'],
  ['judge.counters', 'counters'],
  ['judge.dryRun', 'dryRun'],
]);

/** A problem of the policy, said of the properties that it comes from. */
function ofProperties({ setting, message }: PolicyProblem): string {
  const named = message.replaceAll(
    /"?\b((?:judge\.)?[A-Za-z]+)\b"?/g,
    (word, name) => PROPERTIES.get(name) ?? word,
  );
  if (!setting.endsWith('Ms')) return named;
  return named.replaceAll(/\b(\d+)( ms)?\b/g, (_, ms) => readable(Number(ms)));
}

function readable(ms: number): string {
  return ms >= 120_000 && ms % 60_000 === 0 ? `${ms / 60_000} minutes` : `${ms / 1000} seconds`;
}
