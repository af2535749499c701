import { describe, expect, test } from 'vitest';
import { type RandomTask, randomLines, sequence } from '../../test/random-lines.ts';
import { judgeBlocks } from '../judge/judge.ts';
import { defaultJudgePolicy, type JudgePolicy } from '../judge/judge-policy.ts';
import { blocksFrom } from '../measurement/blocks.ts';
import type { Line } from '../measurement/line.ts';
import { pastMs, startsMs } from '../measurement/measurement.ts';
import { History } from './history.ts';
import { type Release, releasesIn, type Window } from './releases.ts';
import { replay } from './replay.ts';
import { sceneOf } from './scene.ts';

const ZERO = 1_800_000_000_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const policy: JudgePolicy = {
  ...defaultJudgePolicy,
  warmUpMs: MINUTE_MS,
  bakeMsMin: 3 * MINUTE_MS,
  deadlineMs: 10 * MINUTE_MS,
};

const running = ['a', 'b', 'c'].map((task): RandomTask => {
  return { task, startedAt: ZERO - HOUR_MS, untilMs: ZERO + 2 * HOUR_MS, perSecond: 3, failing: 0.01 };
});

/** One that starts while the others are warm, and another that did so before, as its control. */
const started = [20, 60].map((minute): RandomTask => {
  const startedAt = ZERO + minute * MINUTE_MS + 1_234;
  return {
    task: `new-${minute}`,
    startedAt,
    untilMs: startedAt + 35 * MINUTE_MS,
    perSecond: 3,
    failing: 0.05,
  };
});

function linesOf(tasks: readonly RandomTask[]): Line[] {
  const random = sequence(3);
  return tasks.flatMap((task) => [...randomLines(task, random)]).filter(({ fromMs }) => fromMs >= ZERO);
}

function historyOf(lines: readonly Line[]): History {
  const history = new History(ZERO, ZERO + 2 * HOUR_MS);
  for (const line of lines) history.add(line);
  return history;
}

function pick(windows: readonly Window[], is: (release: Release) => boolean): readonly [Window, Release] {
  for (const window of windows) {
    const release = window.releases.find(is);
    if (release !== undefined) return [window, release];
  }
  throw new Error('there is no such release');
}

describe('a replay', () => {
  test.each([0, 40_000])('comes to what a controller would, of a task that started %i ms before', (ageMs) => {
    const lines = linesOf([...running, ...started]);
    const history = historyOf(lines);
    const { windows } = releasesIn(history, policy);
    const [window, release] = pick(windows, ({ kind, task, ...its }) => {
      return kind === 'start' && task === 'new-60' && Math.floor(its.ageMs / 10_000) === ageMs / 10_000;
    });
    const scene = sceneOf(history, window.lives, window.fromMs, window.toMs);
    const replayed = replay(policy, history, window, scene, release);

    const { fromMs, untilMs, task } = release;
    const within = lines.filter(({ toMs }) => toMs <= untilMs);
    const began = Math.floor(started[1]!.startedAt / 5_000) * 5_000;
    const measurement = {
      fromMs: began,
      toMs: untilMs - 5_000,
      canary: { lines: within.filter((line) => line.task === task), tasks: [] },
      stable: {
        lines: within.filter((line) => line.task !== task && line.toMs > began - pastMs),
        tasks: [],
      },
      starts: lines.filter((line) => line.task === 'new-20' && line.toMs - line.startedAt <= startsMs),
    };
    const verdict = judgeBlocks(policy, fromMs, blocksFrom(measurement, fromMs, untilMs), untilMs);
    expect(replayed).toMatchObject({ code: verdict.code, summary: verdict.summary });
    expect(replayed.outcome).toBe(
      { pass: 'passed', fail: 'failed', inconclusive: 'inconclusive', error: '' }[verdict.kind],
    );
  });

  test('is cut where its task ends, or all others but one', () => {
    const end = ZERO + 38 * MINUTE_MS;
    const history = historyOf(
      linesOf(running.map((task) => (task.task === 'c' ? { ...task, untilMs: end } : task))),
    );
    const { windows } = releasesIn(history, policy);
    const releases = windows.flatMap((window) => window.releases);
    expect(Math.max(...releases.map(({ untilMs }) => untilMs))).toBe(end);
    expect(new Set(releases.map(({ task }) => task))).toEqual(new Set(['a', 'b', 'c']));
  });

  test('does not take lines that are missing for a slow or failing task', () => {
    const lines = linesOf(running).filter(({ task, sequence: number }) => task !== 'a' || number % 7 !== 0);
    const history = historyOf(lines);
    const { windows } = releasesIn(history, policy);
    for (const window of windows) {
      const scene = sceneOf(history, window.lives, window.fromMs, window.toMs);
      const [release] = window.releases.filter(({ task }) => task === 'a');
      if (release === undefined) continue;
      expect(replay(policy, history, window, scene, release).outcome).not.toBe('failed');
    }
  });
});
