// Written by `npm run generate` from the settings in packages/core/src/policy/policy.ts and judge/judge-policy.ts.
import type { Approval, CounterPolicy, JudgedMetric, OnNewerCommit } from '@queue-canary/core';
import type { Duration } from 'aws-cdk-lib';

/** How a release is judged and promoted. */
export interface ReleasePolicyProps {
  /**
   * Who promotes a release.
   *
   * - `manual`: a person decides, and the judge only advises.
   * - `automatic`: a pass promotes without a person and a fail rolls back. An inconclusive verdict goes to a
   *   person.
   * - `automatic-then-manual`: a fail rolls back. Everything else goes to a person, with the evidence, once the
   *   judge has settled.
   *
   * Dead letters roll a release back under each of them, see `alarmThreshold`.
   *
   * @default - manual
   */
  readonly approval?: Approval;

  /**
   * Time for which the canary is observed at steady state before the release is promoted or offered for approval.
   * The judge may fail it earlier. It passes none before the queue's visibility timeout is over, since a message
   * that the canary lost is received again only then. At least `warmUpTime`, and at most twelve hours.
   *
   * @default - ten minutes
   */
  readonly bakeTime?: Duration;

  /**
   * Time for which both services are watched on the new version before it becomes the last good release. At most
   * twelve hours.
   *
   * @default - five minutes
   */
  readonly watchTime?: Duration;

  /**
   * What happens to a release that waits for its verdict when a newer commit has been built: `supersede` ends it,
   * `wait` keeps the newer commit in front of the canary until the release has ended.
   *
   * @default - supersede
   */
  readonly onNewerCommit?: OnNewerCommit;

  /**
   * When releases may reach the canary: days, hours and a time zone, as in `Mon-Thu 09:00-16:00 Europe/Berlin`. At
   * other times they wait in front of it, but for the first release of all. A release that has begun goes on to
   * its end, and a rollback is always possible.
   *
   * @default - at any time
   */
  readonly releaseWindows?: readonly string[];

  /**
   * Dead letters that end a release, counted from the start of the canary's deployment and caused by its own
   * tasks. As many new ones from one minute to the next raise the alarm, which makes the controller look.
   *
   * @default - 1
   */
  readonly alarmThreshold?: number;

  /**
   * Probability that the judge ever fails a version that is as good as stable, however often it looks. A smaller
   * rate needs more failures of a bad version.
   *
   * @default - 0.01: one release in a hundred
   */
  readonly falseRollbackRate?: number;

  /**
   * Probability that the judge passes a version that is worse than stable by the margin, for each required metric.
   *
   * @default - 0.05: one such release in twenty
   */
  readonly falsePromotionRate?: number;

  /**
   * How many percentage points more failures than stable a pass must exclude: 0.02 is two points. Half the margin
   * needs two to four times as many messages, so a slow queue needs a larger margin or more time.
   *
   * @default - 0.02
   */
  readonly margin?: number;

  /**
   * How many percentage points more of its messages than stable's own 10 % may exceed stable's 90th percentile of
   * processing time: with 0.05, a pass must show that no more than 15 % of the canary's do. If it is given, a pass
   * needs this in addition to `margin`. Without it latency can still fail a release, but does not hold back a
   * pass.
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
   * How much tasks of one version differ: the standard deviation of the logarithm of their odds of failing. The
   * judge learns from stable's tasks if they differ more. This is the least that it assumes, even if stable has
   * only one task. Set it if tasks are known to differ and stable has few.
   *
   * @default - 0.25: a quarter
   */
  readonly taskSpread?: number;

  /**
   * Messages that each track must have finished before a pass.
   *
   * @default - 30
   */
  readonly messagesMin?: number;

  /**
   * Time from steady state on within which the judge must pass or fail the canary. After it the verdict is
   * inconclusive and a person decides. Longer than the bake and the visibility timeout, and at most twelve hours:
   * CodePipeline waits 24 hours for the controller, which holds in memory what the workers reported meanwhile. ECS
   * forgets stopped tasks after an hour, so crashes count for no longer than that.
   *
   * @default - one hour; twice the bake or the visibility timeout if that is longer, within the limit
   */
  readonly decideWithin?: Duration;

  /**
   * Time that a task takes to be warm. A younger task is compared with stable's tasks at the same age, and no
   * release passes on that alone, so the bake must be at least as long. Where work takes long, the judge waits
   * longer by itself.
   *
   * @default - three minutes
   */
  readonly warmUpTime?: Duration;

  /**
   * Counters of your own that are judged, by the names that the handler uses: whether less or more per finished
   * message is worse, and what part of stable's count is tolerated (0.25 is a quarter).
   *
   * @default - none is judged
   */
  readonly counters?: Readonly<Record<string, CounterPolicy>>;

  /**
   * The judge says what it would have done, without doing it. With `true` a person decides about each release that
   * it would have passed or failed. With a list, the named metrics do not count towards a fail.
   *
   * @default - false
   */
  readonly dryRun?: boolean | readonly JudgedMetric[];
}
