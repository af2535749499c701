import { describe, expect, test } from 'vitest';
import { block, cell, START } from '../../test/judge-scenes.ts';
import { type Block, blockProblem, type Cell } from './block.ts';

const canary = (change: Partial<Cell>): Partial<Block> => ({ canary: [cell({ task: 'x', ...change })] });
const none = { count: 0, taskSeconds: 5 };

describe('a block', () => {
  test('may be empty', () => {
    expect(blockProblem(block(0))).toBeUndefined();
    expect(
      blockProblem(block(0, { canary: [], stable: [], crashes: { canary: none, stable: none } })),
    ).toBeUndefined();
  });

  test.each<[string, Partial<Block>, string]>([
    [
      'a counter that went backwards',
      canary({ finished: -3 }),
      'of task x must be whole numbers, 0 or more; a count below 0 means that a counter went backwards',
    ],
    ['fractions', canary({ received: 1.5 }), 'of task x must be whole numbers'],
    ['no number', canary({ retried: Number.NaN }), 'of task x must be whole numbers'],
    ['more than can be counted', canary({ finished: 2 ** 60 }), 'of task x must be whole numbers'],
    [
      'more failed than finished',
      canary({ finished: 4, failed: 5 }),
      'task x cannot have failed more messages than it finished',
    ],
    [
      'more later deliveries failed than ended',
      canary({ retried: 0, retriedFailed: 1 }),
      'cannot have failed more',
    ],
    ['an impossible task of stable', { stable: [cell({ task: 'y', failed: 11 })] }, 'task y cannot'],
    ['an impossible start', { starts: [cell({ task: 'z', failed: 11 })] }, 'task z cannot'],
    ['an end before its beginning', { toMs: START - 1 }, 'must end after it begins'],
    ['no duration', { toMs: START }, 'must end after it begins'],
    ['no time', { fromMs: Number.NaN }, 'not run from NaN'],
    [
      'half a crash',
      { crashes: { canary: { count: 0.5, taskSeconds: 5 }, stable: none } },
      'not 0.5 in 5 task-seconds',
    ],
    [
      'crashes in no possible time',
      { crashes: { canary: none, stable: { count: 1, taskSeconds: Number.NaN } } },
      '1 in NaN task-seconds',
    ],
  ])('cannot be judged with %s', (_, change, words) => {
    expect(blockProblem(block(0, change))).toContain(words);
  });
});
