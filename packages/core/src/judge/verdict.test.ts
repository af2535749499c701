import { describe, expect, test } from 'vitest';
import {
  block,
  cell,
  cells,
  judged,
  played,
  type Scene,
  START,
  STEP,
  times,
} from '../../test/judge-scenes.ts';
import type { Block } from './block.ts';
import { judgeBlocks } from './judge.ts';
import { defaultJudgePolicy, type JudgePolicy } from './judge-policy.ts';
import { effectStatements } from './verdict.ts';

/** The verdict when the last of these blocks has ended, or later. */
function after(blocks: readonly Block[], afterMs = 0, policy: Partial<JudgePolicy> = {}) {
  const { past } = played({ blocks: 0 });
  const nowMs = (blocks.at(-1)?.toMs ?? START) + afterMs;
  return judgeBlocks({ ...defaultJudgePolicy, ...policy }, START, { past, blocks }, nowMs);
}

const good: Scene = { blocks: 80 };
const bad: Scene = { blocks: 80, canary: () => ({ failing: 0.1 }) };

describe('silence', () => {
  test('is no data, then an error, when nothing is measured at all', () => {
    expect(after([], 10_000)).toMatchObject({ kind: 'inconclusive', code: 'no-data', settled: false });
    expect(after([], 10_000).summary).toBe('Inconclusive: no data yet: nothing has been measured so far.');
    const silent = after([], 61_000);
    expect(silent).toMatchObject({ kind: 'error', code: 'not-measured', settled: false });
    expect(silent.summary).toBe(
      "Unable to judge: no data: nothing has been measured for 61 s; check that the workers' outcome lines reach the log.",
    );
    expect(after([], 4_000_000)).toMatchObject({ kind: 'error', settled: true });
  });

  test('is no data when no message is finished, and undoes a pass', () => {
    const empty = (index: number) => block(index, { canary: [], stable: [] });
    const never = after(times(30, empty));
    expect(never).toMatchObject({ kind: 'inconclusive', code: 'no-data' });
    expect(never.summary).toContain('neither track has finished a message for 3 min; send traffic');
    const { blocks } = played(good);
    expect(after(blocks).kind).toBe('pass');
    const stopped = after([...blocks, ...times(13, (index) => empty(80 + index))]);
    expect(stopped).toMatchObject({ kind: 'inconclusive', code: 'no-data' });
    expect(stopped.summary).toContain('neither track has finished a message for 65 s');
    expect(after(blocks, 61_000)).toMatchObject({ kind: 'error', code: 'not-measured' });
  });

  test('of one track is named, and never passes', () => {
    const { blocks } = played(good);
    const without = (track: 'canary' | 'stable') => times(10, (index) => block(80 + index, { [track]: [] }));
    const never = after(times(60, (index) => block(index, { canary: [] })));
    expect(never).toMatchObject({ kind: 'inconclusive', code: 'canary-silent' });
    expect(never.summary).toBe(
      'Inconclusive: no data from the canary: it has finished nothing while the baseline finished 1800 messages.',
    );
    expect(after([...blocks, ...without('canary')]).summary).toContain(
      'it has been silent after 1600 messages while',
    );
    const lone = after(times(60, (index) => block(index, { stable: [] })));
    expect(lone).toMatchObject({ kind: 'inconclusive', code: 'baseline-silent' });
    expect(lone.summary).toContain('so there is nothing to compare with');
    expect(after([...blocks, ...without('stable')])).toMatchObject({ code: 'baseline-silent' });
  });

  test('does not stop a rollback', () => {
    const { blocks } = played(bad);
    expect(after(blocks, 1_000_000).kind).toBe('fail');
  });
});

describe('a deadline', () => {
  const policy = { margin: 0.001, deadlineMs: 390_000 };

  test('leaves what could not be decided to a person', () => {
    expect(judged({ blocks: 77 }, policy)).toMatchObject({ code: 'undecided', settled: false });
    const late = judged({ blocks: 78 }, policy);
    expect(late).toMatchObject({ kind: 'inconclusive', code: 'deadline', settled: true });
    expect(late.summary).toBe(
      'Inconclusive: the evidence decides neither way. The deadline of 7 min has passed; a person must decide.',
    );
    expect(late.statements.join(' ')).not.toContain('If all goes on');
  });

  test('is told beforehand where a pass comes only after it', () => {
    const thin = () => ({ messages: 2, failing: 0 });
    const early = judged({ blocks: 70, canary: thin, stable: thin }, { margin: 0.002 });
    expect(early.statements.at(-1)).toMatch(
      /^If all goes on as it has, the canary passes in about [\d.]+ (min|h), after the deadline\.$/,
    );
  });
});

