import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultReleasePolicy } from '../../packages/core/src/index.ts';
import { good } from '../../packages/core/test/judged-world.ts';
import { SimulatedWorld } from '../../packages/core/test/simulated-world.ts';
import { SqsWorld } from '../../packages/engine/test/sqs-world.ts';

/** What happens to a release, and how AWS shows it. */
interface Given {
  readonly seed: number;
  /** Dead letters of earlier releases. */
  readonly residue: number;
  readonly alarmThreshold: number;
  readonly deployingMs: number;
  /** Time between two looks of the controller: some seconds while it holds a job, else a minute. */
  readonly lookMs: number;
  /** How often people look into the dead-letter queue, as a chance for each look of the controller. */
  readonly curious: number;
}

const given = fc.record<Given>({
  seed: fc.nat(),
  residue: fc.nat(6),
  alarmThreshold: fc.integer({ min: 1, max: 3 }),
  deployingMs: fc.integer({ min: 20_000, max: 90_000 }),
  lookMs: fc.constantFrom(10_000, 60_000),
  curious: fc.double({ min: 0, max: 1, noNaN: true }),
});

/** A release, with the dead-letter queue of the engine: its counts are approximate and late, as on AWS. */
class Course {
  readonly world: SimulatedWorld;
  readonly #given: Given;
  readonly #sqs: SqsWorld;
  readonly #url: string;
  readonly #random: () => number;

  private constructor(given: Given, sqs: SqsWorld, url: string) {
    this.#given = given;
    this.#sqs = sqs;
    this.#url = url;
    const ids = sqs.ids;
    this.#random = () => ids.random();
    this.world = new SimulatedWorld({
      ...defaultReleasePolicy,
      approval: 'manual',
      alarmThreshold: given.alarmThreshold,
    });
  }

  /** The canary is being deployed. */
  static async begin(given: Given): Promise<Course> {
    const sqs = await SqsWorld.start(given.seed);
    const course = new Course(given, sqs, await sqs.queue('dead', { VisibilityTimeout: '30' }));
    await course.deadLetter(given.residue);
    const { world } = course;
    world.wake();
    for (let look = 0; look < 12; look += 1) await course.#pass(5_000);
    world.report(good);
    world.push('v2');
    world.advance();
    world.advance();
    await course.look();
    return course;
  }

  end(): Promise<void> {
    return this.#sqs.end();
  }

  /** Messages come to the dead-letter queue. */
  async deadLetter(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += 1) await this.#sqs.send(this.#url, 'dead');
  }

  /** Time passes until the controller looks; whether it has ended the release. */
  async look(): Promise<boolean> {
    const { lookMs, deployingMs } = this.#given;
    const { world } = this;
    for (let passedMs = 0; passedMs < lookMs; passedMs += 5_000) await this.#pass(5_000);
    if (world.now - world.runs.at(-1)!.startedAt >= deployingMs) world.finishRollout('canary');
    world.advance();
    // The log is late, the alarm hangs on metrics that are late, missing or made up.
    if (this.#random() < 0.7) world.report(good);
    world.setAlarm(this.#random() < 0.3 ? 'ALARM' : 'OK');
    const [visible = 0, inFlight = 0, delayed = 0] = (await this.#sqs.approximateDepth(this.#url))
      .split('/')
      .map(Number);
    world.depth = { visible, hidden: inFlight + delayed };
    world.callJobs();
    world.wake();
    return world.record().decision !== undefined;
  }

  async #pass(ms: number): Promise<void> {
    this.world.pass(ms);
    await this.#sqs.clock.advanceBy(ms);
    if (this.#random() < this.#given.curious) await this.#sqs.bodies(this.#url);
  }
}

test('no look into the dead-letter queue, late metric or approximate count ends a release', {
  timeout: 600_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(given, async (given) => {
      const course = await Course.begin(given);
      for (let passedMs = 0; passedMs < 300_000; passedMs += given.lookMs) {
        expect(await course.look()).toBe(false);
      }
      await course.end();
    }),
    { numRuns: 20 },
  );
});

test('what the canary dead-letters ends it within two minutes', { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(given, fc.nat(150_000), fc.nat(3), async (given, quietMs, more) => {
      const course = await Course.begin(given);
      const { world } = course;
      for (let passedMs = 0; passedMs < quietMs; passedMs += given.lookMs) await course.look();
      const count = given.alarmThreshold + more;
      await course.deadLetter(count);
      world.deadLetterOn('canary', count);
      const failedAt = world.now;
      while (!(await course.look())) expect(world.now - failedAt).toBeLessThan(120_000);
      expect(world.now - failedAt).toBeLessThanOrEqual(120_000);
      expect(world.record().decision?.by).toBe('health');
      await course.end();
    }),
    { numRuns: 20 },
  );
});
