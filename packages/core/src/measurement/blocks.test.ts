import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Block, Cell } from '../judge/block.ts';
import { blocksFrom } from './blocks.ts';
import { diedInHand } from './cell.ts';
import { settledAfterMs } from './lateness.ts';
import type { Line } from './line.ts';
import { type Measurement, pastMs, type TaskLife } from './measurement.ts';

/** When the canary's deployment began. Seconds in the tests are counted from here. */
const start = Date.UTC(2026, 0, 1);
const at = (seconds: number) => start + seconds * 1000;

/** So many seconds after its end an interval is judged, whatever is missing of it. */
const settled = settledAfterMs / 1000;

/** Tasks of the past run since then. */
const LONG_AGO = -3600;

const quiet = {
  revision: 'r',
  final: false,
  received: 10,
  finished: 10,
  failed: 0,
  retried: 0,
  retriedFailed: 0,
  deadLettered: 0,
  pollingMs: 5_000,
  inFlight: 0,
  durations: [[50, 10]] as const,
  memoryMiB: 100,
  errors: {},
  types: {},
  counters: {},
};

interface Reports {
  readonly from: number;
  readonly to: number;
  readonly startedAt?: number;
  readonly sequence?: number;
  readonly every?: number;
}

/** The lines of a task; `change` says by the end of each in which way it is not a quiet one, or that it is lost. */
function reports(
  task: string,
  { from, to, startedAt = LONG_AGO, sequence = startedAt === from ? 0 : 1000, every = 5 }: Reports,
  change: (to: number) => Partial<Line> | undefined = () => ({}),
): Line[] {
  const lines: Line[] = [];
  let next = sequence;
  for (let begin = from; begin < to; ) {
    const end = Math.min(to, (Math.floor(begin / every) + 1) * every);
    const changed = change(end);
    const interval = { fromMs: at(begin), toMs: at(end), startedAt: at(startedAt), sequence: next };
    if (changed) lines.push({ ...quiet, task, track: 'stable', ...interval, ...changed });
    next += 1;
    begin = end;
  }
  return lines;
}

const life = (
  id: string,
  startedAt = LONG_AGO,
  ended: Partial<Record<'stopping' | 'stopped', number>> = {},
) =>
  ({
    id,
    startedAt: at(startedAt),
    ...(ended.stopping !== undefined && { stoppingAt: at(ended.stopping) }),
    ...(ended.stopped !== undefined && { stoppedAt: at(ended.stopped) }),
  }) satisfies TaskLife;

interface Track {
  readonly lines?: readonly Line[];
  readonly tasks?: readonly TaskLife[];
}

interface Given {
  readonly canary?: Track;
  readonly stable?: Track;
  readonly starts?: readonly Line[];
  readonly stableSample?: Measurement['stableSample'];
}

/** Canary `c` began at once and stable `s` long ago, unless given. */
function measured(
  to: number,
  { canary = {}, stable = {}, starts = [], stableSample }: Given = {},
): Measurement {
  return {
    fromMs: start,
    toMs: at(to - 5),
    canary: { lines: reports('c', { from: 0, to, startedAt: 0 }), tasks: [life('c', 0)], ...canary },
    stable: { lines: reports('s', { from: -pastMs / 1000, to }), tasks: [life('s')], ...stable },
    starts,
    ...(stableSample && { stableSample }),
  };
}

/** Judged from second 30 on. */
const judged = (measurement: Measurement, now: number, from = 30) =>
  blocksFrom(measurement, at(from), at(now));

const ids = (cells: readonly Cell[]) => cells.map(({ task }) => task);
const seconds = (blocks: readonly Block[]) => blocks.map(({ fromMs }) => (fromMs - start) / 1000);
const failures = (blocks: readonly Block[], track: 'canary' | 'stable' = 'canary') =>
  blocks.map((block) => block[track].reduce((sum, { failed }) => sum + failed, 0));