describe('what a verdict says', () => {
  test('of a good canary', () => {
    const { summary, statements, decidedAtMs, evidence } = judged(good);
    expect(summary).toMatch(
      /^Pass: the canary failed \d+ of 1600 messages \([\d.]+ %\) on first attempts, the baseline \d+ of 4800 messages \([\d.]+ %\)\. The evidence against the canary is [\d.]+ to 1, where 100 to 1 would fail it\.$/,
    );
    expect(statements[0]).toMatch(
      /^The canary's failure rate minus stable's is between -[\d.]+ and [\d.]+ percentage points \(95 % confidence\)\.$/,
    );
    expect(statements[1]).toMatch(
      /^At the median the canary takes between 0\.[\d]+ and 1\.[\d]+ times as long as stable \(95 % confidence\)\.$/,
    );
    expect(statements[2]).toMatch(
      /^A version that fails 2 % more of its messages than stable passes in at most 5 % of releases\. That the canary is no such version is shown at .+ to 1, where 20 to 1 is needed\.$/,
    );
    expect(statements).toHaveLength(3);
    expect(decidedAtMs).toBe(evidence.untilMs);
  });

  test('of one that fails more', () => {
    const { summary, statements } = judged(bad);
    expect(summary).toMatch(
      /^Fail, on failures: the canary failed .+ The evidence against the canary is \d+ to 1, where 100 to 1 decides\.$/,
    );
    expect(statements).toContain(
      "A version as good as stable, whose tasks differ no more than stable's, ever gathers this much evidence against itself in at most 1 % of releases, however often one looks.",
    );
    expect(statements.at(-1)).toMatch(
      /^By metric: failures [\d.]+ to 1 \(weight [\d.]+\), failing nearly everything .+ to 1 \(weight [\d.]+\), latency .+ to 1 \(weight [\d.]+\)\.$/,
    );
  });

  test('of what keeps a canary from a pass against which much speaks already', () => {
    const short = { bakeMsMin: 15_000, visibilityTimeoutMs: 5_000, margin: 0.1 };
    const verdicts = times(60, (index) =>
      judged({ blocks: index + 1, canary: () => ({ medianMs: 200 }) }, short),
    );
    const held = verdicts.filter(({ statements }) =>
      statements.some((each) => each.includes('it passes only below')),
    );
    expect(held.length).toBeGreaterThan(0);
    for (const { code, evidence } of held) {
      expect(code).toBe('undecided');
      expect(evidence.certification.every(({ certified }) => certified)).toBe(true);
      expect(evidence.total).toBeGreaterThan(10);
    }
    expect(verdicts.at(-1)?.kind).toBe('fail');
  });

  test('of the metrics that failed it', () => {
    const slow = judged({ ...good, canary: () => ({ medianMs: 200 }) }).summary;
    expect(slow).toMatch(
      /^Fail, on latency: on the canary \d+ of \d+ messages \(.+ %\) took longer than stable's past p90 of \d+ ms, on the baseline \d+ of/,
    );
    const full = judged({
      ...good,
      canary: () => ({ messages: 10, rest: () => ({ saturated: true }) }),
    }).summary;
    expect(full).toContain(
      'Fail, on throughput: with its hands full, a task of the canary finished 120 messages a minute, one of stable 240.',
    );
    const crash = (index: number) => ({
      crashes: {
        canary: { count: index % 4 === 3 ? 1 : 0, taskSeconds: 5 },
        stable: { count: index === 0 ? 1 : 0, taskSeconds: 15 },
      },
    });
    expect(judged({ ...good, rest: crash }).summary).toMatch(
      /^Fail, on crashes: the canary's tasks crashed \d+ times while they ran for \d+ (s|min) together, stable's once in \d+ (s|min)\. /,
    );
    const counting = (sold: number) => () => ({ rest: () => ({ counters: { sold } }) });
    const counters = { sold: { worse: 'less', tolerance: 0.25 } } as const;
    expect(judged({ ...good, canary: counting(10), stable: counting(20) }, { counters }).summary).toMatch(
      /^Fail, on counters: too little of "sold" \(\d+ to 1\)\. /,
    );
    expect(judged({ blocks: 3, canary: () => ({ failing: 1 }) }).summary).toMatch(
      /^Fail, on failing nearly everything: the canary failed \d+ of \d+ messages \(100 %\)/,
    );
  });

  test('of what a pass still lacks, and when it may come', () => {
    const { statements, evidence } = judged({ blocks: 20 }, { messagesMin: 500 });
    expect(statements.slice(-4)).toEqual([
      'The canary has been observed for 100 s of at least 3 min.',
      'The canary has finished 400 messages and the baseline 1200; each needs 500.',
      expect.stringMatching(
        /^It is still to be shown that the canary does not fail 2 % more of its messages than stable: so far it is at [\d.]+ to 1, where 20 to 1 is needed\.$/,
      ),
      expect.stringMatching(/^If all goes on as it has, the canary passes in about \d+ (s|min)\.$/),
    ]);
    expect(evidence.projected?.kind).toBe('pass');
    const latency = judged({ blocks: 20 }, { required: ['latency'] });
    expect(latency.statements.join(' ')).toContain(
      "that the canary does not have 5 % more of its messages beyond stable's p90",
    );
  });

  test('of a regression that is not yet sure', () => {
    const all = times(30, (index) => judged({ blocks: index + 1, canary: () => ({ failing: 0.06 }) }));
    const nearly = all.filter(({ statements }) =>
      statements.some((each) => /the canary fails in about \d+ (s|min)\.$/.test(each)),
    );
    expect(nearly.length).toBeGreaterThan(0);
    for (const { kind, evidence } of nearly) {
      expect(kind).toBe('inconclusive');
      expect(evidence.total).toBeGreaterThan(1);
      expect(evidence.projected?.ms).toBeGreaterThan(0);
    }
  });

  test('of the difference, in words that a person decides on', () => {
    expect(effectStatements({ failures: { estimate: 0.02, low: 0.0112, high: 0.0341 } })).toEqual([
      'The canary fails between 1.1 and 3.4 percentage points more of its messages than stable (95 % confidence).',
    ]);
    expect(effectStatements({ failures: { estimate: -0.02, low: -0.0341, high: -0.0112 } })).toEqual([
      'The canary fails between 1.1 and 3.4 percentage points fewer of its messages than stable (95 % confidence).',
    ]);
    expect(effectStatements({ failures: { estimate: 0, low: -0.004, high: 0.011 } })).toEqual([
      "The canary's failure rate minus stable's is between -0.4 and 1.1 percentage points (95 % confidence).",
    ]);
    expect(
      effectStatements({
        latency: [
          { quantile: 0.5, low: 1.234, high: 1.5 },
          { quantile: 0.9, low: 1, high: 2 },
        ],
      }),
    ).toEqual([
      'At the median the canary takes between 1.23 and 1.5 times as long as stable (95 % confidence).',
    ]);
  });

  test('of a difference only where it is known well enough to say anything', () => {
    expect(effectStatements({})).toEqual([]);
    expect(
      effectStatements({
        failures: { estimate: 0.9, low: -0.6, high: 1 },
        latency: [{ quantile: 0.5, low: 0.25, high: 4 }],
      }),
    ).toEqual([]);
  });

  test('of what was not measured', () => {
    const { evidence } = judged({ ...good, past: 0 });
    const measured = evidence.metrics.map(({ metric, measured }) => [metric, measured]);
    expect(Object.fromEntries(measured)).toEqual({
      failures: true,
      broken: true,
      latency: false,
      crashes: false,
      throughput: false,
      counters: false,
    });
    expect(evidence.metrics[2]).toMatchObject({ eValue: 1, counts: 'not measured' });
  });

  test('counts later deliveries without comparing them', () => {
    const retried = () => ({ rest: () => ({ retried: 5, retriedFailed: 5 }) });
    const verdict = judged({ ...good, canary: retried });
    expect(verdict.kind).toBe('pass');
    expect(verdict.evidence.retried).toEqual({
      canary: { units: 400, failed: 400 },
      baseline: { units: 0, failed: 0 },
    });
  });
});

