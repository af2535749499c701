import { describe, expect, test } from 'vitest';
import {
  concerning,
  differing,
  failing,
  good,
  judgedMs,
  judging,
  observed,
  poisoned,
} from '../../test/judged-world.ts';
import type { TracksWork } from '../../test/simulated-tasks.ts';
import type { SimulatedWorld } from '../../test/simulated-world.ts';
import { TaskLines } from '../../test/task-lines.ts';
import type { Measurement } from '../measurement/measurement.ts';
import { failingAt } from './dead-letters.ts';
import { excusesWhileDeploying } from './judgement.ts';
import type { Phase } from './phase.ts';

describe('dead letters', () => {
  test('are not held against a release while stable fails as much', () => {
    const { world } = judging('automatic');
    observed(world, 20_000, poisoned);
    world.deadLetterOn('canary', 6);
    world.setAlarm('ALARM');
    const { phase, reasons } = world.wake();
    expect(phase).toBe('baking');
    expect(reasons.join('\n')).toMatch(
      /6 messages reached the dead-letter queue .* the last good release fails such messages/,
    );
  });

  test('are told of by the track on which they failed last', () => {
    const { world } = judging('automatic');
    const dead = { perSecond: 2, failing: 0.5, deadLettering: 1 };
    observed(world, 20_000, { canary: { perSecond: 2 }, stable: [dead, good.stable, good.stable] });
    world.deadLetter(20);
    expect(world.wake().reasons).toContain(
      'of the messages that became dead letters, 0 failed last on the canary and 40 on stable',
    );
  });

  test('end it when stable does not', () => {
    const { world } = judging('automatic');
    observed(world, 20_000, good);
    world.deadLetterOn('canary', 1);
    expect(world.wake().phase).toBe('baking');
    world.pass(20_000);
    world.report(good);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.record().decision).toMatchObject({ by: 'health' });
  });

  test('end it when stable failed only before the release', () => {
    const { world } = judging('automatic', { before: poisoned });
    observed(world, 20_000, good);
    world.deadLetterOn('canary', 1);
    expect(world.wake().phase).toBe('baking');
    world.pass(20_000);
    world.report(good);
    expect(world.wake().phase).toBe('rollingBack');
  });

  describe('of messages that stable had failed before the release', () => {
    /** In the ten minutes before it, stable fails 45 messages, and none of them is done. */
    const before = { canary: good.canary, stable: { ...good.stable, failing: 0.01, recovering: false } };

    test.each([
      { deadLetters: 30, phase: 'baking' },
      { deadLetters: 60, phase: 'rollingBack' },
    ])('end it only where they are more: $deadLetters', ({ deadLetters, phase }) => {
      const { world } = judging('automatic', { before });
      observed(world, 20_000, good);
      world.deadLetterOn('canary', deadLetters);
      world.wake();
      observed(world, 60_000, good);
      expect(world.wake().phase).toBe(phase);
    });

    test('end it when those were done since', () => {
      const { world } = judging('automatic', { before });
      observed(world, 60_000, { canary: good.canary, stable: { perSecond: 2.5, failing: 0.3 } });
      world.pass(60_000);
      world.report(good);
      world.deadLetterOn('canary', 400);
      world.wake();
      observed(world, 60_000, good);
      expect(world.wake().phase).toBe('rollingBack');
    });

    // Between releases both services run the last good version.
    test.each([
      { deadLetters: 6, phase: 'baking' },
      { deadLetters: 30, phase: 'rollingBack' },
    ])('end it only where they are more, although canary alone had failed them: $deadLetters', (given) => {
      const { world } = judging('automatic', {
        before: { canary: { ...good.canary, failing: 0.01, recovering: false }, stable: good.stable },
      });
      observed(world, 20_000, good);
      world.deadLetterOn('canary', given.deadLetters);
      world.wake();
      observed(world, 60_000, good);
      expect(world.wake().phase).toBe(given.phase);
    });
  });

  test('wait a moment for the reports of those who failed them', () => {
    const { world } = judging('automatic');
    observed(world, 20_000, good);
    world.deadLetterOn('canary', 3);
    world.setAlarm('ALARM');
    const { phase, reasons } = world.wake();
    expect(phase).toBe('baking');
    expect(reasons.join('\n')).toMatch(/waiting for the workers' reports/);
    world.pass(10_000);
    world.report(poisoned);
    expect(world.wake().phase).toBe('baking');
    world.pass(60_000);
    world.report(poisoned);
    expect(world.wake().phase).toBe('baking');
  });

  test('are not held against a release because the lines of stable come later than those of the canary', () => {
    const { world } = judging('automatic');
    observed(world, 20_000, good);
    world.deadLetterOn('canary', 3);
    expect(world.wake().phase).toBe('baking');
    // Each 5 s the canary's lines are there, and stable's are still on their way.
    for (let lateMs = 5_000; lateMs <= 40_000; lateMs += 5_000) {
      world.pass(5_000);
      world.report({ canary: poisoned.canary });
      expect(world.wake().phase).toBe('baking');
    }
    world.report(poisoned);
    expect(world.wake().reasons.join('\n')).toMatch(/the last good release fails such messages/);
  });

  test('end it as soon as all has come that will, and stable has failed none', () => {
    const { world } = judging('automatic');
    observed(world, 20_000, good);
    world.deadLetterOn('canary', 1);
    world.wake();
    world.pass(5_000);
    world.report({ canary: good.canary });
    expect(world.wake().phase).toBe('baking');
    world.report(good);
    expect(world.wake().phase).toBe('rollingBack');
  });

  describe('while the canary is still being deployed', () => {
    function deploying(): SimulatedWorld {
      const { world } = judging('automatic');
      observed(world, judgedMs, good);
      world.settle();
      world.report(good);
      world.push('v3');
      world.advance();
      world.advance();
      expect(world.wake().phase).toBe('deploying');
      return world;
    }

    test('are not held against it when stable fails as much', () => {
      const world = deploying();
      world.pass(20_000);
      world.report(poisoned);
      world.deadLetterOn('canary', 6);
      const { phase, reasons } = world.wake();
      expect(phase).toBe('deploying');
      expect(reasons.join('\n')).toMatch(/the last good release fails such messages/);
    });

    test('are not held against it when the canary tasks that are being replaced fail as much', () => {
      const world = deploying();
      world.pass(20_000);
      world.report({ canary: poisoned.canary, stable: good.stable });
      world.finishRollout('canary');
      world.pass(5_000);
      world.report(good);
      world.deadLetterOn('canary', 4);
      expect(world.wake().phase).toBe('deploying');
      world.pass(60_000);
      world.report(good);
      const { phase, reasons } = world.wake();
      expect(phase).toBe('deploying');
      expect(reasons.join('\n')).toMatch(/the last good release fails such messages/);
    });

    test('end it when stable does not, after a moment for the reports', () => {
      const world = deploying();
      world.pass(20_000);
      world.report(good);
      world.deadLetterOn('canary', 1);
      expect(world.wake().phase).toBe('deploying');
      world.pass(60_000);
      world.report(good);
      expect(world.wake().phase).toBe('rollingBack');
    });
  });

  test.each([
    ['the workers emit nothing', {}],
    ['the canary emits nothing while stable fails messages', { stable: poisoned.stable }],
  ])('end it when %s and every look of a minute sees them', (_what, work) => {
    const { world } = judging('automatic');
    observed(world, 60_000, work);
    world.deadLetter(1);
    for (let look = 0; look < 4; look += 1) {
      expect(world.wake().phase).toBe('baking');
      observed(world, 15_000, work);
    }
    expect(world.wake().phase).toBe('rollingBack');
  });

  test('do not end it when the workers emit nothing and one look of a minute does not see them', () => {
    const { world } = judging('automatic');
    observed(world, 60_000, {});
    world.deadLetter(1);
    for (let look = 0; look < 20; look += 1) {
      world.deadLetters = look % 4 === 3 ? 0 : 1;
      expect(world.wake().phase).toBe('baking');
      observed(world, 15_000, {});
    }
  });

  test('end it when a task of the canary has died with messages in hand, and reported none of them', () => {
    const { world } = judging('manual');
    const dying = { canary: { ...good.canary, inHand: 2 }, stable: good.stable };
    observed(world, 20_000, dying);
    world.tasks.crash('canary', world.now);
    observed(world, 20_000, dying);
    world.deadLetter(1);
    expect(world.wake().phase).toBe('baking');
    observed(world, 60_000, dying);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.record().decision).toMatchObject({ by: 'health' });
  });

  test('do not end it when no task of the canary has failed the last delivery of a message', () => {
    const { world } = judging('automatic');
    observed(world, 60_000, good);
    world.deadLetter(5);
    observed(world, judgedMs, good);
    expect(world.wake().phase).toBe('awaitingApproval');
  });

  test('do not end it when stable alone failed the last delivery of messages', () => {
    const { world } = judging('automatic');
    observed(world, 60_000, good);
    world.deadLetterOn('stable', 5);
    observed(world, 60_000, good);
    expect(world.wake().phase).toBe('baking');
  });

  test('that stable fails as well do not end it because one look could not read the log', () => {
    const { world } = judging('automatic');
    observed(world, 30_000, poisoned);
    world.deadLetterOn('canary', 4);
    expect(world.wake().phase).toBe('baking');
    world.outcomesProblem = 'the log cannot be read';
    expect(world.wake().phase).toBe('baking');
    world.pass(10_000);
    world.outcomesProblem = undefined;
    world.report(poisoned);
    expect(world.wake().phase).toBe('baking');
    expect(world.record().baseline).not.toHaveProperty('deadLettersSeenAt');
  });

  test('end it when the log stays unreadable', () => {
    const { world } = judging('automatic');
    observed(world, 30_000, good);
    world.outcomesProblem = 'the log cannot be read';
    world.pass(30_000);
    world.deadLetter(1);
    expect(world.wake().phase).toBe('baking');
    world.pass(60_000);
    expect(world.wake().phase).toBe('rollingBack');
  });

  test('wait for the first reports of a canary that has just become steady', () => {
    const { world } = judging('automatic');
    world.report({ canary: {}, stable: {} });
    world.deadLetterOn('canary', 2);
    expect(world.wake().phase).toBe('baking');
    observed(world, 10_000, poisoned);
    expect(world.wake().phase).toBe('baking');
  });

  test('are not held against a release while stable fails as much, however rarely messages come', () => {
    const { world } = judging('automatic');
    // Stable tried it a few times, and then nothing came for minutes.
    observed(world, 60_000, { canary: {}, stable: { perSecond: 1 / 60, failing: 1 } });
    observed(world, judgedMs, { canary: {}, stable: {} });
    world.deadLetterOn('canary', 1);
    const { phase, verdict } = world.wake();
    expect([phase, verdict?.code]).toEqual(['baking', 'no-data']);
  });

  test('wait for their reports each time again', () => {
    const { world } = judging('automatic');
    observed(world, 30_000, good);
    world.deadLetterOn('canary', 2);
    world.wake();
    observed(world, 10_000, poisoned);
    expect(world.wake().phase).toBe('baking');
    world.pass(60_000);
    world.report(poisoned);
    world.deadLetterOn('canary', 1000);
    expect(world.wake().phase).toBe('baking');
    world.pass(10_000);
    world.report(poisoned);
    expect(world.wake().phase).toBe('rollingBack');
  });

  test('that were put up with before the promotion are not held against it afterwards, but new ones are', () => {
    const { world, id } = judging('automatic');
    observed(world, 30_000, poisoned);
    world.deadLetterOn('canary', 4);
    world.setAlarm('ALARM');
    world.wake();
    observed(world, 100_000 + judgedMs, good);
    expect(world.record().verdict).toMatchObject({ executionId: id, kind: 'pass' });
    world.wake();
    world.wake();
    expect(world.record().baseline?.deadLettersAccepted).toBe(4);
    world.finishRollout('stable');
    world.advance();
    expect(world.wake().phase).toBe('promoting');
    observed(world, 10_000, good);
    world.deadLetterOn('canary', 1);
    expect(world.wake().phase).toBe('rollingBack');
  });

  describe("of messages that had failed when stable's deployment began", () => {
    /** A fifth of the messages fail and go on failing. */
    const lasting = { ...poisoned.stable, recovering: false };

    /** So it is in the last seconds before. */
    function promoting(last: TracksWork): SimulatedWorld {
      const { world } = judging('automatic');
      observed(world, judgedMs - 10_000, good);
      observed(world, 10_000, last);
      world.wake();
      world.wake();
      expect(world.wake().phase).toBe('promoting');
      return world;
    }

    /** Dead letters of the canary's, before all lines have come that tell whose fault they are; where the release is then. */
    function phaseAfter(world: SimulatedWorld, deadLetters: number): Phase {
      world.pass(2_000);
      world.deadLetterOn('canary', deadLetters);
      expect(world.wake().phase).toBe('promoting');
      observed(world, 5_000, good);
      return world.wake().phase;
    }

    test('are not held against it when stable has failed as many', () => {
      const world = promoting({ canary: lasting, stable: lasting });
      expect(phaseAfter(world, 5)).toBe('promoting');
      world.finishRollout('stable');
      world.advance();
      world.deadLetterOn('stable', 5);
      observed(world, 60_000, good);
      expect(world.wake().phase).toBe('succeeded');
    });

    test('end it when there are more of them', () => {
      const world = promoting({ canary: lasting, stable: lasting });
      expect(phaseAfter(world, 30)).toBe('rollingBack');
      expect(world.record().decision).toMatchObject({ by: 'health' });
    });

    test('end it when stable has failed none', () => {
      const world = promoting({ canary: { ...lasting, failing: 0.05 }, stable: good.stable });
      expect(phaseAfter(world, 1)).toBe('rollingBack');
    });

    test('end it when they had been done before', () => {
      const world = promoting(poisoned);
      expect(phaseAfter(world, 1)).toBe('rollingBack');
    });
  });

  test.each([
    { code: 'concern', work: concerning, dryRun: false },
    { code: 'stable-differs', work: differing, dryRun: false },
    { code: 'dry-run', work: { ...concerning, canary: concerning.stable }, dryRun: true },
  ])('are not held against a release whose verdict is $code, while stable fails as much', (given) => {
    const { code, work, dryRun } = given;
    const { world } = judging('automatic', { before: { stable: work.stable }, judge: { dryRun } });
    observed(world, judgedMs, work);
    world.deadLetterOn('canary', 6);
    const { phase, verdict, reasons } = world.wake();
    expect([phase, verdict?.code]).toEqual(['awaitingApproval', code]);
    expect(reasons.join('\n')).toMatch(/the last good release fails such messages/);
  });

  test('end a release that the judge would have failed but for the dry run, although stable fails some', () => {
    const { world } = judging('automatic', { judge: { dryRun: true } });
    observed(world, 60_000, { ...failing, stable: { ...good.stable, failing: 0.01 } });
    world.deadLetterOn('canary', 1);
    const { phase, verdict } = world.wake();
    expect([phase, verdict?.code]).toEqual(['rollingBack', 'dry-run']);
    expect(world.record().decision?.by).toBe('health');
  });

  describe('of messages that fail', () => {
    const startedAt = Date.UTC(2026, 0, 1);
    const { written } = new TaskLines({ task: 's1', track: 'stable', startedAt }).work(startedAt + 60_000, {
      perSecond: 1,
      failing: 0.1,
      recovering: false,
    });
    const measurement = {
      fromMs: startedAt,
      toMs: startedAt + 60_000,
      canary: { lines: [], tasks: [] },
      stable: { lines: written, tasks: [] },
      starts: [],
    };
    const sampled = { ...measurement, stableSample: { tasks: 300, read: 60 } };

    test('count against what all tasks of stable failed, also where only some were read', () => {
      const excused = (of: Measurement, deadLetters: number) =>
        excusesWhileDeploying(of, startedAt + 60_000, deadLetters);
      expect([excused(measurement, 10), excused(measurement, 60)]).toEqual([true, false]);
      expect([excused(sampled, 60), excused(sampled, 300)]).toEqual([true, false]);
    });

    test('are those to come that had failed by then, of all tasks, unless lines were left unread', () => {
      const byHalf = startedAt + 30_000;
      expect([failingAt(measurement, byHalf), failingAt(sampled, byHalf)]).toEqual([3, 15]);
      expect(failingAt({ ...measurement, unread: { fromMs: startedAt } }, byHalf)).toBe(0);
    });
  });
});
