import { describe, expect, test } from 'vitest';
import { good, judgedMs, judging, lookUntil, observed, promoted } from '../../test/judged-world.ts';
import type { TracksWork } from '../../test/simulated-tasks.ts';
import { digestOf, type SimulatedWorld } from '../../test/simulated-world.ts';
import type { WorkByAge } from '../../test/task-lines.ts';

const minute = 60_000;
const hour = 60 * minute;
const work = { perSecond: 2.5 };

/** Both services fail this part of their messages. */
const both = (failing: number): TracksWork => ({
  canary: { ...work, failing },
  stable: { ...work, failing },
});

/** Only stable's tasks do. */
const onStable = (failing: number): TracksWork => ({ canary: work, stable: { ...work, failing } });

/** For a minute a task fails a little, and takes three times as long. */
const warmingUp: WorkByAge = (ageMs) => (ageMs <= minute ? { ...work, failing: 0.08, takesMs: 150 } : work);

/** Every ten seconds a task of stable ends by its own fault; then the controller looks. */
function crashing(world: SimulatedWorld, times: number): void {
  for (let crash = 0; crash < times; crash += 1) {
    world.pass(9_000);
    world.tasks.crash('stable', world.now);
    world.pass(1_000);
    world.report(good);
  }
  world.callJobs();
}

function expectRolledBack(world: SimulatedWorld, on: RegExp): void {
  const { decision } = world.record();
  expect(decision).toMatchObject({ kind: 'rollback', by: 'judge' });
  expect(decision?.reason).toMatch(
    /^After the promotion, with both services as the canary and stable before/,
  );
  expect(decision?.reason).toMatch(on);
  expect(world.settle().phase).toBe('rolledBack');
  expect([world.digestOn('canary'), world.digestOn('stable')]).toEqual([digestOf('v1'), digestOf('v1')]);
  expect(world.violations).toEqual([]);
}

describe('in the watch after its promotion', () => {
  test('a good release is not taken for a regression', () => {
    const { world, id } = promoted();
    expect(lookUntil('succeeded', world, 5 * minute, good)).toBe('succeeded');
    expect(world.status(id)).toBe('Succeeded');
    expect([world.digestOn('canary'), world.digestOn('stable')]).toEqual([digestOf('v2'), digestOf('v2')]);
  });

  test('whose services do not become steady, a person is asked, and nothing is rolled back', () => {
    const { world, id } = promoted();
    world.services.stable.running = 2;
    observed(world, 2 * hour + 4 * minute, good);
    expect(world.status(id)).toBe('InProgress');
    observed(world, 2 * minute, good);
    expect(world.notifications.at(-1)).toMatch(/needs you: its services are not steady/);
    expect(world.status(id)).toBe('Succeeded');
    const { phase, reasons } = world.wake();
    expect(phase).toBe('halted');
    expect(reasons.join(' ')).toMatch(/stable: 2 of 3 tasks running/);
    expect(world.record().lastGood?.executionId).not.toBe(id);
    expect(world.digestOn('stable')).toBe(digestOf('v2'));
    world.services.stable.running = 3;
    expect(world.settle().phase).toBe('succeeded');
    expect(world.record().lastGood?.executionId).toBe(id);
    expect(world.violations).toEqual([]);
  });

  test("a good release is not rolled back for stable's new tasks, which are cold", () => {
    const { world } = promoted();
    observed(world, 5 * minute, { canary: work, stable: warmingUp });
    expect(world.wake().phase).toBe('succeeded');
  });

  test('a version that fails everything is rolled back within seconds', () => {
    const { world } = promoted();
    observed(world, 10_000, both(1));
    expectRolledBack(world, /Fail, on failing nearly everything/);
  });

  test('a version that fails everything on stable alone is rolled back within seconds', () => {
    const { world } = promoted();
    observed(world, 15_000, onStable(1));
    expectRolledBack(world, /Fail, on failing nearly everything/);
  });

  test('a version that fails one message in ten on all tasks is rolled back within a minute', () => {
    const { world } = promoted();
    expect(lookUntil('rollingBack', world, minute, both(0.1))).toBe('rollingBack');
    expectRolledBack(world, /Fail, on failures/);
  });

  test.each([0.5, 0.1])(
    'a version that fails %s on stable alone is rolled back when its tasks are warm',
    (failing) => {
      const { world } = promoted();
      observed(world, 4 * minute, onStable(failing));
      expectRolledBack(world, /Fail, on failures/);
    },
  );

  test('a version is rolled back for crashes that stable did not have before', () => {
    const { world } = promoted();
    crashing(world, 28);
    expectRolledBack(world, /Fail, on crashes/);
  });

  test('a version is not rolled back for crashes that stable had as often before', () => {
    const { world } = judging('automatic', { watchMs: 5 * minute });
    crashing(world, 30);
    world.wake();
    world.finishRollout('stable');
    world.advance();
    crashing(world, 31);
    expect(world.wake().phase).toBe('succeeded');
  });

  test('nothing is rolled back in a dry run', () => {
    const { world } = judging('manual', { watchMs: 5 * minute, judge: { dryRun: true } });
    observed(world, judgedMs, good);
    world.approve();
    world.finishRollout('stable');
    world.advance();
    expect(world.wake().phase).toBe('promoting');
    observed(world, 6 * minute, both(1));
    expect(world.wake().phase).toBe('succeeded');
  });
});

