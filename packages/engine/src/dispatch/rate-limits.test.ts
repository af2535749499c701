import { describe, expect, test } from 'vitest';
import { Pace } from '../clock/pace.ts';
import { VirtualClock } from '../clock/virtual-clock.ts';
import type { Principal } from '../iam/principal.ts';
import { RATE_LIMITS, RateLimits } from './rate-limits.ts';

const ROOT: Principal = { kind: 'root', arn: 'arn:aws:iam::0:root', accountId: '0' };

/** How many of so many calls at once are refused. */
function refused(limits: RateLimits, calls: number, operation = 'FilterLogEvents', principal = ROOT): number {
  let count = 0;
  for (let call = 0; call < calls; call += 1) {
    try {
      limits.admit(principal, 'logs', operation, true);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ThrottlingException', status: 400, message: 'Rate exceeded' });
      count += 1;
    }
  }
  return count;
}

describe('rate limits', () => {
  test('refuse what is more than a bucket holds, and let through what it has gained since', async () => {
    const clock = new VirtualClock();
    const limits = new RateLimits(clock, new Pace(1));
    expect(refused(limits, 8)).toBe(3);
    await clock.advanceBy(400);
    expect(refused(limits, 8)).toBe(6);
    await clock.advanceBy(60_000);
    expect(refused(limits, 8)).toBe(3);
  });

  test('go on when the clock is set back', async () => {
    const clock = new VirtualClock();
    const limits = new RateLimits(clock, new Pace(1));
    expect(refused(limits, 8)).toBe(3);
    clock.setBack(3_600_000);
    await clock.advanceBy(60_000);
    expect(refused(limits, 8)).toBe(3);
  });

  test('are per second of the time that the pace makes of it', async () => {
    const clock = new VirtualClock();
    const limits = new RateLimits(clock, new Pace(20));
    expect(refused(limits, 8)).toBe(3);
    await clock.advanceBy(50);
    expect(refused(limits, 8)).toBe(3);
  });

  test('count what services call for the account, and refuse only clients', () => {
    const limits = new RateLimits(new VirtualClock(), new Pace(1));
    for (let call = 0; call < 10; call += 1) limits.admit(ROOT, 'logs', 'FilterLogEvents', false);
    expect(refused(limits, 1)).toBe(1);
  });

  test('leave alone what AWS does on its own behalf, and calls that are not listed', () => {
    const limits = new RateLimits(new VirtualClock(), new Pace(1));
    expect(
      refused(limits, 50, 'FilterLogEvents', { kind: 'service', arn: 'logs.amazonaws.com', accountId: '0' }),
    ).toBe(0);
    expect(refused(limits, 50, 'PutLogEvents')).toBe(0);
  });

  test('name their source', () => {
    for (const { source } of RATE_LIMITS) expect(source).toMatch(/^https:/);
  });
});
