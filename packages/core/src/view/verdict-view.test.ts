import { describe, expect, test } from 'vitest';
import { SimulatedWorld } from '../../test/simulated-world.ts';
import type { Block, Cell } from '../judge/block.ts';
import type { Verdict } from '../judge/evidence.ts';
import { binOf } from '../judge/histogram.ts';
import { judgeBlocks } from '../judge/judge.ts';
import { defaultReleasePolicy } from '../policy/policy.ts';
import { renderStatus } from './render.ts';
import { type ReleaseView, type VerdictView, viewRelease } from './view.ts';

const MINUTE_MS = 60_000;
const STEP_MS = 5_000;

/** What one task did in five seconds: ten messages, of which some fail, and a tenth is late. */
function cell(task: string, failed: number, lateMs: number, errors: Cell['errors'] = {}): Cell {
  return {
    task,
    ageMs: 20 * MINUTE_MS,
    received: 10,
    finished: 10,
    failed,
    retried: 0,
    retriedFailed: 0,
    saturated: false,
    durations: [
      [binOf(100), 8],
      [binOf(lateMs), 2],
    ],
    errors,
  };
}

/** Three tasks of stable, of which each fails a message now and then. */
const stable = (index: number) =>
  ['a', 'b', 'c'].map((task, at) => cell(task, index % 9 === 3 * at ? 1 : 0, 200));

/** What the judge says after some minutes of a canary. */
function verdictOn(minutes: number, canary: (index: number) => Cell): Verdict {
  const count = (minutes * MINUTE_MS) / STEP_MS;
  const blocks = Array.from({ length: count + 120 }, (_, at): Block => {
    const index = at - 120;
    return {
      fromMs: index * STEP_MS,
      toMs: (index + 1) * STEP_MS,
      canary: index < 0 ? [] : [canary(index)],
      stable: stable(at),
      starts: [],
    };
  });
  const seen = { past: blocks.slice(0, 120), blocks: blocks.slice(120) };
  return judgeBlocks(defaultReleasePolicy.judge, 0, seen, minutes * MINUTE_MS);
}

/** The view of a release that is judged so. */
function viewOf(verdict: Verdict): ReleaseView {
  const world = new SimulatedWorld(defaultReleasePolicy);
  world.wake();
  world.push('v2');
  world.settle();
  return viewRelease(world.observe(), { ...world.plan(), verdict });
}

/** What a status report says of the verdict. */
function said(verdict: VerdictView): string[] {
  const view: ReleaseView = {
    phase: 'baking',
    stages: [],
    tracks: [],
    alarms: [],
    approvalPending: false,
    waiting: [],
    building: [],
    verdict,
    reasons: [],
    problems: [],
  };
  const lines = renderStatus(view, 0);
  return lines.slice(1, -1).map((line) => line.trim());
}

const good = (index: number) => cell('x', index % 9 === 4 ? 1 : 0, 200);