describe('blocks', () => {
  test('hold what each task did in the same five seconds', () => {
    const canary = {
      lines: reports('c', { from: 0, to: 35, startedAt: 0 }, () => ({
        failed: 2,
        retried: 3,
        retriedFailed: 1,
        errors: { TypeError: 2 },
        types: { order: [10, 2] },
        counters: { rows: 4 },
      })),
    };
    const { blocks, notes } = judged(measured(35, { canary }), 35);
    const cell = { received: 10, finished: 10, saturated: false, durations: [[50, 10]], memoryMiB: 100 };
    expect(notes).toEqual([]);
    expect(blocks).toEqual([
      {
        fromMs: at(30),
        toMs: at(35),
        canary: [
          {
            ...cell,
            task: 'c',
            ageMs: 35_000,
            failed: 2,
            retried: 3,
            retriedFailed: 1,
            errors: { TypeError: 2 },
            types: { order: [10, 2] },
            counters: { rows: 4 },
          },
        ],
        stable: [
          {
            ...cell,
            task: 's',
            ageMs: 3_635_000,
            failed: 0,
            retried: 0,
            retriedFailed: 0,
            errors: {},
            types: {},
            counters: {},
          },
        ],
        starts: [],
        crashes: { canary: { count: 0, taskSeconds: 5 }, stable: { count: 0, taskSeconds: 5 } },
      },
    ]);
  });

  test('begin with stable alone, ten minutes before the release', () => {
    const { past, blocks } = judged(measured(60), 60);
    expect([past[0]?.fromMs, past.at(-1)?.toMs]).toEqual([start - pastMs, at(30)]);
    expect(past).toHaveLength(120 + 6);
    expect(seconds(blocks)).toEqual([30, 35, 40, 45, 50, 55]);
    for (const block of past) {
      expect([ids(block.canary), ids(block.stable), block.starts]).toEqual([[], ['s'], []]);
      expect(block.crashes?.canary).toEqual({ count: 0, taskSeconds: 0 });
      expect(block.crashes?.stable).toEqual({ count: 0, taskSeconds: 5 });
    }
  });

  test('leave out the tasks that run the version before', () => {
    const old = reports('old', { from: 0, to: 50 }, () => ({ failed: 10, inFlight: 4 }));
    const crashed = { ...life('old', LONG_AGO, { stopped: 48 }), crash: 'exit code 1' };
    const canary = {
      // ECS's clock and the worker's may differ by a little.
      lines: [...old, ...reports('c', { from: -0.5, to: 60, startedAt: -0.5 })],
      tasks: [crashed, life('c', -0.5)],
    };
    const { blocks } = judged(measured(60, { canary }), 60 + settled);
    expect(blocks.map((block) => ids(block.canary))).toEqual(Array(6).fill(['c']));
    expect(failures(blocks)).toEqual(Array(6).fill(0));
    expect(blocks.map(({ crashes }) => crashes?.canary)).toEqual(Array(6).fill({ count: 0, taskSeconds: 5 }));
  });

  test('count time and crashes of all tasks, also of those that were not read', () => {
    const stable = {
      lines: reports('s', { from: -600, to: 40 }),
      tasks: [
        life('s'),
        life('unread'),
        { ...life('crashed', 31, { stopped: 34 }), crash: 'exit code 1' },
        life('stopped', LONG_AGO, { stopping: 30, stopped: 32 }),
      ],
    };
    const measurement = measured(40, { stable, stableSample: { tasks: 4, read: 1 } });
    const { blocks, notes } = judged(measurement, 40 + settled);
    expect(blocks.map(({ crashes }) => crashes?.stable)).toEqual([
      // Those that stopped count until the interval's end.
      { count: 1, taskSeconds: 5 + 5 + 4 + 5 },
      { count: 0, taskSeconds: 10 },
    ]);
    expect(notes).toEqual([]);
  });
});

