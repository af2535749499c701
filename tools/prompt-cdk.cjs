/*
 * Tests load this into every Node program that they start. CDK's command looks at a change set and at a stack every five
 * seconds, and at its events every two: for an engine whose time is that of the tests, it looks fifty times as often.
 */
const WAITS_MS = [2_000, 5_000];

if (process.argv[1]?.endsWith('/aws-cdk/bin/cdk')) {
  const { setTimeout: wait } = globalThis;
  globalThis.setTimeout = Object.defineProperties(
    (run, ms, ...args) => wait(run, WAITS_MS.includes(ms) ? ms / 50 : ms, ...args),
    Object.getOwnPropertyDescriptors(wait),
  );
}
