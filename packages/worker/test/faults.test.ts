import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pause } from '../src/clock.ts';
import type { Outcome } from '../src/index.ts';
import { type Trouble, TroubledOperations } from './support/faults.ts';
import { type LogLine, World } from './support/world.ts';

/** The behaviour of a handler for one message, at each of its deliveries in turn and then successfully. */
type Behaviour =
  | { readonly kind: 'ok' | 'throws' | 'poison'; readonly afterMs: number }
  | { readonly kind: 'never settles' }
  | { readonly kind: 'blocks'; readonly forMs: number };

interface Script {
  readonly concurrency: number;
  readonly pollers: number;
  readonly visibilitySeconds: number;
  readonly groups: number;
  readonly messages: ReadonlyArray<{ readonly atMs: number; readonly behaviours: readonly Behaviour[] }>;
  /** The troubles of the calls, in turn; then there are none. */
  readonly troubles: readonly Trouble[];
  readonly stopAtMs: number;
  readonly batch: boolean;
}

const settling: fc.Arbitrary<Behaviour> = fc.record({
  kind: fc.constantFrom('ok', 'ok', 'throws', 'poison'),
  afterMs: fc.integer({ min: 0, max: 25_000 }),
});

const anything: fc.Arbitrary<Behaviour> = fc.oneof(
  { weight: 4, arbitrary: settling },
  { weight: 1, arbitrary: fc.constant<Behaviour>({ kind: 'never settles' }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('blocks' as const),
      forMs: fc.integer({ min: 0, max: 40_000 }),
    }),
  },
);