describe('in a watch that is longer than what is known of stable before', () => {
  /** Longer than the ten minutes before the release, and its bake. */
  function longWatched(): SimulatedWorld {
    const { world } = promoted({ watchMs: 40 * minute });
    observed(world, 20 * minute, good);
    expect(world.wake().phase).toBe('promoting');
    return world;
  }

  test('a good release is not taken for a regression', () => {
    const world = longWatched();
    observed(world, 20 * minute, good);
    expect(world.wake().phase).toBe('succeeded');
  });

  test('a version that fails everything from then on is rolled back for its dead letters', () => {
    const world = longWatched();
    observed(world, minute, both(1));
    world.deadLetterOn('stable', 1);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.record().decision?.by).toBe('health');
  });

  test('a version that crashes in a loop from then on is rolled back', () => {
    const world = longWatched();
    crashing(world, 28);
    expectRolledBack(world, /Fail, on crashes/);
  });
});

describe('in the watch after its promotion, poison', () => {
  const poisoned = { ...work, failing: 0.2 };

  /** For twenty seconds a fifth of all first deliveries fail; in the end so many messages go to the dead-letter queue. */
  function burst(world: SimulatedWorld, deadLetters: number): void {
    observed(world, 20_000, { canary: poisoned, stable: poisoned });
    world.deadLetterOn('stable', deadLetters);
    observed(world, minute, good);
  }

  /** A release in its watch, after a bake with such a burst. */
  function promotedAfterBurst(deadLetters: number): SimulatedWorld {
    const { world } = judging('automatic', { watchMs: 5 * minute });
    burst(world, deadLetters);
    promote(world);
    return world;
  }

  function promote(world: SimulatedWorld): void {
    observed(world, judgedMs + 5 * minute, good);
    world.wake();
    observed(world, 30_000, good);
    world.finishRollout('stable');
    world.advance();
    expect(world.wake().phase).toBe('promoting');
  }

  test('such as stable had before does not roll a release back', () => {
    const world = promotedAfterBurst(6);
    burst(world, 6);
    const { phase, reasons } = world.wake();
    expect(phase).toBe('promoting');
    expect(reasons.join('\n')).toMatch(/6 messages reached .* stable made as many before its promotion/);
    expect(lookUntil('succeeded', world, 5 * minute, good)).toBe('succeeded');
    expect(world.violations).toEqual([]);
  });

  test('of which more messages die than stable ever had rolls it back', () => {
    const world = promotedAfterBurst(6);
    burst(world, 9);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.record().decision).toMatchObject({ by: 'health' });
  });

  test('that lasts longer than stable ever had it rolls it back', () => {
    const world = promotedAfterBurst(6);
    const poison = { canary: poisoned, stable: poisoned };
    expect(lookUntil('rollingBack', world, 2 * minute, poison)).toBe('rollingBack');
    expect(world.record().decision).toMatchObject({ by: 'judge' });
  });

  test('does not hide a version that fails everything', () => {
    const world = promotedAfterBurst(6);
    observed(world, 10_000, both(1));
    expectRolledBack(world, /Fail, on failing nearly everything/);
  });

  test('is no measure where a release that failed made it', () => {
    const { world } = promoted();
    observed(world, 20_000, { canary: poisoned, stable: poisoned });
    world.deadLetterOn('stable', 6);
    observed(world, minute, good);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.settle().phase).toBe('rolledBack');
    observed(world, 20 * minute, good);
    world.push('v3');
    world.advance();
    world.advance();
    world.wake();
    observed(world, 20_000, good);
    world.finishRollout('canary');
    world.advance();
    expect(world.wake().phase).toBe('baking');
    promote(world);
    world.deadLetterOn('stable', 1);
    observed(world, minute, good);
    expect(world.wake().phase).toBe('rollingBack');
  });
});
