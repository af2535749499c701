import { type JudgePolicy, shortestBakeMs } from '../judge/judge-policy.ts';
import { type RequiredSample, requiredSample } from '../judge/required-sample.ts';
import type { TaskDifferences } from './differences.ts';
import type { Traffic } from './traffic.ts';

/** What certifying a good version takes at this traffic, of both tracks together with one canary task. */
export interface Certification {
  readonly margin: number;
  readonly messagesPerSecond: number;
  /** The canary's part of the messages. */
  readonly canaryShare: number;
  /** Messages that it takes, and how long those take; absent where it cannot be done, however long one waits. */
  readonly messages?: number;
  readonly durationMs?: number;
  /** How long they take in the quietest tenth of the windows. */
  readonly quietDurationMs?: number;
  /** The smallest of the usual margins, this or a larger one, that is certified by the deadline. */
  readonly marginPossible?: number;
}

const MARGINS = [0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];

/** Parts of the margin that the judge certifies where tasks differ, and by how many deviations a task may be luckier. */
const PARTS = [1, 0.75, 0.5, 0.25];
const LUCK = 2;

/** What is learnt of a history that certification depends on. */
export interface Circumstances {
  readonly traffic: Traffic;
  readonly differences: TaskDifferences;
  readonly tasksAtOnce: number;
}

export function certificationOf(policy: JudgePolicy, circumstances: Circumstances): Certification {
  const { traffic, tasksAtOnce } = circumstances;
  const both = (tasksAtOnce + 1) / tasksAtOnce;
  const usual = sampleOf(policy, circumstances, policy.margin, traffic.messagesPerSecond * both);
  const quiet = sampleOf(policy, circumstances, policy.margin, traffic.quietMessagesPerSecond * both);
  const marginPossible = [policy.margin, ...MARGINS.filter((margin) => margin > policy.margin)].find(
    (margin) => {
      const sample = sampleOf(policy, circumstances, margin, traffic.messagesPerSecond * both);
      return sample !== undefined && sample.durationMs <= policy.deadlineMs;
    },
  );
  return {
    margin: policy.margin,
    messagesPerSecond: traffic.messagesPerSecond * both,
    canaryShare: 1 / (tasksAtOnce + 1),
    ...(usual && { messages: usual.units, durationMs: usual.durationMs }),
    ...(quiet && { quietDurationMs: quiet.durationMs }),
    ...(marginPossible !== undefined && { marginPossible }),
  };
}

/** Undefined where nothing can be certified. */
function sampleOf(
  policy: JudgePolicy,
  { traffic, differences, tasksAtOnce }: Circumstances,
  margin: number,
  unitsPerSecond: number,
): RequiredSample | undefined {
  // A task may be luckier than its version, so the judge asks for less than the margin.
  const luck = LUCK * differences.rateSpread * traffic.failureRate;
  const part = PARTS.find((each) => each * margin <= margin - luck);
  if (part === undefined) return undefined;
  const sample = requiredSample({
    unitsPerSecond,
    canaryShare: 1 / (tasksAtOnce + 1),
    failureRate: traffic.failureRate,
    margin: part * margin,
    // Messages that fail together are so much less evidence.
    beta: Math.max(Number.MIN_VALUE, policy.beta ** traffic.clumping),
    deadlineMs: policy.deadlineMs,
    bakeMs: shortestBakeMs(policy),
    trackUnitsMin: policy.messagesMin,
    unit: 'messages',
  });
  return Number.isFinite(sample.units) ? sample : undefined;
}
