import type { World } from './world.ts';

/*
 * The worlds that releases are simulated into; world.ts says what each parameter means. To try another, add it to a list
 * and run `npm run bench:judge -- --only 'its name' --releases 200`.
 */

/** A world at some rates of messages. */
export interface Scenario {
  readonly world: Omit<World, 'messagesPerSecond'>;
  readonly messagesPerSecond: readonly number[];
}

export function worldsOf(scenarios: readonly Scenario[]): World[] {
  return scenarios.flatMap(({ world, messagesPerSecond }) =>
    messagesPerSecond.map((rate): World => ({ ...world, messagesPerSecond: rate })),
  );
}

/** What fails anyway, where the world does not say. */
const FAILURE_RATE = 0.002;

type Parts = Partial<Omit<World, 'name' | 'messagesPerSecond'>>;

const at =
  (...messagesPerSecond: readonly number[]) =>
  (name: string, parts: Parts = {}): Scenario => ({
    world: { name, failureRate: FAILURE_RATE, ...parts },
    messagesPerSecond,
  });

const atAll = at(1, 10, 100);
const atTen = at(10);

/** The canary is as good as stable, in every way that has misled a judge: nothing may be rolled back. */
export function goodReleases(): Scenario[] {
  const coldFailures2 = { rate: 0.02, untilAge: 120 };
  const coldFailures5 = { rate: 0.05, untilAge: 60 };
  const coldSlowness1_5 = { factor: 1.5, seconds: 90 };
  const coldSlowness2 = { factor: 2, seconds: 90 };
  return [
    atAll('plain, 0.1 % fail', { failureRate: 0.001, timed: true }),
    atAll('plain, 0.2 % fail', { timed: true }),
    atAll('plain, 1 % fail', { failureRate: 0.01, timed: true }),

    atAll('tasks fail unequally: CV 0.25', { failureRate: 0.01, unequalRates: 0.25 }),
    atAll('tasks fail unequally: CV 0.5', { failureRate: 0.01, unequalRates: 0.5 }),
    atAll('tasks unequally fast: 2 %', { unequalSpeeds: 0.02 }),
    atAll('tasks unequally fast: 5 %', { unequalSpeeds: 0.05 }),
    atAll('tasks unequally fast: 10 %', { unequalSpeeds: 0.1 }),

    ...[0, 40].flatMap((canaryAge) => [
      atAll(`cold: 2 % fail until 120 s, from ${canaryAge} s`, { coldFailures: coldFailures2, canaryAge }),
      atAll(`cold: 5 % fail until 60 s, from ${canaryAge} s`, { coldFailures: coldFailures5, canaryAge }),
      atAll(`cold: 1.5 times slower, from ${canaryAge} s`, { coldSlowness: coldSlowness1_5, canaryAge }),
      atAll(`cold: 2 times slower, from ${canaryAge} s`, { coldSlowness: coldSlowness2, canaryAge }),
    ]),
    ...[0, 40].map((canaryAge) =>
      atAll(`cold: both, starts unknown, from ${canaryAge} s`, {
        coldFailures: coldFailures5,
        coldSlowness: coldSlowness2,
        canaryAge,
        startsKnown: false,
      }),
    ),

    atAll('canary receives tens, stable ones', {
      failureRate: 0.01,
      receives: { canary: 10, stable: 1, together: false },
    }),
    atAll('the same, tens fail together', {
      failureRate: 0.01,
      receives: { canary: 10, stable: 1, together: true },
    }),
    atAll('tens fail together on both', {
      failureRate: 0.01,
      receives: { canary: 10, stable: 10, together: true },
    }),
    atAll('ramp: stable grows from 3 to 10, cold', {
      ramp: { times: 10 / 3, seconds: 1200 },
      coldFailures: coldFailures5,
      coldSlowness: { factor: 2, seconds: 60 },
    }),
    atAll('outage, breakers close within 10 s', {
      outages: { at: [300, 2000], seconds: 60, breakersWithin: 10 },
    }),
    atAll('outage, breakers close within 30 s', {
      outages: { at: [300, 2000], seconds: 60, breakersWithin: 30 },
    }),
    atAll('work of 10 min, quick failures: 5 %', { failureRate: 0.05, longWork: { seconds: 600 } }),
    atAll('work of 2 min, quick failures: 5 %', { failureRate: 0.05, longWork: { seconds: 120 } }),
    atAll('clumps of 10, 0.5 per task and hour', { clumps: { size: 10, perTaskHour: 0.5 } }),
    atAll('clumps of 10, 2 per task and hour', { clumps: { size: 10, perTaskHour: 2 } }),
    atAll('pauses of 1 s every 300 s', { pauses: { seconds: 1, every: 300 } }),
    atAll('pauses of 0.5 s every 60 s', { pauses: { seconds: 0.5, every: 60 } }),
    atAll('speed wanders: 10 % over 60 s', { wander: { sd: 0.1, seconds: 60 } }),
    atAll('a message crashes 3 tasks every 300 s', {
      crashMessages: { every: 300, deliveries: 3, replacedAfter: 30 },
    }),
    atAll('tasks crash every 10 min', { crashes: { every: 600, replacedAfter: 30 } }),
    atAll('bursts of poison: 20 % for 20 s', { poison: { perHour: 6, seconds: 20, part: 0.2 } }),
    atAll('canary better: 0.2 % against 1 %', { failureRate: 0.01, version: { failureRate: 0.002 } }),
    atAll('canary takes half a share', { canaryWeight: 0.5 }),
    atAll('canary takes a double share', { canaryWeight: 2 }),
    atAll('backlog', { backlog: { concurrency: 1 } }),
    atAll('many of these at once', {
      failureRate: 0.01,
      unequalRates: 0.25,
      unequalSpeeds: 0.05,
      coldFailures: coldFailures2,
      coldSlowness: coldSlowness1_5,
      clumps: { size: 10, perTaskHour: 0.5 },
      pauses: { seconds: 1, every: 300 },
      wander: { sd: 0.05, seconds: 60 },
      crashes: { every: 1800, replacedAfter: 30 },
      poison: { perHour: 2, seconds: 20, part: 0.2 },
    }),
  ];
}

