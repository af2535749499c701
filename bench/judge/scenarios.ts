import type { Scenario } from './trace.ts';

const SHARE = 0.25;

const plain = (name: string, change: Partial<Scenario>): Scenario => ({
  name,
  unitsPerSecond: 10,
  baselineRate: 0.001,
  canaryRate: 0.001,
  share: SHARE,
  ...change,
});

/** A canary no worse than the baseline, every way that has misled a test: nothing may be rolled back. */
export function nullScenarios(quick: boolean): Scenario[] {
  const rates = [1, 10, 100, 1000].flatMap((unitsPerSecond) =>
    [0.001, 0.01].map((rate) =>
      plain(`equal, ${rate * 100} %, ${unitsPerSecond} msg/s`, {
        unitsPerSecond,
        baselineRate: rate,
        canaryRate: rate,
        buckets: unitsPerSecond === 1000 || (quick && unitsPerSecond === 100),
      }),
    ),
  );
  const equal = (name: string, rate: number, change: Partial<Scenario>) =>
    plain(name, { baselineRate: rate, canaryRate: rate, ...change });
  return [
    ...rates,
    equal('bursts of poison, 0.1 %', 0.001, { bursts: true }),
    equal('bursts of poison, 1 %', 0.01, { bursts: true }),
    equal('bursts of poison, 1 %, 100 msg/s, 5 s buckets', 0.01, {
      bursts: true,
      unitsPerSecond: 100,
      buckets: true,
    }),
    equal('share drifting 15 to 35 %, 1 %', 0.01, { share: 'drifting' }),
    equal('share drifting, bursts, 1 %', 0.01, { share: 'drifting', bursts: true }),
    equal('batches of 10, 2 % wholly poisoned', 0.02, { batches: true }),
    equal('many retries, 10 %', 0.1, {}),
    plain('canary better: 0.1 % against 1 %', { baselineRate: 0.01 }),
    plain('canary better: 0.5 % against 1 %', { baselineRate: 0.01, canaryRate: 0.005 }),
  ];
}

/** A canary that is worse, at every rate. */
export function regressionScenarios(): Scenario[] {
  return [0.001, 0.01].flatMap((baselineRate) =>
    [0.005, 0.02, 0.1, 1]
      .filter((canaryRate) => canaryRate > baselineRate)
      .flatMap((canaryRate) =>
        [1, 10, 100, 1000].map((unitsPerSecond) =>
          plain(`${baselineRate * 100} % -> ${canaryRate * 100} %, ${unitsPerSecond} msg/s`, {
            unitsPerSecond,
            baselineRate,
            canaryRate,
          }),
        ),
      ),
  );
}

/** Regressions amid what misleads a test. */
export function disturbedScenarios(): Scenario[] {
  return [
    ...[0.02, 0.1, 1].flatMap((canaryRate) => [
      plain(`0.1 % -> ${canaryRate * 100} %, bursts of poison`, { canaryRate, bursts: true }),
      plain(`0.1 % -> ${canaryRate * 100} %, share drifting`, { canaryRate, share: 'drifting' }),
      plain(`0.1 % -> ${canaryRate * 100} %, 100 msg/s, 5 s buckets`, {
        canaryRate,
        unitsPerSecond: 100,
        buckets: true,
      }),
    ]),
    plain('2 % -> 12 % of batches of 10', { baselineRate: 0.02, canaryRate: 0.12, batches: true }),
    plain('10 % -> 20 %, many retries', { baselineRate: 0.1, canaryRate: 0.2 }),
  ];
}

/** The same regression at once and after half an hour. */
export function lateScenarios(): { readonly early: Scenario; readonly late: Scenario }[] {
  return [0.02, 0.1, 1].flatMap((canaryRate) =>
    [0.001, 0.01].map((baselineRate) => {
      const early = plain(`${baselineRate * 100} % -> ${canaryRate * 100} %`, { baselineRate, canaryRate });
      return { early, late: { ...early, onsetMs: 30 * 60_000 } };
    }),
  );
}

/** Margins to certify, for a canary that is as good as the baseline and for one that is worse by the margin. */
export function certificationScenarios(): { readonly delta: number; readonly scenario: Scenario }[] {
  return [0.001, 0.01].flatMap((rate) =>
    [0.005, 0.01, 0.02, 0.05].map((delta) => ({
      delta,
      scenario: plain(`${rate * 100} %, margin ${delta * 100} %`, { baselineRate: rate, canaryRate: rate }),
    })),
  );
}
