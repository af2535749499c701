import { expect, test } from 'vitest';
import { healthOf } from './health.ts';

const working = {
  state: 'running' as const,
  inFlight: 3,
  handlersStuck: 0,
  receiveFaultsInARow: 0,
  lastReceiveAtMs: 1_000,
  loopLagMs: 2,
};

test('a worker that runs is healthy, with failed receives and stuck handlers below their limits', () => {
  const figures = { ...working, handlersStuck: 9, receiveFaultsInARow: 4 };
  expect(healthOf(figures, 10)).toEqual({ ...figures, healthy: true, problems: [] });
});

test('a worker that drains is healthy', () => {
  expect(healthOf({ ...working, state: 'draining' }, 10).healthy).toBe(true);
});

test.each([
  [{ state: 'new' }, 'not started'],
  [{ state: 'stopped' }, 'stopped'],
  [{ receiveFaultsInARow: 5 }, '5 receives failed in a row'],
  [{ handlersStuck: 10 }, '10 handlers ignored their abort signal and still run'],
] as const)('a worker with %j is unhealthy', (figures, problem) => {
  expect(healthOf({ ...working, ...figures }, 10)).toMatchObject({ healthy: false, problems: [problem] });
});
