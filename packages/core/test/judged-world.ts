import { type Approval, defaultReleasePolicy, type JudgePolicy, type Phase } from '../src/index.ts';
import type { TracksWork } from './simulated-tasks.ts';
import { SimulatedWorld } from './simulated-world.ts';

/** As long as a task takes to be warm. */
export const bakeMs = 180_000;

/** By then the judge has passed a canary of which all is well, or is held back by what a person should see. */
export const judgedMs = 300_000;

const lookMs = 15_000;

/** Every task takes 2.5 messages a second, so that stable, which has three, takes three in four. */
const work = { perSecond: 2.5 };

/** All is well. */
export const good = { canary: work, stable: work } satisfies TracksWork;

/** The canary fails a quarter of what it takes. */
export const failing = { canary: { ...work, failing: 0.25 }, stable: work } satisfies TracksWork;

/** The canary fails all that it takes. */
export const broken = { canary: { ...work, failing: 1 }, stable: work } satisfies TracksWork;

/** Both tracks fail a fifth of what they take. */
export const poisoned = {
  canary: { ...work, failing: 0.2 },
  stable: { ...work, failing: 0.2 },
} satisfies TracksWork;

/** Both tracks fail one message in a hundred, and what the canary fails is of another class. */
export const concerning = {
  canary: { perSecond: 20, failing: 0.01, errorClass: 'TypeError' },
  stable: { perSecond: 20, failing: 0.01 },
} satisfies TracksWork;

/** The canary is slow, and so is one of stable's tasks. A few messages fail on all. */
export const differing = {
  canary: { perSecond: 20, failing: 0.005, takesMs: 140 },
  stable: [50, 50, 100].map((takesMs) => ({ perSecond: 20, failing: 0.005, takesMs })),
} satisfies TracksWork;

export interface Setting {
  /** What tasks did before the release. @default - all was well */
  readonly before?: TracksWork;
  readonly watchMs?: number;
  /** Whether the team's own alarm was in ALARM before the release. @default false */
  readonly alarmBefore?: boolean;
  readonly judge?: Partial<JudgePolicy>;
}

/** A release of `v2`, over `v1`, whose canary is steady and whose judge waits for its job's answer. */
export function judging(
  approval: Approval,
  { before = good, watchMs = 60_000, alarmBefore = false, judge = {} }: Setting = {},
): { readonly world: SimulatedWorld; readonly id: string } {
  const world = new SimulatedWorld({
    ...defaultReleasePolicy,
    approval,
    bakeMs,
    watchMs,
    judge: { ...defaultReleasePolicy.judge, bakeMsMin: bakeMs, ...judge },
  });
  world.wake();
  world.pass(60_000);
  world.report(before);
  if (alarmBefore) world.setStopAlarm('ALARM');
  const id = world.push('v2');
  world.advance();
  world.advance();
  world.wake();
  world.pass(20_000);
  world.finishRollout('canary');
  world.advance();
  const { phase } = world.wake();
  if (phase !== 'baking') throw new Error(`the release should bake, and is ${phase}`);
  return { world, id };
}

/** Time passes in which both tracks report, and CodePipeline calls the controller. */
export function observed(world: SimulatedWorld, ms: number, work: TracksWork): void {
  world.pass(ms);
  world.report(work);
  world.callJobs();
}

/** The controller looks every fifteen seconds, until the release is in a phase or time is up; where it is then. */
export function lookUntil(phase: Phase, world: SimulatedWorld, withinMs: number, work: TracksWork): Phase {
  for (let passedMs = 0; passedMs < withinMs; passedMs += lookMs) {
    world.pass(lookMs);
    world.report(work);
    const planned = world.callJobs() ?? world.wake();
    if (planned.phase === phase) return phase;
  }
  return world.plan().phase;
}

/** The release of {@link judging} after its promotion: both services run it, stable's tasks since a moment, and are watched. */
export function promoted(setting: Setting & { readonly work?: TracksWork } = {}): {
  readonly world: SimulatedWorld;
  readonly id: string;
} {
  const { work = good } = setting;
  const { world, id } = judging('automatic', { before: work, watchMs: 300_000, ...setting });
  observed(world, judgedMs, work);
  world.wake();
  observed(world, 30_000, work);
  world.finishRollout('stable');
  world.advance();
  const { phase } = world.wake();
  if (phase !== 'promoting') throw new Error(`the release should be watched, and is ${phase}`);
  return { world, id };
}