describe('a block', () => {
  const late = (to: number, missing: (to: number) => boolean) => ({
    lines: reports('s', { from: -600, to }, (end) => (missing(end) ? undefined : {})),
  });

  test('waits for its end', () => {
    const measurement = measured(40);
    expect(seconds(judged(measurement, 34.9).blocks)).toEqual([]);
    expect(seconds(judged(measurement, 35).blocks)).toEqual([30]);
    // The last interval of the measurement is the last block, however late one looks.
    expect(seconds(judged(measurement, 4_000).blocks)).toEqual([30, 35]);
  });

  test('waits for a line that must have been written, and with it later ones', () => {
    const measurement = measured(60, { stable: late(60, (to) => to === 40) });
    expect(seconds(judged(measurement, 40 + settled - 0.1).blocks)).toEqual([30]);
    const { blocks, notes } = judged(measurement, 60 + settled);
    expect(seconds(blocks)).toEqual([30, 35, 40, 45, 50, 55]);
    expect(blocks.map(({ stable }) => stable.length)).toEqual([1, 0, 1, 1, 1, 1]);
    expect(notes).toEqual([
      expect.stringMatching(/^in 1 of 132 intervals lines of 1 task are missing.*mode: non-blocking/),
    ]);
  });

  test('of stable alone does not wait for the canary', () => {
    const lines = reports('c', { from: 0, to: 60, startedAt: 0 }, (to) => (to === 20 ? undefined : {}));
    const { past } = judged(measured(60, { canary: { lines } }), 33);
    expect(past.at(-1)?.toMs).toBe(at(30));
  });

  test('waits for the last line of tasks that run', () => {
    const measurement = measured(60, { stable: late(60, (to) => to > 50) });
    expect(seconds(judged(measurement, 55 + settled - 0.1).blocks)).toEqual([30, 35, 40, 45]);
    expect(seconds(judged(measurement, 55 + settled).blocks)).toEqual([30, 35, 40, 45, 50]);
    expect(judged(measurement, 60 + settled).notes).toEqual([
      expect.stringMatching(/^in 2 of 132 intervals lines of 1 task are missing/),
    ]);
  });

  test('has no cell of a task of which a part of the lines is missing', () => {
    const canary = {
      lines: reports('c', { from: 0, to: 45, startedAt: 0, every: 1 }, (to) => (to === 37 ? undefined : {})),
    };
    const measurement = measured(45, { canary });
    expect(seconds(judged(measurement, 45).blocks)).toEqual([30]);
    expect(judged(measurement, 45 + settled).blocks.map((block) => block.canary.length)).toEqual([1, 0, 1]);
  });

  test('waits for the rest of a young task that reports each second', () => {
    const canary = {
      lines: reports('c', { from: 29, to: 38, startedAt: 29, every: 1 }),
      tasks: [life('c', 28)],
    };
    expect(seconds(judged(measured(45, { canary }), 40.5).blocks)).toEqual([30]);
    const { blocks } = judged(measured(45, { canary }), 45 + settled);
    expect(blocks.map((block) => block.canary.length)).toEqual([1, 0, 0]);
  });

  test('does not wait for lines that a task can no longer write, or not yet', () => {
    const stable = {
      lines: [
        ...reports('s', { from: -600, to: 40 }),
        ...reports('drained', { from: -600, to: 33 }, (to) => ({ final: to === 33 })),
      ],
      tasks: [
        life('s'),
        // ECS may hear of the end later.
        life('drained'),
        life('pending', 20),
        life('stopped', -30, { stopping: -20, stopped: -16 }),
      ].map(({ startedAt, ...task }) => (task.id === 'pending' ? task : { startedAt, ...task })),
    };
    const { blocks, notes } = judged(measured(40, { stable }), 40);
    expect(blocks.map((block) => ids(block.stable))).toEqual([['drained', 's'], ['s']]);
    expect(notes).toEqual([]);
  });

  test('waits for the first lines of a task that runs, and misses none while it may still boot', () => {
    const { lines, tasks } = measured(60).stable;
    const stable = { lines, tasks: [...tasks, life('booting', 22)] };
    const measurement = measured(60, { stable });
    expect(seconds(judged(measurement, 25 + settled - 0.1).blocks)).toEqual([]);
    const { blocks, notes } = judged(measurement, 40 + settled);
    expect([seconds(blocks), notes]).toEqual([[30, 35], []]);
  });

  test('takes no gap in time for a missing line when the numbers have none', () => {
    const lines = reports('s', { from: -600, to: 60 }).filter(({ toMs }) => toMs <= at(35) || toMs > at(50));
    const blocked = lines.map((line, index) => ({ ...line, sequence: 1000 + index }));
    const { blocks, notes } = judged(measured(60, { stable: { lines: blocked } }), 60);
    expect(blocks.map(({ stable }) => stable.length)).toEqual([1, 0, 0, 0, 1, 1]);
    expect(notes).toEqual([]);
  });

  test('misses nothing of the time before a task wrote its first line', () => {
    const stable = {
      lines: [
        ...reports('s', { from: -600, to: 60 }),
        ...reports('slow', { from: 41, to: 60, startedAt: 41 }),
      ],
      tasks: [life('s'), life('slow', 0)],
    };
    const { blocks, notes } = judged(measured(60, { stable }), 60);
    expect(blocks.map((block) => block.stable.length)).toEqual([1, 1, 2, 2, 2, 2]);
    expect(notes).toEqual([]);
  });

  test('misses the first lines of a task that begins with a later one', () => {
    const canary = {
      lines: reports('c', { from: 32, to: 60, startedAt: 32 }).slice(2),
      tasks: [life('c', 31)],
    };
    const { blocks, notes } = judged(measured(60, { canary }), 60 + settled);
    expect(blocks.map((block) => block.canary.length)).toEqual([0, 0, 1, 1, 1, 1]);
    expect(notes).toEqual([expect.stringMatching(/^in 2 of 132/)]);
  });

  test('waits a while, not for ever, for a task that ECS does not know', () => {
    const stable = { lines: reports('laptop', { from: -600, to: 35 }), tasks: [] };
    const measurement = measured(60, { stable });
    expect(seconds(judged(measurement, 40 + settled - 0.1).blocks)).toEqual([30]);
    expect(seconds(judged(measurement, 40 + settled).blocks)).toEqual([30, 35, 40, 45, 50, 55]);
    expect(judged(measurement, 40 + settled).notes).toEqual([]);
  });

  test('names the tasks that report nothing', () => {
    const { lines, tasks } = measured(60).stable;
    const silent = ['e', 'd', 'b', 'a'].map((id) => life(id));
    const stable = { lines, tasks: [...tasks, ...silent] };
    const canary = { lines: [], tasks: [life('c', 0)] };
    const { blocks, notes } = judged(measured(60, { canary, stable }), 60 + settled);
    expect(blocks).toHaveLength(6);
    expect(notes).toEqual([
      expect.stringMatching(/^tasks a, b, d and 2 more reported nothing at all; the image may lack/),
    ]);
  });

  test('does not look for lines of tasks that were not read', () => {
    const stable = { tasks: [life('s'), life('unread')] };
    const { blocks, notes } = judged(measured(60, { stable, stableSample: { tasks: 2, read: 1 } }), 60);
    expect([blocks.length, notes]).toEqual([6, []]);
  });

  test('takes a container that is started again in its task for no repetition', () => {
    const lines = [
      ...reports('c', { from: 0, to: 42, startedAt: 0 }),
      ...reports('c', { from: 43, to: 43.5, startedAt: 43 }),
      ...reports('c', { from: 44, to: 60, startedAt: 44 }),
    ];
    const { blocks, notes } = judged(measured(60, { canary: { lines } }), 60);
    expect(blocks.map(({ canary }) => canary[0]?.finished)).toEqual([10, 10, 30, 10, 10, 10]);
    expect(blocks.map(({ canary }) => canary[0]?.ageMs)).toEqual([35, 40, 1, 6, 11, 16].map((s) => s * 1000));
    expect(notes).toEqual([]);
  });
});

