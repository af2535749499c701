import { describe, expect, test } from 'vitest';
import { always, TroubledOperations } from '../test/support/faults.ts';
import { World } from '../test/support/world.ts';

describe('a kill', () => {
  /** Kills a worker at a point of its handler, and lets another one go on. */
  async function killed(when: 'before' | 'after'): Promise<{ world: World; effects: string[] }> {
    const world = new World();
    const effects: string[] = [];
    const operations = new TroubledOperations(world.queue, world.clock, () => 'none');
    world.run(
      {
        concurrency: 3,
        handler: async (body) => {
          if (when === 'before' && body === 'c') {
            operations.kill();
            await new Promise(() => undefined);
          }
          effects.push(body);
          if (body === 'c') operations.kill();
        },
      },
      operations,
    );
    for (const body of ['a', 'b', 'c', 'd', 'e']) world.queue.put(body);
    await world.clock.advance(10_000);
    const next = world.run({
      handler: async (body) => {
        effects.push(body);
      },
    });
    await world.clock.until(() => world.queue.undeleted.length === 0);
    await world.drain(next);
    return { world, effects };
  }

  test.each(['before', 'after'] as const)(
    '%s the side effect loses nothing and repeats only what was in flight',
    async (when) => {
      const { effects } = await killed(when);
      expect([...new Set(effects)].sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
      // Three messages were in flight; none of them had been deleted.
      const repeated = effects.filter((body, index) => effects.indexOf(body) !== index).sort();
      expect(repeated).toEqual(when === 'before' ? ['a', 'b'] : ['a', 'b', 'c']);
    },
  );
});

test('a receive whose answer is lost strands its messages until their leases lapse, and no longer', async () => {
  const world = new World();
  const effects: string[] = [];
  const worker = world.run(
    {
      visibilitySeconds: 30,
      handler: async (body) => {
        effects.push(body);
      },
    },
    new TroubledOperations(world.queue, world.clock, always('receiveMessage', 'reply lost', 1)),
  );
  world.queue.put('a');
  await world.clock.advance(29_000);
  expect(effects).toEqual([]);
  await world.clock.advance(5_000);
  expect(effects).toEqual(['a']);
  await world.drain(worker);
  expect(world.endings()).toEqual({ Succeeded: 1 });
});