describe('a concern', () => {
  const typed = (failed: number) => () => ({
    failing: 0,
    rest: () => ({ failed: 1, errors: failed > 0 ? { TypeError: 1 } : { Timeout: 1 } }),
  });

  test('holds back a pass until a person has seen it, and fails nothing', () => {
    const scene = { ...good, canary: typed(1), stable: typed(0) };
    const verdict = judged(scene, { margin: 0.05 });
    expect(verdict).toMatchObject({ kind: 'inconclusive', code: 'concern', settled: true });
    expect(verdict.summary).toMatch(
      /^Inconclusive: nothing fails the canary, but errors of class TypeError come more often on the canary than on stable \(.+ to 1\)\.$/,
    );
    expect(verdict.statements.at(-1)).toMatch(/^Errors of class TypeError come more often/);
    expect(judged({ ...scene, stable: typed(1) }, { margin: 0.05 }).kind).toBe('pass');
  });

  test('is not spoken of before a pass could come', () => {
    const early = judged({ blocks: 30, canary: typed(1), stable: typed(0) }, { margin: 0.05 });
    expect(early).toMatchObject({ code: 'undecided', settled: false });
    expect(early.evidence.concerns).toHaveLength(1);
  });

  test('may be work that is done too fast, or memory', () => {
    expect(judged({ ...good, canary: () => ({ medianMs: 8 }) })).toMatchObject({
      code: 'concern',
      evidence: { concerns: [{ about: 'faster' }] },
    });
    const using = (memoryMiB: number) => () => ({ rest: () => ({ memoryMiB }) });
    const starts = (index: number) => ({ starts: index < 60 ? cells(3, { memoryMiB: 100 }) : [] });
    const grown = judged({ ...good, canary: using(300), stable: using(100), rest: starts });
    expect(grown).toMatchObject({ code: 'concern', evidence: { concerns: [{ about: 'memory' }] } });
  });
});

