import type { CounterPolicy } from '../../packages/core/src/judge/judge-policy.ts';

/**
 * A world to release into: how its tasks behave by nature, and what is wrong with the canary's version. What is left
 * out does not happen, and without `version` both tracks are alike. Times are in seconds, parts from 0 to 1.
 */
export interface World {
  readonly name: string;
  /** Of both tracks together; each task takes its part at random. */
  readonly messagesPerSecond: number;
  /** How many of them fail, for whatever reason, on a warm task of average luck. */
  readonly failureRate: number;
  /** @default 1 */
  readonly canaryTasks?: number;
  /** @default 3 */
  readonly stableTasks?: number;
  /** Age of the canary's tasks when the judging begins. @default 40 */
  readonly canaryAge?: number;
  /** Whether the log still has the first minutes of stable's tasks. @default true */
  readonly startsKnown?: boolean;
  /** Whether durations are reported. @default - where something makes a difference to them; the rest is quicker without */
  readonly timed?: boolean;
  /** The team's counter `done` is judged: messages whose work was done. */
  readonly counter?: CounterPolicy;

  /** Each task fails as many times as much as is drawn for it once: mean 1, this coefficient of variation. */
  readonly unequalRates?: number;
  /** Each task is as many times as slow: log-normal with this standard deviation. */
  readonly unequalSpeeds?: number;
  /** A task's speed wanders, with this standard deviation and correlation time. */
  readonly wander?: { readonly sd: number; readonly seconds: number };
  /** A younger task fails at least so much. */
  readonly coldFailures?: { readonly rate: number; readonly untilAge: number };
  /** A new task takes so many times as long; what it takes more decays exponentially, with this time constant. */
  readonly coldSlowness?: { readonly factor: number; readonly seconds: number };
  /** So many messages fail in one moment, as of a reset connection. */
  readonly clumps?: { readonly size: number; readonly perTaskHour: number };
  /** A task stands still for so long, about every so often. */
  readonly pauses?: { readonly seconds: number; readonly every: number };
  /** Everything fails from each of these moments on, for so long and until the task's circuit breaker closes. */
  readonly outages?: {
    readonly at: readonly number[];
    readonly seconds: number;
    readonly breakersWithin: number;
  };
  /** About every so often comes a message of which so many tasks die in turn, each replaced after so long. */
  readonly crashMessages?: {
    readonly every: number;
    readonly deliveries: number;
    readonly replacedAfter: number;
  };
  /** A task of any version crashes about every so often. */
  readonly crashes?: CrashHabit;
  /** Work takes so long, but fails within its first second. */
  readonly longWork?: { readonly seconds: number };
  /** More messages wait than tasks can take. Each works on so many at once, which makes the messages per second. */
  readonly backlog?: { readonly concurrency: number };
  /** Messages in a receive; where `together`, all of a receive fail or none. */
  readonly receives?: { readonly canary: number; readonly stable: number; readonly together: boolean };
  /** Traffic grows evenly to so many times, and stable with it, task by task. */
  readonly ramp?: { readonly times: number; readonly seconds: number };
  /** Bursts in which a part of the messages fails on any version. */
  readonly poison?: { readonly perHour: number; readonly seconds: number; readonly part: number };
  /** A canary's task takes so many times as many messages as one of stable. @default 1 */
  readonly canaryWeight?: number;
  /** Messages are of so many types, all equally frequent. */
  readonly types?: number;

  readonly version?: Version;
}

/** What is wrong with a version; what is left out is as on stable. */
export interface Version {
  /** Time from the beginning of the judging until it goes wrong. @default 0 */
  readonly onset?: number;
  /** Messages that fail, in place of the world's rate: for a version that is better. */
  readonly failureRate?: number;
  /** Part of all messages that fails in addition to what fails anyway. */
  readonly failures?: number;
  /** They fail only within `on` of each `every` seconds, whenever that begins. */
  readonly intermittent?: { readonly on: number; readonly every: number };
  /** They fail so many in one moment. @default 1 */
  readonly clumped?: number;
  /** So many of the world's types of messages always fail. */
  readonly brokenTypes?: number;
  /** Every message takes so many times as long, */
  readonly slower?: number;
  /** growing from 1 within this time. @default 0 */
  readonly growing?: number;
  /** A part of the messages takes so many times as long. */
  readonly tail?: { readonly part: number; readonly factor: number };
  /** Of a backlog it works on so small a part of the messages at once. @default 1 */
  readonly concurrency?: number;
  /** It answers success to a part of the messages at once, without doing the work. */
  readonly drops?: number;
  readonly crashes?: CrashHabit;
}

export interface CrashHabit {
  /** Mean life of a task. */
  readonly every: number;
  /** Time until the next task takes its place. */
  readonly replacedAfter: number;
}

/** The same world with a version that is as good as stable. */
export function withGoodVersion({ version: _, ...world }: World): World {
  return world;
}

/** Whether anything in the world makes a difference to durations, so that they must be simulated. */
export function isTimed({ timed, version, ...world }: World): boolean {
  if (timed !== undefined) return timed;
  const { unequalSpeeds, wander, coldSlowness, pauses, longWork } = world;
  const causes = [unequalSpeeds, wander, coldSlowness, pauses, longWork];
  return [...causes, version?.slower, version?.tail, version?.drops].some((cause) => cause !== undefined);
}