describe('crashes', () => {
  const lives = (id: string, crashedAt: number) => [
    { ...life(id, 0, { stopped: crashedAt }), crash: 'exit code 1' },
  ];

  test.each([30.001, 31, 34.999])(
    'have odds that do not depend on when in the interval they came: at %d s',
    (at) => {
      const canary = { lines: reports('c', { from: 0, to: 30, startedAt: 0 }), tasks: lives('c', at) };
      const stable = { lines: reports('s', { from: -600, to: 30 }), tasks: lives('s', at) };
      const { blocks } = judged(measured(40, { canary, stable }), 40 + settled);
      expect(blocks[0]?.crashes).toEqual({
        canary: { count: 1, taskSeconds: 5 },
        stable: { count: 1, taskSeconds: 5 },
      });
      expect(blocks[1]?.crashes).toEqual({
        canary: { count: 0, taskSeconds: 0 },
        stable: { count: 0, taskSeconds: 0 },
      });
    },
  );
});

describe('a task that died', () => {
  const inHand = (count: number) => (to: number) => ({ inFlight: to > 35 ? count : 0 });
  const died = (to: number, ended: TaskLife, change = inHand(7)): Given => ({
    canary: { lines: reports('c', { from: 0, to, startedAt: 0 }, change), tasks: [ended] },
  });
  const crashed = { ...life('c', 0, { stopping: 42, stopped: 43 }), crash: 'exit code 137' };

  test('with messages in hand counts as one failure, in the interval in which it stopped', () => {
    const { blocks } = judged(measured(60, died(40, crashed)), 60 + settled);
    expect(failures(blocks)).toEqual([0, 0, 1, 0, 0, 0]);
    expect(blocks[2]?.canary).toEqual([
      expect.objectContaining({
        task: 'c',
        ageMs: 45_000,
        received: 0,
        finished: 1,
        errors: { [diedInHand]: 1 },
      }),
    ]);
    expect(blocks[2]?.crashes?.canary).toEqual({ count: 1, taskSeconds: 5 });
  });

  test('keeps what it reported in that interval', () => {
    const lines = reports('c', { from: 0, to: 43, startedAt: 0, every: 1 }, inHand(7));
    const { blocks } = judged(measured(60, { canary: { lines, tasks: [crashed] } }), 60 + settled);
    expect(blocks[2]?.canary).toEqual([
      expect.objectContaining({ received: 30, finished: 31, failed: 1, saturated: false }),
    ]);
  });

  test('is waited for: its last line may be late', () => {
    const measurement = measured(60, died(40, crashed));
    expect(seconds(judged(measurement, 45 + settled - 0.1).blocks)).toEqual([30, 35]);
    expect(seconds(judged(measurement, 45 + settled).blocks)).toEqual([30, 35, 40, 45, 50, 55]);
    const drained = reports('c', { from: 0, to: 42.5, startedAt: 0 }, (to) => ({ final: to === 42.5 }));
    const { blocks } = judged(measured(60, { canary: { lines: drained, tasks: [crashed] } }), 60);
    expect(failures(blocks)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('counts as well when it was told to drain and had to be killed', () => {
    const killed = life('c', 0, { stopping: 32, stopped: 43 });
    expect(failures(judged(measured(60, died(40, killed)), 60 + settled).blocks)).toEqual([0, 0, 1, 0, 0, 0]);
  });

  test('counts for nothing when it had nothing in hand', () => {
    const stopped = life('c', 0, { stopping: 32, stopped: 43 });
    const { blocks, notes } = judged(measured(60, died(35, stopped, inHand(0))), 60 + settled);
    expect([failures(blocks), notes]).toEqual([[0, 0, 0, 0, 0, 0], []]);
    const { blocks: alike } = judged(measured(60, died(40, crashed, inHand(0))), 60 + settled);
    expect(failures(alike)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(alike.map(({ crashes }) => crashes?.canary.count)).toEqual([0, 0, 1, 0, 0, 0]);
  });

  test('counts for nothing while it runs, however long it is silent', () => {
    expect(failures(judged(measured(60, died(40, life('c', 0))), 60 + settled).blocks)).toEqual([
      0, 0, 0, 0, 0, 0,
    ]);
  });

  test('counts on stable as well, also in its past', () => {
    const lines = [
      ...reports('s', { from: -600, to: 60 }),
      ...reports('t', { from: -600, to: -300 }, () => ({ inFlight: 1 })),
      ...reports('u', { from: -600, to: 40 }, () => ({ inFlight: 1 })),
    ];
    const tasks = [life('s'), life('t', LONG_AGO, { stopped: -298 }), life('u', LONG_AGO, { stopped: 41 })];
    const { past, blocks } = judged(measured(60, { stable: { lines, tasks } }), 60 + settled);
    expect(failures(blocks, 'stable')).toEqual([0, 0, 1, 0, 0, 0]);
    expect(seconds(past.filter((block) => failures([block], 'stable')[0] === 1))).toEqual([-300]);
  });

  test('holds nothing back but the interval in which it stopped, of which it may have reported', () => {
    const boot = { ...life('boot', 30, { stopped: 33 }), crash: 'exit code 1' };
    const { lines, tasks } = measured(60).canary;
    const measurement = measured(60, { canary: { lines, tasks: [...tasks, boot] } });
    expect(seconds(judged(measurement, 60).blocks)).toEqual([]);
    const { blocks } = judged(measurement, 35 + settled);
    expect(blocks.map(({ crashes }) => crashes?.canary.count)).toEqual([1, 0, 0, 0, 0, 0]);
  });
});

describe('a task that drains', () => {
  test('is not saturated, although it asks for nothing', () => {
    const canary = {
      lines: reports('c', { from: 0, to: 60, startedAt: 0 }, () => ({ pollingMs: 0 })),
      tasks: [life('c', 0, { stopping: 43 })],
    };
    const { blocks } = judged(measured(60, { canary }), 60);
    expect(blocks.map((block) => block.canary[0]?.saturated)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('starts', () => {
  /** What a task did first, each second, and then each five. */
  const startOf = (task: string, began: number, length: number) => {
    const young = Math.floor(began) + 20;
    const lines = reports(task, { from: began, to: young, startedAt: began, every: 1 });
    const older = { from: young, to: began + length, startedAt: began, sequence: lines.length };
    return [...lines, ...reports(task, older)];
  };
  const finished = (cells: readonly Cell[]) => cells.map((cell) => cell.finished);

  test('are what stable did at the age of the canary, each once', () => {
    const starts = [...startOf('s', -7200.4, 120), ...startOf('t', -9000, 52)];
    const canary = {
      lines: reports('c', { from: 1, to: 60, startedAt: 1, every: 1 }),
      tasks: [life('c', 0)],
    };
    const { past, blocks } = judged(measured(60, { canary, starts }), 60, 5);
    expect(past.flatMap((block) => block.starts)).toEqual([]);
    // At the end of the first judged block the canary is 9 s old, so its first interval was before.
    expect(blocks.map((block) => block.starts.map(({ ageMs }) => ageMs / 1000))).toEqual(
      [10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60].map((age) =>
        age < 55 ? [age, age] : age === 55 ? [55, 55] : [60],
      ),
    );
    expect(blocks.map((block) => ids(block.starts))).toEqual([...Array(10).fill(['s', 't']), ['s']]);
    expect(finished(blocks[0]!.starts)).toEqual([50, 50]);
  });

  test('include the first interval of a task', () => {
    const canary = {
      lines: reports('c', { from: 31, to: 60, startedAt: 31, every: 1 }),
      tasks: [life('c', 30)],
    };
    const { blocks } = judged(measured(60, { canary, starts: startOf('s', -7200, 60) }), 60);
    expect(blocks[0]?.starts).toEqual([expect.objectContaining({ task: 's', ageMs: 5_000, finished: 50 })]);
  });

  test('do not come again when a canary task is replaced', () => {
    const canary = {
      lines: [
        ...reports('c', { from: 0, to: 42, startedAt: 0 }, (to) => ({ final: to === 42 })),
        ...reports('d', { from: 45, to: 90, startedAt: 45, every: 1 }),
      ],
      tasks: [life('c', 0, { stopped: 43 }), life('d', 44)],
    };
    const { blocks } = judged(measured(90, { canary, starts: startOf('s', -7200, 120) }), 90, 20);
    const ages = blocks.flatMap(({ starts }) => starts.map(({ ageMs }) => ageMs / 1000));
    expect(ages).toEqual([25, 30, 35, 40, 45, 5, 10, 15, 20]);
  });

  test('go by the oldest of the canary tasks that reported', () => {
    const canary = {
      lines: [
        ...reports('c', { from: 0, to: 60, startedAt: 0 }),
        ...reports('d', { from: 20, to: 60, startedAt: 20, every: 1 }),
      ],
      tasks: [life('c', 0), life('d', 19)],
    };
    const { blocks } = judged(measured(60, { canary, starts: startOf('s', -7200, 120) }), 60);
    expect(blocks.flatMap(({ starts }) => starts.map(({ ageMs }) => ageMs / 1000))).toEqual([
      35, 40, 45, 50, 55, 60,
    ]);
  });

  test('leave out what the blocks have already', () => {
    const young = reports('y', { from: 10, to: 60, startedAt: 10, every: 1 });
    const stable = {
      lines: [...reports('s', { from: -600, to: 60 }), ...young],
      tasks: [life('s'), life('y', 9)],
    };
    const starts = [...startOf('s', -7200, 120), ...young];
    const canary = {
      lines: reports('c', { from: 20, to: 60, startedAt: 20, every: 1 }),
      tasks: [life('c', 19)],
    };
    const { blocks } = judged(measured(60, { canary, stable, starts }), 60);
    expect(blocks.map(({ starts }) => [ids(starts), starts[0]!.ageMs / 1000])).toEqual([
      // At the ages of 10 to 20 s it was not yet judged.
      ...[15, 20].map((age) => [['s', 'y'], age]),
      ...[25, 30, 35, 40].map((age) => [['s'], age]),
    ]);
  });

  test('of a container that was started again in its task are two', () => {
    const starts = [...startOf('s', -7200, 40), ...startOf('s', -7150, 60)];
    const { blocks } = judged(measured(60, { starts }), 60);
    expect(blocks.map((block) => block.starts.map((cell) => cell.finished))).toEqual([
      [10, 10],
      [10, 10],
      ...Array(4).fill([10]),
    ]);
  });

  test('leave out intervals of which lines are missing', () => {
    const lost = (to: number) => (to === -7200 + 37 ? undefined : {});
    const starts = reports('s', { from: -7200, to: -7100, startedAt: -7200, every: 1 }, lost);
    const { blocks } = judged(measured(60, { starts }), 60);
    expect(blocks.map((block) => block.starts.length)).toEqual([1, 0, 1, 1, 1, 1]);
  });
});

describe('the latest', () => {
  test('is what the canary reported since the last block, one cell for each line', () => {
    const canary = {
      lines: [
        ...reports('c', { from: 0, to: 38, startedAt: 0, every: 1 }),
        ...reports('d', { from: 0, to: 37, startedAt: 0, every: 1 }, () => ({ failed: 1 })),
      ],
      tasks: [life('c', 0), life('d', 0)],
    };
    const { blocks, latest } = judged(measured(40, { canary }), 38);
    expect(seconds(blocks)).toEqual([30]);
    expect(latest.map(({ task, ageMs, finished, failed }) => [task, ageMs, finished, failed])).toEqual([
      ['c', 36_000, 10, 0],
      ['c', 37_000, 10, 0],
      ['c', 38_000, 10, 0],
      ['d', 36_000, 10, 1],
      ['d', 37_000, 10, 1],
    ]);
  });

  test('has what waits for others', () => {
    const stable = { lines: reports('s', { from: -600, to: 35 }) };
    const { blocks, latest } = judged(measured(50, { stable }), 49);
    expect(seconds(blocks)).toEqual([30]);
    expect(latest.map(({ ageMs }) => ageMs)).toEqual([40_000, 45_000, 50_000]);
  });

  test('is empty when nothing came, and before the judging began', () => {
    expect(judged(measured(40), 40).latest).toEqual([]);
    expect(judged(measured(25), 25).latest).toEqual([]);
    const stable = { lines: reports('s', { from: -600, to: 20 }) };
    expect(judged(measured(30, { stable }), 30).latest).toEqual([]);
  });
});

describe('a note', () => {
  test('reports what could not be read', () => {
    const problems = ['an outcome line of canary cannot be read'];
    expect(judged({ ...measured(60), problems }, 60).notes).toEqual(problems);
  });

  test('reports lines that contradict each other', () => {
    const other = reports('s', { from: 30, to: 60, startedAt: 29, sequence: 0 });
    const { lines } = measured(60).stable;
    const { notes } = judged(measured(60, { stable: { lines: [...lines, ...other] } }), 60);
    expect(notes).toEqual([expect.stringMatching(/^lines of task s contradict each other/)]);
    const twice = { ...lines.at(-1)!, fromMs: at(57) };
    const alike = judged(measured(60, { stable: { lines: [...lines, twice] } }), 60);
    expect(alike.notes).toEqual([expect.stringMatching(/^lines of task s contradict each other/)]);
  });

  test('reports lines from the future, which count when it has come', () => {
    const { notes, blocks, latest } = judged(measured(60), 45);
    expect(notes).toEqual([expect.stringMatching(/^lines of tasks c, s are about a time that has not come/)]);
    expect(seconds(blocks)).toEqual([30, 35, 40]);
    expect(latest.map(({ ageMs }) => ageMs)).toEqual([50_000, 55_000]);
    expect(judged(measured(55), 45).notes).toEqual([]);
  });
});

describe('whatever the lines are', () => {
  const word = fc.constantFrom('a', 'b', '__proto__');
  const counts = fc
    .record({
      received: fc.nat(20),
      failed: fc.nat(5),
      passed: fc.nat(20),
      retriedFailed: fc.nat(3),
      retriedPassed: fc.nat(3),
      pollingMs: fc.nat(5_000),
      inFlight: fc.nat(2),
      memoryMiB: fc.nat(500),
      durations: fc.uniqueArray(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 9 })), {
        selector: ([bin]) => bin,
      }),
      errors: fc.dictionary(word, fc.nat(9)),
      types: fc.dictionary(word, fc.tuple(fc.nat(9), fc.nat(9))),
      counters: fc.dictionary(word, fc.nat(9)),
    })
    .map(({ passed, retriedPassed, durations, ...rest }) => ({
      ...rest,
      finished: rest.failed + passed,
      retried: rest.retriedFailed + retriedPassed,
      durations: [...durations].sort(([a], [b]) => a - b),
    }));

  const lengthS = 60;
  /** A task that reports from before the release on, some in each second, and may stop. */
  const taskOf = (id: string) =>
    fc
      .record({
        every: fc.constantFrom(1, 5),
        began: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 19 })),
        all: fc.array(counts, { minLength: lengthS, maxLength: lengthS }),
        stop: fc.option(
          fc.record({ at: fc.integer({ min: 20, max: 59 }), drains: fc.boolean(), crash: fc.boolean() }),
        ),
      })
      .map(({ every, began, all, stop }) => {
        const to = stop?.at ?? lengthS;
        let index = 0;
        const lines = reports(id, { from: began, to, startedAt: began, every }, (end) => ({
          ...all[index++],
          final: stop?.drains === true && end === to,
        }));
        const ended = stop === null ? {} : { stopping: stop.at, stopped: stop.at + 0.5 };
        return { lines, life: { ...life(id, began, ended), ...(stop?.crash && { crash: 'exit code 1' }) } };
      });

  const worlds = fc
    .record({
      canary: fc.tuple(taskOf('c'), taskOf('d')),
      stable: fc.tuple(taskOf('s'), taskOf('t'), taskOf('u')),
      young: fc.tuple(taskOf('v'), taskOf('w')),
    })
    .map(({ canary, stable, young }) => {
      const track = (tasks: readonly { lines: Line[]; life: TaskLife }[]) => ({
        lines: tasks.flatMap((task) => task.lines),
        tasks: tasks.map((task) => task.life),
      });
      const hour = 3_600_000;
      const starts = track(young).lines.map((line) => ({
        ...line,
        startedAt: line.startedAt - hour,
        fromMs: line.fromMs - hour,
        toMs: line.toMs - hour,
      }));
      return { ...measured(lengthS), canary: track(canary), stable: track(stable), starts };
    });

  test('their order and repetitions change nothing', () => {
    const salted = worlds.chain((world) => {
      const all = [...world.canary.lines, ...world.stable.lines, ...world.starts];
      return fc.tuple(
        fc.constant(world),
        fc.array(fc.nat(), { minLength: all.length * 2, maxLength: all.length * 2 }),
      );
    });
    fc.assert(
      fc.property(salted, fc.integer({ min: 30, max: 80 }), ([world, salt], now) => {
        let next = 0;
        const disturbed = (lines: readonly Line[]) =>
          [...lines, ...lines.filter(() => salt[next++]! % 3 === 0)]
            .map((line) => ({ line, rank: salt[next++ % salt.length]! }))
            .sort((a, b) => a.rank - b.rank)
            .map(({ line }) => line);
        const other: Measurement = {
          ...world,
          canary: { ...world.canary, lines: disturbed(world.canary.lines) },
          stable: { ...world.stable, lines: disturbed(world.stable.lines) },
          starts: disturbed(world.starts),
        };
        expect(judged(other, now, 10)).toEqual(judged(world, now, 10));
      }),
      { numRuns: 20 },
    );
  });

  test('a line of five seconds is worth as much as five of one', () => {
    const parts = (line: Line): Line[] =>
      [0, 1, 2, 3, 4].map((part) => {
        const share = (count: number) => Math.floor((count + part) / 5);
        const shares = (record: Readonly<Record<string, number>>) =>
          Object.fromEntries(Object.entries(record).map(([name, count]) => [name, share(count)]));
        return {
          ...line,
          sequence: line.sequence * 5 + part,
          fromMs: line.fromMs + part * 1000,
          toMs: line.fromMs + (part + 1) * 1000,
          received: share(line.received),
          finished: share(line.finished),
          failed: share(line.failed),
          retried: share(line.retried),
          retriedFailed: share(line.retriedFailed),
          pollingMs: share(line.pollingMs),
          durations: line.durations.flatMap(([bin, count]) =>
            share(count) === 0 ? [] : [[bin, share(count)] as const],
          ),
          errors: shares(line.errors),
          counters: shares(line.counters),
          types: Object.fromEntries(
            Object.entries(line.types).map(([name, [all, bad]]) => [name, [share(all), share(bad)] as const]),
          ),
        };
      });
    fc.assert(
      fc.property(fc.array(counts, { minLength: 12, maxLength: 12 }), (all) => {
        let index = 0;
        const lines = reports('c', { from: 0, to: 60, startedAt: 0 }, () => all[index++]);
        const coarse = judged(measured(60, { canary: { lines }, starts: lines }), 60, 0);
        const fine = judged(
          measured(60, { canary: { lines: lines.flatMap(parts) }, starts: lines.flatMap(parts) }),
          60,
          0,
        );
        expect(fine).toEqual(coarse);
      }),
      { numRuns: 30 },
    );
  });

  test('the cells add up to the lines, and to one failure for each task that died with messages in hand', () => {
    const names = ['received', 'finished', 'failed', 'retried', 'retriedFailed'] as const;
    fc.assert(
      fc.property(worlds, (world) => {
        const { past, blocks, notes } = judged(world, 60 + settled, 10);
        expect(notes).toEqual([]);
        for (const track of ['canary', 'stable'] as const) {
          const { lines, tasks } = world[track];
          const cells = [...past, ...blocks].flatMap((block) => block[track]);
          const counted = track === 'canary' ? lines.filter(({ toMs }) => toMs > at(10)) : lines;
          const died = tasks.filter(({ id, stoppedAt }) => {
            const last = lines.filter(({ task }) => task === id).at(-1)!;
            return stoppedAt !== undefined && !last.final && last.inFlight > 0;
          });
          for (const name of names) {
            const deaths = name === 'finished' || name === 'failed' ? died.length : 0;
            const sum = (all: readonly Record<typeof name, number>[]) =>
              all.reduce((n, each) => n + each[name], 0);
            expect(sum(cells)).toBe(sum(counted) + deaths);
          }
          const durations = (all: readonly Pick<Cell, 'durations'>[]) =>
            all.flatMap((each) => each.durations ?? []).reduce((n, [, count]) => n + count, 0);
          expect(durations(cells)).toBe(durations(counted));
        }
      }),
      { numRuns: 30 },
    );
  });

  /** How late a line is: until it is ingested, which may be too late, or never, and until it can be read from then on. */
  const delays = fc.record({
    ingested: fc.oneof(
      { weight: 12, arbitrary: fc.integer({ min: 0, max: 6_000 }) },
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 120_000 }) },
      { weight: 1, arbitrary: fc.constant(Number.MAX_SAFE_INTEGER) },
    ),
    readable: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 15_000 }) },
    ),
  });

  test('blocks that were judged are judged again with the same digits, however late lines are and whenever one looks', () => {
    const looks = fc.array(fc.integer({ min: 20, max: 250 }), { minLength: 25, maxLength: 25 });
    const many = fc.array(delays, { minLength: 97, maxLength: 97 });
    fc.assert(
      fc.property(worlds, many, looks, (world, delays, times) => {
        let next = 0;
        const late = (lines: readonly Line[]) =>
          lines.map((line) => {
            const { ingested, readable } = delays[next++ % delays.length]!;
            return {
              line: { ...line, ingestedAt: line.toMs + ingested },
              readableAt: line.toMs + ingested + readable,
            };
          });
        const written = {
          canary: late(world.canary.lines),
          stable: late(world.stable.lines),
          starts: late(world.starts),
        };
        const readAt = (lines: ReturnType<typeof late>, now: number) =>
          lines.filter(({ readableAt }) => readableAt <= at(now)).map(({ line }) => line);
        const livesAt = (tasks: readonly TaskLife[], now: number) =>
          tasks.flatMap(({ id, startedAt, ...ended }) => [
            {
              id,
              ...(startedAt !== undefined && startedAt <= at(now) && { startedAt }),
              ...(ended.stoppingAt !== undefined && ended.stoppingAt <= at(now) && ended),
            },
          ]);
        const look = (now: number) =>
          judged(
            {
              ...world,
              canary: { lines: readAt(written.canary, now), tasks: livesAt(world.canary.tasks, now) },
              stable: { lines: readAt(written.stable, now), tasks: livesAt(world.stable.tasks, now) },
              starts: [...readAt(written.starts, now), ...readAt(written.stable, now)],
            },
            now,
            20,
          );
        const digits = (all: readonly (Block | Cell)[]) => all.map((each) => JSON.stringify(each));
        const last = look(300);
        const [past, starts, blocks] = [digits(last.past), digits(last.starts), digits(last.blocks)];
        expect(blocks).toHaveLength(8);
        for (const now of times) {
          const seen = look(now);
          expect(digits(seen.past)).toEqual(past.slice(0, seen.past.length));
          if (seen.blocks.length > 0) expect(digits(seen.starts)).toEqual(starts);
          expect(digits(seen.blocks)).toEqual(blocks.slice(0, seen.blocks.length));
        }
      }),
      { numRuns: 10 },
    );
  });

  test('nonsense takes no longer than sense', () => {
    const line = { ...reports('c', { from: 5, to: 10, startedAt: 0 })[0]!, sequence: 7 };
    const lines = [line, { ...line, startedAt: 0 }, { ...line, sequence: 9, fromMs: 1e15, toMs: 1e15 + 1 }];
    const { blocks } = judged(
      measured(60, { canary: { lines }, stable: { lines }, starts: lines }),
      60 + settled,
    );
    expect(blocks).toHaveLength(6);
  });
});
