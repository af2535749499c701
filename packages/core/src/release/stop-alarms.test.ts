import { describe, expect, test } from 'vitest';
import { good, judgedMs, judging, observed, promoted } from '../../test/judged-world.ts';

describe("an alarm of the team's own", () => {
  test('ends the release during which it goes off, and says why it did', () => {
    const { world } = judging('automatic');
    observed(world, 20_000, good);
    expect(world.wake().phase).toBe('baking');
    world.setStopAlarm('ALARM', 'p99 is 12 s');
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.record().decision).toMatchObject({
      by: 'health',
      reason: 'alarm latency went off during the release: p99 is 12 s',
    });
  });

  test('ends it also in its promotion and its watch', () => {
    const { world } = promoted();
    observed(world, 10_000, good);
    world.setStopAlarm('ALARM');
    expect(world.wake().phase).toBe('rollingBack');
  });

  test('ends it although the dead letters cannot be read', () => {
    const { world } = judging('automatic');
    world.deadLettersReadable = false;
    world.outcomesProblem = 'the log cannot be read';
    world.pass(20_000);
    world.setStopAlarm('ALARM');
    expect(world.wake().phase).toBe('rollingBack');
  });

  test('that was in ALARM before says nothing until it goes off again', () => {
    const { world } = judging('automatic', { alarmBefore: true });
    observed(world, 20_000, good);
    const { phase, reasons } = world.wake();
    expect(phase).toBe('baking');
    expect(reasons).toContain(
      'alarm latency was already in ALARM when the canary deployment began, so it cannot end this release',
    );
    world.setStopAlarm('OK');
    observed(world, 10_000, good);
    expect(world.wake().phase).toBe('baking');
    world.setStopAlarm('ALARM');
    expect(world.wake().phase).toBe('rollingBack');
  });

  test('that goes off after the release is over ends nothing', () => {
    const { world } = promoted();
    observed(world, judgedMs, good);
    world.settle();
    world.setStopAlarm('ALARM');
    expect(world.wake().phase).toBe('succeeded');
  });
});