const scripts = (behaviour: fc.Arbitrary<Behaviour>): fc.Arbitrary<Script> =>
  fc.record({
    concurrency: fc.integer({ min: 1, max: 12 }),
    pollers: fc.integer({ min: 1, max: 3 }),
    visibilitySeconds: fc.integer({ min: 4, max: 30 }),
    groups: fc.integer({ min: 1, max: 4 }),
    messages: fc.array(
      fc.record({
        atMs: fc.integer({ min: 0, max: 30_000 }),
        behaviours: fc.array(behaviour, { maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 25 },
    ),
    troubles: fc.array(
      fc.constantFrom<Trouble>(
        'none',
        'none',
        'none',
        'request lost',
        'reply lost',
        'throttled',
        'unavailable',
        'denied',
        'unheard of',
        'partial',
        'slow',
      ),
      { maxLength: 60 },
    ),
    stopAtMs: fc.integer({ min: 0, max: 60_000 }),
    batch: fc.boolean(),
  });

/** Less than what a lease is trusted less for a reply that was on its way. */
const SLOW_MS = 300;

/** A world with its producers, and a record of what its handlers did. */
class Play {
  readonly world: World;
  readonly script: Script;
  readonly operations: TroubledOperations;
  /** Bodies in the order in which their handlers began. */
  readonly begun: string[] = [];
  /** Bodies whose handlers did their work, once for each time. */
  readonly done: string[] = [];
  readonly running = new Map<string, number>();
  mostRunning = 0;
  onBegin: (body: string) => void = () => undefined;
  readonly #attempts = new Map<string, number>();

  constructor(script: Script, fifo: boolean) {
    this.script = script;
    this.world = new World({ fifo });
    let calls = 0;
    this.operations = new TroubledOperations(
      this.world.queue,
      this.world.clock,
      () => script.troubles[calls++] ?? 'none',
      SLOW_MS,
    );
    for (const [index, { atMs }] of script.messages.entries()) {
      const groupId = `g${index % script.groups}`;
      this.world.clock.setTimer(atMs, () => this.world.queue.put(String(index), fifo ? { groupId } : {}));
    }
  }

  /** A started worker whose calls meet the script's troubles. */
  worker(withTroubles = true) {
    const { concurrency, pollers, visibilitySeconds, batch } = this.script;
    const one = (body: string) => this.#handle(body);
    const work = batch
      ? {
          batchHandler: async (items: readonly { body: string; message: { messageId: string } }[]) => {
            const outcomes = new Map<string, Outcome>();
            for (const { body, message } of items) {
              const outcome = await one(body).catch((error: unknown) => ({ kind: 'retry' as const, error }));
              outcomes.set(message.messageId, outcome);
              // A handler of ordered messages stops at the first that fails.
              if (this.world.queue.fifo && outcome.kind !== 'ok') break;
            }
            return outcomes;
          },
        }
      : { handler: one };
    return this.world.run(
      {
        ...work,
        concurrency,
        pollers,
        visibilitySeconds,
        handlerTimeoutMs: 60_000,
        retryLongestSeconds: 20,
      },
      withTroubles ? this.operations : this.world.queue,
    );
  }

  async #handle(body: string): Promise<Outcome> {
    const { clock } = this.world;
    const attempt = this.#attempts.get(body) ?? 0;
    this.#attempts.set(body, attempt + 1);
    this.begun.push(body);
    this.onBegin(body);
    this.running.set(body, (this.running.get(body) ?? 0) + 1);
    this.mostRunning = Math.max(
      this.mostRunning,
      [...this.running.values()].reduce((sum, count) => sum + count, 0),
    );
    const behaviour = this.script.messages[Number(body)]?.behaviours[attempt] ?? { kind: 'ok', afterMs: 0 };
    if (behaviour.kind === 'never settles') return new Promise<never>(() => undefined);
    if (behaviour.kind === 'blocks') clock.block(behaviour.forMs);
    else await pause(clock, behaviour.afterMs);
    this.running.set(body, (this.running.get(body) ?? 0) - 1);
    if (behaviour.kind === 'throws') throw new Error('as the script says');
    if (behaviour.kind === 'poison') return { kind: 'poison', reason: 'as the script says' };
    this.done.push(body);
    return { kind: 'ok' };
  }

  /**
   * How many times a message may have been done too often: once for each delivery that ended without a delete.
   * In a FIFO batch what follows a lost message of its group goes back with it, although it was done.
   */
  repeatsAllowed(body: string): number {
    const { messages, fifo } = this.world.queue;
    const own = messages.find((message) => message.body === body);
    const ids = messages
      .filter((other) => other === own || (fifo && this.script.batch && other.groupId === own?.groupId))
      .map(({ id }) => id);
    return this.world
      .events('message failed')
      .filter(({ outcome }) => outcome !== 'Failed' && outcome !== 'Poisoned')
      .filter(({ messageId }) => ids.includes(String(messageId))).length;
  }

  expectNothingLost(): void {
    const { messages } = this.world.queue;
    const deleted = messages.filter(({ deletedAtMs }) => deletedAtMs !== undefined);
    expect(deleted.filter(({ body }) => !this.done.includes(body))).toEqual([]);
  }

  expectFewRepeats(): void {
    for (const { body } of this.world.queue.messages) {
      const times = this.done.filter((other) => other === body).length;
      expect(times, `message ${body} was done too often`).toBeLessThanOrEqual(1 + this.repeatsAllowed(body));
    }
  }

  /** Each received message has ended in exactly one way. */
  expectBalance(): void {
    const ended = Object.values(this.world.endings()).reduce((sum, count) => sum + count, 0);
    expect(ended).toBe(this.world.total('Received'));
    this.expectSoundLines();
  }

  /** The lines of every task can be judged: nothing is missing, and nothing is counted as failed that did not finish. */
  expectSoundLines(): void {
    const byTask = Map.groupBy(this.world.lines(), ({ TaskId }) => TaskId);
    for (const lines of byTask.values()) {
      expect(lines.map(({ Sequence }) => Sequence)).toEqual(lines.map((_, index) => index));
      expect(lines.map(({ Final }) => Final)).toEqual(lines.map((_, index) => index === lines.length - 1));
      expect(lines.at(-1)).toMatchObject({ InFlight: 0 });
      // There are very many.
      expect(lines.filter((line, index) => !isSound(line, lines[index - 1]))).toEqual([]);
    }
  }
}

function isSound(line: LogLine, before: LogLine | undefined): boolean {
  const number = (name: string) => Number(line[name]);
  const { Durations = [], Errors = {} } = line as { Durations?: number[][]; Errors?: Record<string, number> };
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  return (
    number('From') < number('To') &&
    number('From') >= Number(before?.To ?? 0) &&
    Math.floor(number('From') / 5_000) === Math.floor((number('To') - 1) / 5_000) &&
    number('FirstFailed') <= number('FirstFinished') &&
    number('RetriedFailed') <= number('RetriedFinished') &&
    sum(Durations.map(([, count]) => count!)) <= number('FirstFinished') &&
    sum(Object.values(Errors)) === number('FirstFailed')
  );
}

const runs = { numRuns: 150 };

test('whatever happens to calls and handlers, a worker ends every message and never stops receiving', async () => {
  await fc.assert(
    fc.asyncProperty(scripts(anything), async (script) => {
      const play = new Play(script, false);
      const worker = play.worker();
      const { queue, clock } = play.world;
      const all = script.messages.length;
      await clock.until(() => queue.messages.length === all && queue.undeleted.length === 0, 3_600_000);
      play.expectNothingLost();
      play.expectFewRepeats();
      await play.world.drain(worker);
      play.expectBalance();
      expect(new Set(play.done).size).toBe(all);
    }),
    runs,
  );
});

test('stopped at any moment, a worker leaves nothing behind that the next one does not finish', async () => {
  await fc.assert(
    fc.asyncProperty(scripts(anything), async (script) => {
      const play = new Play(script, false);
      const { queue, clock } = play.world;
      const first = play.worker();
      await clock.advance(script.stopAtMs);
      await play.world.drain(first);
      play.expectNothingLost();
      play.expectBalance();
      const second = play.worker(false);
      const all = script.messages.length;
      await clock.until(() => queue.messages.length === all && queue.undeleted.length === 0, 3_600_000);
      await play.world.drain(second);
      play.expectNothingLost();
      play.expectFewRepeats();
      play.expectBalance();
    }),
    runs,
  );
});

test('killed at any moment, a worker repeats at most what it had in flight', async () => {
  await fc.assert(
    fc.asyncProperty(scripts(settling), async (script) => {
      const play = new Play(script, false);
      const { queue, clock } = play.world;
      play.worker();
      await clock.advance(script.stopAtMs);
      play.operations.kill();
      const inFlight = queue.undeleted.filter(({ receiveCount }) => receiveCount > 0).map(({ body }) => body);
      const doneBefore = [...play.done];
      const second = play.worker(false);
      const all = script.messages.length;
      await clock.until(() => queue.messages.length === all && queue.undeleted.length === 0, 3_600_000);
      await play.world.drain(second);
      play.expectNothingLost();
      for (const body of doneBefore) {
        if (!inFlight.includes(body)) {
          expect(play.done.filter((other) => other === body).length).toBeLessThanOrEqual(
            1 + play.repeatsAllowed(body),
          );
        }
      }
      expect(new Set(play.done).size).toBe(all);
    }),
    runs,
  );
});

test('without trouble, every message is handled exactly once and within the concurrency', async () => {
  await fc.assert(
    fc.asyncProperty(scripts(settling), async (script) => {
      const play = new Play({ ...script, troubles: [], batch: false }, false);
      const worker = play.worker();
      const { queue, clock } = play.world;
      const all = script.messages.length;
      await clock.until(() => queue.messages.length === all && queue.undeleted.length === 0, 3_600_000);
      await play.world.drain(worker);
      expect([...play.done].sort()).toEqual(queue.messages.map(({ body }) => body).sort());
      expect(play.mostRunning).toBeLessThanOrEqual(script.concurrency);
      play.expectBalance();
    }),
    runs,
  );
});

test('FIFO: a message begins only when all before it in its group are deleted, and other groups go on', async () => {
  await fc.assert(
    fc.asyncProperty(scripts(settling), async (script) => {
      const play = new Play(script, true);
      const { queue, clock } = play.world;
      const overtaken: string[] = [];
      play.onBegin = (body) => {
        const own = queue.messages.find((message) => message.body === body);
        for (const other of queue.messages) {
          if (other === own) break;
          const before = other.groupId === own?.groupId && other.deletedAtMs === undefined;
          // Within a batch, what is done is deleted only after the batch.
          if (before && !(script.batch && play.done.includes(other.body))) {
            overtaken.push(`${body} overtook ${other.body}`);
          }
        }
      };
      const worker = play.worker();
      const all = script.messages.length;
      await clock.until(() => queue.messages.length === all && queue.undeleted.length === 0, 3_600_000);
      await play.world.drain(worker);
      expect(overtaken).toEqual([]);
      play.expectNothingLost();
      play.expectFewRepeats();
      play.expectBalance();
    }),
    runs,
  );
});

test('a message is handled twice at the same time only after its lease was lost', async () => {
  await fc.assert(
    fc.asyncProperty(scripts(settling), async (script) => {
      const play = new Play({ ...script, batch: false }, false);
      const { queue, clock } = play.world;
      const twice: Array<{ body: string; atMs: number }> = [];
      play.onBegin = (body) => {
        if ((play.running.get(body) ?? 0) > 0) twice.push({ body, atMs: clock.nowMs() });
      };
      play.worker();
      const all = script.messages.length;
      await clock.until(() => queue.messages.length === all && queue.undeleted.length === 0, 3_600_000);
      const lost = play.world.events('message failed').filter(({ outcome }) => outcome === 'Expired');
      for (const { body, atMs } of twice) {
        const id = queue.messages.find((message) => message.body === body)?.id;
        const before = lost.filter(
          ({ messageId, timestamp }) => messageId === id && Number(timestamp) <= atMs + 1,
        );
        expect(before.length, `message ${body} began again`).toBeGreaterThan(0);
      }
    }),
    runs,
  );
});
