import { SSMClient } from '@aws-sdk/client-ssm';
import { defaultReleasePolicy, parseRecord, stages, tracks } from '@queue-canary/core';
import { describe, expect, test } from 'vitest';
import { AwsRecordGateway } from '../src/gateways/record.ts';
import { createHandler } from '../src/handler.ts';
import { FakeGateways, imageOf } from './fake-gateways.ts';

const start = Date.UTC(2026, 0, 1);
const policy = {
  ...defaultReleasePolicy,
  bakeMs: 60_000,
  watchMs: 60_000,
  // Nothing is measured, so the judge's time need not be long: each look judges all of it.
  judge: { ...defaultReleasePolicy.judge, bakeMsMin: 60_000, warmUpMs: 60_000, deadlineMs: 180_000 },
};
const names = { releaseParameter: '/release', rollbackParameter: '/rollback', imageParameter: '/image' };

interface Input {
  readonly Name?: string;
  readonly Value?: string;
}

/** Parameters as SSM keeps them: each write makes a version, and none is conditional. */
class Parameters {
  readonly #values = new Map<string, string[]>();

  versions(name: string): number {
    return this.#values.get(name)?.length ?? 0;
  }

  write(name: string, value: string): number {
    const values = this.#values.get(name) ?? [];
    this.#values.set(name, values);
    return values.push(value);
  }

  newest(name: string): string {
    return this.#values.get(name)?.at(-1) ?? '';
  }

  /** @param known the newest version that the answer to a read knows of, where that is an old one. */
  answer({ Name = '', Value }: Input, known?: number): object {
    if (Value !== undefined) return { Version: this.write(Name, Value) };
    const [name = '', selected] = Name.split(':');
    const values = this.#values.get(name) ?? [];
    const version = selected === undefined ? (known ?? values.length) : Number(selected);
    return { Parameter: { Value: values[version - 1], Version: version, LastModifiedDate: new Date(start) } };
  }
}

/** Lets one of several at a time go on, in an order that is given from outside. */
class Turns {
  readonly #waiting = new Map<string, () => void>();
  readonly #pausing = new Map<string, () => void>();
  readonly #ended = new Set<string>();

