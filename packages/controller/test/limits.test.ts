import { describe, expect, test } from 'vitest';
import { broken, good, judgedMs, judging, observed } from '../../core/test/judged-world.ts';
import type { SimulatedWorld } from '../../core/test/simulated-world.ts';
import { createAwsGateways } from '../src/gateways/aws.ts';
import { type Answer, createHandler } from '../src/handler.ts';
import { ScriptedAws } from './scripted-aws.ts';
import { type Answered, SimulatedAws, simulatedNames } from './simulated-aws.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** What tasks do in a long wait: little, by their lines. */
const quiet = { canary: { perSecond: 0.1 }, stable: { perSecond: 0.1 } };

const schedule = { source: 'aws.events', 'detail-type': 'Scheduled Event' };

/** Controllers of the world: each is a function that has just started, with SDK clients of its own. */
async function controlling(
  world: SimulatedWorld,
  use: (started: () => (event: unknown) => Promise<Answer>, aws: SimulatedAws) => Promise<void>,
): Promise<void> {
  const aws = new SimulatedAws(world);
  await using server = await ScriptedAws.start(aws.script);
  const sleep = async (ms: number) => world.pass(ms);
  const started = () =>
    createHandler({
      gateways: createAwsGateways(simulatedNames, server.connection, sleep),
      policy: world.policy,
      nowMs: () => world.now,
      sleep,
      log: () => {},
    });
  await use(started, aws);
}

/** Calls by operation, and bytes in all, of one look. */
async function cost(look: Promise<Answer>, { answered }: SimulatedAws) {
  const before = answered.length;
  const { phase } = await look;
  const made: readonly Answered[] = answered.slice(before);
  const calls: Record<string, number> = {};
  for (const { operation } of made) calls[operation] = (calls[operation] ?? 0) + 1;
  return { phase, calls, bytes: made.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** A release that the judge has passed and that waits for a person. */
function waiting(): SimulatedWorld {
  const { world } = judging('automatic-then-manual', { watchMs: 5 * minute });
  observed(world, judgedMs, good);
  if (world.wake().phase !== 'awaitingApproval') throw new Error('the release should wait for a person');
  return world;
}

/** The tasks report all the while. */
function wait(world: SimulatedWorld, ms: number): void {
  world.pass(ms);
  world.report(quiet);
}

describe('an approval that waits for seven days', () => {
  test('costs as many calls and bytes at each look as one that waits for four hours, started again or not', async () => {
    const world = waiting();
    await controlling(world, async (started, aws) => {
      wait(world, 4 * hour);
      const warm = started();
      const first = await cost(warm(schedule), aws);
      wait(world, minute);
      const early = await cost(warm(schedule), aws);
      wait(world, 7 * day - 4 * hour);
      const late = await cost(warm(schedule), aws);
      const restarted = await cost(started()(schedule), aws);
      expect([first, early, late, restarted].map(({ phase }) => phase)).toEqual(
        Array(4).fill('awaitingApproval'),
      );
      expect(late.calls).toEqual(early.calls);
      expect(late.bytes).toBeLessThanOrEqual(early.bytes * 1.01);
      expect(restarted.calls).toEqual(first.calls);
      expect(restarted.bytes).toBeLessThanOrEqual(first.bytes * 1.01);
    });
  });

  test('is promoted and watched as ever: a version that fails then is rolled back', async () => {
    const world = waiting();
    wait(world, 5 * hour);
    world.approve();
    wait(world, minute);
    world.finishRollout('stable');
    world.advance();
    await controlling(world, async (started) => {
      const look = started();
      expect((await look(schedule)).phase).toBe('promoting');
      world.pass(minute);
      world.report({ canary: broken.canary, stable: broken.canary });
      const { phase, reasons } = await look(schedule);
      expect(phase).toBe('rollingBack');
      expect(reasons[0]).toMatch(/^After the promotion/);
    });
  });
});

describe('a release that has ended', () => {
  test('is asked for neither outcomes nor metrics', async () => {
    const world = waiting();
    world.reject();
    expect(world.settle().phase).toBe('aborted');
    await controlling(world, async (started, aws) => {
      const { calls } = await cost(started()(schedule), aws);
      expect(calls).not.toHaveProperty('FilterLogEvents');
      expect(calls).not.toHaveProperty('GetMetricData');
    });
  });
});

/** What a look asks for, but for the record. */
const reads = [
  'GetPipelineState',
  'ListPipelineExecutions',
  'ListActionExecutions',
  'DescribeServices',
  'ListTasks',
  'DescribeTasks',
  'DescribeAlarms',
  'GetQueueAttributes',
  'FilterLogEvents',
];

/** A release whose canary has just run for as long as it is judged, without a look. */
function unseen(): SimulatedWorld {
  const { world } = judging('automatic');
  world.pass(judgedMs);
  world.report(good);
  return world;
}

describe('a throttled look', () => {
  // Together, since each waits for the retries of the SDK.
  test.concurrent.each(reads)(
    'at which %s is refused decides nothing, and the next look goes on',
    async (operation) => {
      const world = unseen();
      await controlling(world, async (started, aws) => {
        const look = started();
        aws.throttled.add(operation);
        const refused = await look(schedule);
        const decided = refused.effects.filter(({ kind }) => !/Baseline|Verdict|Halt/.test(kind));
        expect(decided).toEqual([]);
        expect(aws.answered.filter((one) => one.operation === operation).length).toBeGreaterThan(1);
        expect(world.record().decision).toBeUndefined();
        aws.throttled.clear();
        expect((await look(schedule)).phase).toBe('baking');
      });
    },
  );

  test.concurrent('at which GetParameter is refused fails the invocation, and the next look goes on', async () => {
    const world = unseen();
    await controlling(world, async (started, aws) => {
      const look = started();
      aws.throttled.add('GetParameter');
      await expect(look(schedule)).rejects.toThrow('the release record cannot be read: Rate exceeded');
      expect(world.record().decision).toBeUndefined();
      aws.throttled.clear();
      expect((await look(schedule)).phase).toBe('baking');
    });
  });
});
