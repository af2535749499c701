import { describe, expect, test } from 'vitest';
import { Pace } from '../clock/pace.ts';
import { VirtualClock } from '../clock/virtual-clock.ts';
import { ByteIds } from '../ids.ts';
import { State } from '../state/state.ts';
import { Consistency } from './consistency.ts';

function world(pace = 1) {
  const clock = new VirtualClock();
  const state = new State(':memory:');
  const consistency = new Consistency({ state, clock, pace: new Pace(pace), ids: ByteIds.seeded(1) });
  const parameters = state.table<string>('ssm.parameters');
  const read = (operation = 'GetParameter') =>
    consistency.answer('ssm', operation, () => parameters.get('name'));
  return { clock, state, parameters, read };
}

describe('an eventually consistent read', () => {
  test('answers what was true up to five seconds ago, also after a newer answer, and then what is', async () => {
    const { clock, parameters, read } = world();
    parameters.put('name', 'old');
    await clock.advanceBy(60_000);
    parameters.put('name', 'new');
    expect(read()).toBe('old');
    await clock.advanceBy(300);
    const answers = Array.from({ length: 100 }, () => read());
    expect(new Set(answers)).toEqual(new Set(['old', 'new']));
    expect(answers.lastIndexOf('old')).toBeGreaterThan(answers.indexOf('new'));
    await clock.advanceBy(4_700);
    expect(new Set(Array.from({ length: 100 }, () => read()))).toEqual(new Set(['new']));
  });

  test('is as old as the pace makes it', async () => {
    const { clock, parameters, read } = world(10);
    parameters.put('name', 'old');
    await clock.advanceBy(60_000);
    parameters.put('name', 'new');
    expect(read()).toBe('old');
    await clock.advanceBy(500);
    expect(new Set(Array.from({ length: 100 }, () => read()))).toEqual(new Set(['new']));
  });

  test('is not old for longer when the clock is set back', async () => {
    const { clock, parameters, read } = world();
    parameters.put('name', 'old');
    await clock.advanceBy(60_000);
    parameters.put('name', 'new');
    clock.setBack(3_600_000);
    await clock.advanceBy(5_000);
    expect(new Set(Array.from({ length: 100 }, () => read()))).toEqual(new Set(['new']));
  });

  test('is what the list says: others, and what services ask, see what is', () => {
    const { parameters, read } = world();
    parameters.put('name', 'new');
    expect(read()).toBeUndefined();
    expect(read('DescribeParameters')).toBe('new');
    expect(parameters.get('name')).toBe('new');
  });
});

describe('a table that remembers', () => {
  test('shows all that it held at an instant: what was put, changed and deleted since is as it was', async () => {
    const { clock, state } = world();
    const tasks = state.table<number>('ecs.tasks');
    tasks.put('deleted', 1);
    tasks.put('changed', 2);
    const then = clock.nowMs();
    await clock.advanceBy(1_000);
    tasks.delete('deleted');
    tasks.put('changed', 3);
    tasks.put('changed', 4);
    tasks.put('new', 5);
    state.asOf(then, () => {
      expect([...tasks.entries()]).toEqual([
        ['deleted', 1],
        ['changed', 2],
      ]);
      expect([tasks.size, tasks.has('deleted'), tasks.has('new')]).toEqual([2, true, false]);
      expect(() => tasks.put('changed', 6)).toThrow('the past is written');
    });
    expect([...tasks.values()]).toEqual([4, 5]);
  });

  test('forgets what no answer can show any more', async () => {
    const { clock, state } = world();
    const tasks = state.table<number>('ecs.tasks');
    tasks.put('one', 1);
    const then = clock.nowMs() - 1;
    await clock.advanceBy(6_000);
    tasks.put('two', 2);
    state.asOf(then, () => expect([...tasks.keys()]).toEqual(['one']));
  });
});
