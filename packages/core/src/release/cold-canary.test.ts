import { describe, expect, test } from 'vitest';
import { judging, lookUntil, observed } from '../../test/judged-world.ts';
import { digestOf } from '../../test/simulated-world.ts';
import type { WorkByAge } from '../../test/task-lines.ts';

const warm = { perSecond: 2.5, failing: 0.002 };
const cold = { ...warm, failing: 0.08, takesMs: 150 };

/** For a minute a task fails a little, and takes three times as long. */
const warmingUp: WorkByAge = (ageMs) => (ageMs <= 60_000 ? cold : warm);

describe('a canary that is cold for its first minute', () => {
  test("is promoted after the bake, and watched to its end, as stable's tasks were as cold when they began", () => {
    const { world, id } = judging('automatic', { before: { stable: warmingUp }, watchMs: 300_000 });
    const work = { canary: warmingUp, stable: warmingUp };
    expect(lookUntil('promoting', world, 300_000, work)).toBe('promoting');
    observed(world, 30_000, work);
    world.finishRollout('stable');
    world.advance();
    expect(lookUntil('succeeded', world, 330_000, work)).toBe('succeeded');
    expect(world.status(id)).toBe('Succeeded');
    expect(world.digestOn('stable')).toBe(digestOf('v2'));
    expect(world.record()).not.toHaveProperty('decision');
  });

  test('is promoted as well when nothing is on record of how stable began', () => {
    const { world } = judging('automatic', { before: { stable: warm } });
    world.tasks.startsKept = false;
    const work = { canary: warmingUp, stable: warm };
    expect(lookUntil('promoting', world, 300_000, work)).toBe('promoting');
  });

  test("is rolled back when stable's tasks were never cold", () => {
    const { world } = judging('automatic', { before: { stable: warm } });
    const work = { canary: warmingUp, stable: warm };
    expect(lookUntil('rollingBack', world, 60_000, work)).toBe('rollingBack');
  });

  test('is rolled back when it stays cold', () => {
    const { world } = judging('automatic', { before: { stable: warmingUp } });
    const work = { canary: cold, stable: warmingUp };
    expect(lookUntil('rollingBack', world, 240_000, work)).toBe('rollingBack');
    expect(world.record().decision?.by).toBe('judge');
  });
});