describe('the view of a verdict', () => {
  test('says how far the canary may differ from stable, and when a pass comes', () => {
    const { verdict } = viewOf(verdictOn(5, good));
    expect(verdict).toMatchObject({
      kind: 'inconclusive',
      canaryUnits: 600,
      projected: { kind: 'pass', ms: 5 * MINUTE_MS },
      concerns: [],
    });
    const { failures, latency } = verdict!.effects!;
    expect(failures!.low).toBeLessThan(0);
    expect(failures!.high).toBeGreaterThan(0);
    expect(latency!.map(({ quantile }) => quantile)).toEqual([0.5, 0.9, 0.99]);
    const lines = said(verdict!).join('\n');
    expect(lines).toMatch(
      /failure rate minus stable's is between -[\d.]+ and [\d.]+ percentage points \(95 % confidence\)/,
    );
    expect(lines.match(/If all goes on as it has, .* 5 min/g)).toHaveLength(1);
  });

  test('keeps what a fail rests on, as it was then', () => {
    const { verdict } = viewOf(verdictOn(5, () => cell('x', 4, 200)));
    expect(verdict).toMatchObject({ kind: 'fail', code: 'regression' });
    expect(verdict!.effects!.failures!.estimate).toBeGreaterThan(0.3);
    expect(verdict!.projected).toBeUndefined();
  });

  test('goes through JSON as it is', () => {
    const { verdict } = viewOf(verdictOn(5, good));
    expect(JSON.parse(JSON.stringify(verdict))).toEqual(verdict);
  });

  test('has no effects once only the record is left', () => {
    const world = new SimulatedWorld(defaultReleasePolicy);
    world.wake();
    world.push('v2');
    world.settle();
    const { verdict: _verdict, ...planned } = world.plan();
    const observed = world.observe();
    if (!observed.record.known) throw new Error('the record is known');
    const { value } = observed.record;
    const recorded = {
      executionId: planned.release!.executionId,
      kind: 'fail',
      code: 'regression',
      summary: 'Fail, on failures.',
      decidedAt: '2026-01-01T00:00:00.000Z',
      canaryUnits: 7,
      canaryFailed: 5,
    } as const;
    const record = {
      known: true,
      value: { ...value, record: { ...value.record, verdict: recorded } },
    } as const;
    const { verdict } = viewRelease({ ...observed, record }, planned);
    expect(verdict).toEqual({
      kind: 'fail',
      code: 'regression',
      summary: 'Fail, on failures.',
      statements: [],
      canaryUnits: 7,
      canaryFailed: 5,
      concerns: [],
      decidedAt: Date.parse('2026-01-01T00:00:00.000Z'),
    });
  });
});

describe('a status report', () => {
  const verdict: VerdictView = {
    kind: 'inconclusive',
    code: 'stable-differs',
    summary: "Inconclusive: stable's own tasks differ.",
    statements: [],
    canaryUnits: 600,
    canaryFailed: 7,
    concerns: [],
  };

  test('says of a tail that it is surely slower, and nothing of one that may be as fast', () => {
    const effects = {
      latency: [
        { quantile: 0.5, low: 0.9, high: 1.1 },
        { quantile: 0.9, low: 0.98, high: 1.3 },
        { quantile: 0.99, low: 1.8, high: 2.5 },
      ],
    };
    expect(said({ ...verdict, effects })).toEqual([
      "Verdict       Inconclusive: stable's own tasks differ.",
      'At the 99th percentile the canary takes between 1.8 and 2.5 times as long as stable (95 % confidence).',
    ]);
  });

  test('gives no end to an interval that reaches beyond what is tried', () => {
    const effects = { latency: [{ quantile: 0.9, low: 2.2, high: 4 }] };
    expect(said({ ...verdict, effects })[1]).toBe(
      'At the 90th percentile the canary takes at least 2.2 times as long as stable (95 % confidence).',
    );
  });

  test('shows concerns once, and what comes next where the verdict is still open', () => {
    const errors = 'errors of class Timeout come more often on the canary than on stable (300 to 1)';
    const quick = 'the canary finishes messages in less than a third of the time: does it do the work?';
    const concerns = [
      { about: 'errorClass', eValue: 300, summary: errors },
      { about: 'faster', eValue: 200, summary: quick },
    ] as const;
    const projected = { kind: 'fail', ms: 150_000 } as const;
    expect(said({ ...verdict, concerns, projected }).slice(1)).toEqual([
      `A person should see that ${errors}.`,
      `A person should see that ${quick}`,
      'If all goes on as it has, the canary fails in about 3 min.',
    ]);
    const summary = `Inconclusive: nothing fails the canary, but ${errors}.`;
    const held: VerdictView = {
      ...verdict,
      kind: 'pass',
      summary,
      statements: [`T${quick.slice(1)}.`],
      concerns,
      projected,
    };
    expect(said(held).slice(1)).toEqual([`T${quick.slice(1)}.`]);
  });
});