describe('a dry run', () => {
  test('says what the judge would have done, and does nothing', () => {
    const failed = judged(bad, { dryRun: true });
    expect(failed).toMatchObject({ kind: 'inconclusive', code: 'dry-run', settled: true });
    expect(failed.summary).toMatch(
      /^Dry run: the judge would have failed the canary, which would have been rolled back\. Fail, on failures: /,
    );
    const passed = judged(good, { dryRun: true });
    expect(passed).toMatchObject({ kind: 'inconclusive', code: 'dry-run', settled: true });
    expect(passed.summary).toMatch(/^Dry run: the judge would have passed the canary\. Pass: /);
    expect(judged({ blocks: 20 }, { dryRun: true })).toMatchObject({ code: 'undecided', settled: false });
  });

  test('of a metric stakes nothing on it, and says that it would have failed the canary', () => {
    const verdict = judged(bad, { dryRun: ['failures'] });
    expect(verdict).toMatchObject({ kind: 'inconclusive', code: 'undecided' });
    expect(verdict.statements.at(-1)).toMatch(
      /^Dry run of failures: it would have failed the canary \(the canary failed \d+ of 1600 messages .+; the evidence is .+ to 1\)\.$/,
    );
    expect(verdict.evidence.metrics.filter(({ dryRun }) => dryRun).map(({ metric }) => metric)).toEqual([
      'failures',
    ]);
    expect(judged(good, { dryRun: ['failures'] }).kind).toBe('pass');
  });

  test('of a metric is not named for what another one failed', () => {
    const worse: Scene = { blocks: 80, canary: () => ({ failing: 0.2, medianMs: 250 }) };
    const verdict = judged(worse, { dryRun: ['failures'] });
    expect(verdict).toMatchObject({ kind: 'fail', drivenBy: 'latency' });
    const [byMetric, inDryRun] = verdict.statements.slice(-2);
    expect(byMetric).toMatch(
      /^By metric: failures .+ to 1 \(dry run\), failing nearly everything .+ to 1 \(weight [\d.]+\)/,
    );
    expect(inDryRun).toMatch(/^Dry run of failures: it would have failed the canary/);
  });
});

describe('young tasks', () => {
  test('of a canary count in what is told, though nothing is compared', () => {
    const young = times(10, (index) => block(index, { canary: [cell({ ageMs: 1000 + index * STEP })] }));
    const verdict = after(young);
    expect(verdict.evidence).toMatchObject({ canary: { units: 100 }, blocksLeftOut: 10, effects: {} });
  });
});