/** The canary is bad at once, or soon. */
export function badReleases(): Scenario[] {
  const failing = (failures: number) => ({ version: { failures } });
  const done = { worse: 'less', tolerance: 0.25 } as const;
  return [
    atAll('everything fails', failing(1)),
    atTen('90 % fail', failing(0.9)),
    atTen('50 % fail', failing(0.5)),
    atAll('10 % fail', failing(0.1)),
    atAll('5 % fail', failing(0.05)),
    atAll('2 % fail', failing(0.02 - FAILURE_RATE)),
    atTen('1 % -> 3 % fail', { failureRate: 0.01, ...failing(0.02) }),
    atTen('half fail in one tenth of the time', {
      version: { failures: 0.5, intermittent: { on: 30, every: 300 } },
    }),
    atTen('one of twenty message types fails', { types: 20, version: { brokenTypes: 1 } }),
    atTen('slower by half, warm canary', { canaryAge: 200, version: { slower: 1.5 } }),
    atTen('slower by half, from 40 s', { version: { slower: 1.5 } }),
    atTen('leak: slows to double, 8 to 18 min', { version: { onset: 480, slower: 2, growing: 600 } }),
    atTen('3 % take 8 times as long', { version: { tail: { part: 0.03, factor: 8 } } }),
    atTen('throughput halved under a backlog', {
      backlog: { concurrency: 2 },
      version: { concurrency: 0.5 },
    }),
    atTen('drops 10 %', { version: { drops: 0.1 } }),
    atTen('drops 10 %, counter judged', { counter: done, version: { drops: 0.1 } }),
    atTen('drops 30 %', { version: { drops: 0.3 } }),
    atTen('drops 30 %, counter judged', { counter: done, version: { drops: 0.3 } }),
    atTen('crashes every 10 s', { version: { crashes: { every: 10, replacedAfter: 5 } } }),
  ];
}

/** The same regression at once and after half an hour. */
export function lateReleases(): { readonly early: Scenario; readonly late: Scenario }[] {
  return [0.02 - FAILURE_RATE, 0.1, 1].map((failures) => {
    const name = failures === 1 ? 'everything fails' : `${failures < 0.1 ? 2 : 10} % fail`;
    return {
      early: atTen(`${name}, at once`, { version: { failures } }),
      late: atTen(`${name}, from 30 min on`, { version: { failures, onset: 1800 } }),
    };
  });
}

/** Versions that are worse by exactly the margin of the default policy: few may be passed. */
export function marginalReleases(): Scenario[] {
  const version = { failures: 0.02 };
  const clumped = (size: number) => ({ ...version, clumped: size });
  return [
    atAll('plain, 0.2 %', { version }),
    atAll('plain, 1 %', { failureRate: 0.01, version }),
    atTen('tasks fail unequally: CV 0.25', { failureRate: 0.01, unequalRates: 0.25, version }),
    atTen('tasks fail unequally: CV 0.5', { failureRate: 0.01, unequalRates: 0.5, version }),
    atTen('cold: 5 % fail until 60 s', { coldFailures: { rate: 0.05, untilAge: 60 }, version }),
    atTen('ramp: young stable tasks fail 10 % until 120 s', {
      ramp: { times: 10 / 3, seconds: 1200 },
      coldFailures: { rate: 0.1, untilAge: 120 },
      version,
    }),
    atTen('after an outage', { outages: { at: [60], seconds: 60, breakersWithin: 10 }, version }),
    atTen('excess in clumps of 5', { version: clumped(5) }),
    atTen('excess in clumps of 20', { version: clumped(20) }),
    atTen('work of 10 min, quick failures: 5 %', { failureRate: 0.05, longWork: { seconds: 600 }, version }),
    atTen('work of 2 min, quick failures: 5 %', { failureRate: 0.05, longWork: { seconds: 120 }, version }),
    atTen('tens fail together', {
      failureRate: 0.01,
      receives: { canary: 10, stable: 10, together: true },
      version: clumped(10),
    }),
  ];
}
