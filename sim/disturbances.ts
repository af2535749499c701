import type { Random } from '../bench/judge/random.ts';
import type { World } from './world.ts';

/** When in a release something happens. */
type Moment = 'before' | 'baking' | 'promoting';

/** Something that happens on a real account, and that no release is to blame for. */
interface Kind {
  readonly name: string;
  /** How likely it comes with a release. */
  readonly chance: number;
  readonly moment: Moment;
  /** It comes up to so long after that moment, milliseconds. @default 0 */
  readonly withinMs?: number;
  /** What must be done before the release, so that the release is not to be ended for it. */
  readonly prepare?: (world: World) => Promise<void>;
  /** `draw` is evenly from 0 to 1. */
  readonly act: (world: World, draw: number) => Promise<void>;
}

/** A disturbance of one release. */
export interface Disturbance extends Kind {
  readonly afterMs: number;
  readonly draw: number;
}

/** As long as the default bake, so that some come when stable's deployment has begun. */
const BAKE_MS = 600_000;

/** How many messages of a burst are poison, at most. */
const BURST_MAX = 12;

/** How often somebody who looks into the dead-letter queue receives, how far apart, and for how long that hides what is there. */
const LOOK = { times: 4, apartMs: 20_000, hidesSeconds: 15 };

/** Tasks with which a world begins. A stack update adds one, or takes it away again. */
const USUAL_TASKS = { canaryTasks: 1, stableTasks: 3 };

const sendPoison = (world: World, draw: number) => world.traffic.poison(1 + Math.floor(draw * BURST_MAX));

/**
 * A stack update during a release ends it when it puts back what a service ran before (docs/how-to/update-the-stacks.md):
 * the canary then, or stable in its promotion. So one that comes during a release changes stable alone and early in the
 * bake, and the image that was promoted before is brought into the stack just before the release.
 */
const KINDS: readonly Kind[] = [
  {
    name: 'stack update',
    chance: 0.2,
    moment: 'before',
    act: (world, draw) =>
      scale(world, draw < 0.5 ? 'canaryTasks' : 'stableTasks', draw * 2 - Math.floor(draw * 2)),
  },
  {
    name: 'stack update meanwhile',
    chance: 0.15,
    moment: 'baking',
    withinMs: BAKE_MS / 3,
    prepare: (world) => world.update(),
    act: (world, draw) => scale(world, 'stableTasks', draw),
  },
  { name: 'poison', chance: 0.5, moment: 'baking', withinMs: BAKE_MS, act: sendPoison },
  { name: 'poison in the promotion', chance: 0.3, moment: 'promoting', act: sendPoison },
  {
    name: 'look at the dead letters',
    chance: 0.4,
    moment: 'baking',
    withinMs: BAKE_MS,
    act: lookAtDeadLetters,
  },
  { name: 'stable task stopped', chance: 0.25, moment: 'baking', withinMs: BAKE_MS, act: stopStableTask },
];

/** Time before the releases, as the watch knows it later, and how often poison comes then, milliseconds. */
const USUAL_MS = 2 * 3_600_000;
const BURSTS_APART_MS = 15 * 60_000;

/**
 * Hours in which poison comes in bursts as large as two that meet in one release. After a promotion nothing but such a
 * past distinguishes poison from a bad version (docs/explanation/how-a-release-runs.md).
 */
export async function passUsualHours(world: World): Promise<void> {
  const untilMs = world.clock.nowMs() + USUAL_MS;
  while (world.clock.nowMs() < untilMs) {
    await world.traffic.poison(2 * BURST_MAX);
    await world.clock.advanceBy(BURSTS_APART_MS * (0.5 + world.random.uniform()));
  }
}

/** Draws the same numbers whatever comes of them, so that a seed stands for one course. */
export function drawDisturbances(random: Random): Disturbance[] {
  return KINDS.map((kind) => ({
    ...kind,
    comes: random.uniform() < kind.chance,
    afterMs: random.uniform() * (kind.withinMs ?? 0),
    draw: random.uniform(),
  })).filter(({ comes }) => comes);
}

async function scale(world: World, setting: keyof typeof USUAL_TASKS, draw: number): Promise<void> {
  const tasks = USUAL_TASKS[setting] + (draw < 0.5 ? 0 : 1);
  await world.update({ [setting]: String(tasks) });
}

/** Somebody receives from the dead-letter queue again and again and deletes nothing, so that its messages come back. */
async function lookAtDeadLetters({ call, clock, pipeline }: World): Promise<void> {
  for (let look = 0; look < LOOK.times; look += 1) {
    await call('sqs', 'ReceiveMessage', {
      QueueUrl: pipeline.DeadLetterQueueUrl,
      MaxNumberOfMessages: 10,
      VisibilityTimeout: LOOK.hidesSeconds,
      WaitTimeSeconds: 0,
    });
    await clock.advanceBy(LOOK.apartMs);
  }
}

async function stopStableTask({ call, pipeline }: World, draw: number): Promise<void> {
  const { ClusterName: cluster, StableServiceName: serviceName } = pipeline;
  const { taskArns = [] } = await call('ecs', 'ListTasks', { cluster, serviceName });
  const task = taskArns[Math.floor(draw * taskArns.length)];
  if (task !== undefined) await call('ecs', 'StopTask', { cluster, task, reason: 'stopped by a person' });
}