  /** Waits for the actor's turn. */
  take(actor: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(actor, resolve));
  }

  /** Waits until nobody has anything else to do: a pause takes longer than calls do. */
  pause(actor: string): Promise<void> {
    return new Promise((resolve) => this.#pausing.set(actor, resolve));
  }

  /** Who may go on. */
  get actors(): readonly string[] {
    const calling = [...this.#waiting.keys()];
    return (calling.length > 0 ? calling : [...this.#pausing.keys()]).sort();
  }

  /** The actor waits for no turn any more. */
  end(actor: string): void {
    this.#ended.add(actor);
  }

  /** The actor does one thing, and comes to the next that it must wait for, or to its end. */
  async give(actor: string): Promise<void> {
    const go = this.#waiting.get(actor) ?? this.#pausing.get(actor);
    this.#waiting.delete(actor);
    this.#pausing.delete(actor);
    go?.();
    await this.arrival(actor);
  }

  async arrival(actor: string): Promise<void> {
    const places = [this.#waiting, this.#pausing, this.#ended];
    while (!places.some((place) => place.has(actor))) await new Promise(setImmediate);
  }
}

/** A moment at which each controller that looks writes the record. */
type Moment = 'end of the watch' | 'end of the bake';

/** Release e1 of image b over the recorded image a, at such a moment. */
class Ending {
  readonly fake = new FakeGateways();
  readonly parameters = new Parameters();
  readonly turns = new Turns();
  now = start;

  async arrive(moment: Moment): Promise<void> {
    const { fake, parameters } = this;
    parameters.write('/release', '{"version":1}');
    parameters.write('/rollback', '{}');
    parameters.write('/image', imageOf('a'));
    await this.look();
    const steps = ['build', 'canary', 'judge', 'approval', 'stable', 'record'] as const;
    const last = moment === 'end of the watch' ? 'record' : 'judge';
    fake.executions = [{ id: 'e1', status: 'InProgress', startedAt: start, updatedAt: start, commit: 'c2' }];
    for (const track of last === 'record' ? tracks : ['canary']) {
      fake.taskDefinitions = { ...fake.taskDefinitions, [track]: `${track}:2` };
      fake.images[`${track}:2`] = imageOf('b');
    }
    fake.actions = steps.slice(0, steps.indexOf(last) + 1).map((step) => ({
      executionId: 'e1',
      ...stages[step],
      status: step === last ? 'InProgress' : 'Succeeded',
      startedAt: this.now,
      updatedAt: this.now,
      ...(step === 'build' && { variables: { IMAGE_DIGEST: `sha256:${'b'.repeat(64)}` } }),
    }));
    fake.openJobs.add('j1');
    await this.look();
    this.now += policy.judge.deadlineMs + policy.watchMs;
  }

  /**
   * A controller; what it reads of the parameters at a look is of one moment, and whatever else it does takes its turn.
   *
   * @param old whether AWS answers all its reads of the record with what was there at its first, until it has paused.
   */
  controller(actor?: string, old = false): (event: unknown) => Promise<unknown> {
    const known = old ? this.parameters.versions(names.releaseParameter) : undefined;
    let paused = false;
    const pause = async () => {
      if (actor !== undefined) await this.turns.pause(actor);
      paused = true;
    };
    // The rest of a client would be most of the work.
    const send = async ({ input }: { readonly input: Input }) => {
      const isRecord = input.Name?.startsWith(names.releaseParameter) === true;
      if (actor !== undefined && isRecord) await this.turns.take(actor);
      return this.parameters.answer(input, isRecord && !paused ? known : undefined);
    };
    const client: SSMClient = Object.assign(Object.create(SSMClient.prototype), { send });
    const record = new AwsRecordGateway(client, names, pause);
    return createHandler({
      gateways: { ...this.fake, record },
      policy,
      nowMs: () => this.now,
      sleep: async (ms) => {
        await pause();
        this.now += ms;
      },
      log: () => {},
    });
  }

  async look(): Promise<void> {
    await this.controller()({});
  }

  get record() {
    const parsed = parseRecord(this.parameters.newest('/release'));
    if (!parsed.ok) throw new Error(parsed.problem);
    return parsed.record;
  }
}

const job = { 'CodePipeline.job': { id: 'j1' } };
const wish = { queueCanary: 'rollback', executionId: 'e1', reason: 'too slow' };

/**
 * How often one of the three goes on although the one before could have, at most: without a bound there are hundreds of
 * thousands of courses, and who has to be interrupted so often for a fault to show is rare.
 */
const INTERRUPTIONS_MAX = 2;

interface Played {
  readonly ending: Ending;
  /** Among how many there was a choice, at each step. */
  readonly options: readonly number[];
  /** What the person was answered; absent where the course was left. */
  readonly person?: 'answered' | Error;
}

/** One course of things: who goes on at each moment, by their place among those who wait. */
async function play(moment: Moment, old: boolean, choices: readonly number[]): Promise<Played> {
  const ending = new Ending();
  await ending.arrive(moment);
  const { turns } = ending;
  const outcomes = new Map<string, 'answered' | Error>();
  const act = async (actor: string, event: object) => {
    const outcome = await ending
      .controller(
        actor,
        old,
      )(event)
      .then(
        () => 'answered' as const,
        (error: Error) => error,
      );
    outcomes.set(actor, outcome);
    turns.end(actor);
  };
  const events = { person: wish, job, wake: {} };
  const all = Object.entries(events).map(([actor, event]) => act(actor, event));
  for (const actor of Object.keys(events)) await turns.arrival(actor);
  const options: number[] = [];
  let before: string | undefined;
  let interruptions = 0;
  for (let step = 0; turns.actors.length > 0; step += 1) {
    const waiting = turns.actors;
    const actor = waiting[choices[step] ?? 0]!;
    options.push(waiting.length);
    if (before !== undefined && before !== actor && waiting.includes(before)) interruptions += 1;
    if (interruptions > INTERRUPTIONS_MAX) return { ending, options };
    await turns.give(actor);
    before = actor;
  }
  await Promise.all(all);
  for (let looks = 0; looks < 4; looks += 1) {
    ending.now += 20_000;
    await ending.look().catch(() => {});
  }
  return { ending, options, person: outcomes.get('person')! };
}

/** The next course after one that had so many options at each step; undefined after the last. */
function next(choices: readonly number[], options: readonly number[]): number[] | undefined {
  for (let step = options.length - 1; step >= 0; step -= 1) {
    const choice = choices[step] ?? 0;
    if (choice + 1 < options[step]!)
      return [...options.slice(0, step).map((_, at) => choices[at] ?? 0), choice + 1];
  }
  return undefined;
}

/** Plays all courses, and counts their ends. */
async function playAll(moment: Moment, old: boolean) {
  const seen = { rolledBack: 0, promoted: 0 };
  let choices: number[] | undefined = [];
  while (choices !== undefined) {
    const { ending, options, person }: Played = await play(moment, old, choices);
    const { decision, lastGood } = ending.record;
    const course: string = choices.join(' ');
    choices = next(choices, options);
    if (person === undefined) continue;
    if (decision?.executionId === 'e1') {
      expect(decision, course).toMatchObject({ by: 'person', kind: 'rollback', reason: 'too slow' });
      expect(ending.fake.images[ending.fake.taskDefinitions.canary], course).toBe(imageOf('a'));
      expect(ending.fake.images[ending.fake.taskDefinitions.stable], course).toBe(imageOf('a'));
      expect(lastGood?.executionId, course).not.toBe('e1');
      expect(person, course).toBe('answered');
      seen.rolledBack += 1;
    } else {
      expect(lastGood?.executionId, course).toBe('e1');
      expect(ending.fake.taskDefinitions, course).toEqual({ canary: 'canary:2', stable: 'stable:2' });
      expect(person, course).toBeInstanceOf(Error);
      seen.promoted += 1;
    }
  }
  return seen;
}

/** Thousands of courses on a slow machine. */
const MANY_COURSES_MS = 120_000;

describe("a person's rollback, while two controllers look, in whatever order they write,", () => {
  test.each([false, true])(
    'is carried out at the end of the bake (old answers: %s)',
    async (old) => {
      const { rolledBack, promoted } = await playAll('end of the bake', old);
      expect([rolledBack > 10, promoted]).toEqual([true, 0]);
    },
    MANY_COURSES_MS,
  );

  test.each([false, true])(
    'is carried out at the end of the watch, or refused where the release was promoted before (old answers: %s)',
    async (old) => {
      const { rolledBack, promoted } = await playAll('end of the watch', old);
      expect([rolledBack > 10, promoted > 10]).toEqual([true, true]);
    },
    MANY_COURSES_MS,
  );
});
