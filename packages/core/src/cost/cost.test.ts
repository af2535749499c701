import { describe, expect, it } from 'vitest';
import { type CostConfiguration, monthlyCost } from './cost.ts';

const base: CostConfiguration = {
  canaryTasks: 1,
  stableTasks: 3,
  vcpuPerTask: 0.25,
  gbPerTask: 1,
  architecture: 'x86_64',
  spot: false,
  natGateways: 1,
  messagesPerMonth: 1_000_000,
  releasesPerMonth: 30,
};
const of = (configuration: CostConfiguration, item: string) =>
  monthlyCost(configuration).find((line) => line.item === item)!.usd;

describe('the monthly cost', () => {
  it('of four small x86 tasks is what the list prices say', () => {
    // 730 h x (0.25 x 0.04048 + 1 x 0.004445) = 10.63245 a task.
    expect(of(base, 'Canary tasks')).toBeCloseTo(10.63245, 5);
    expect(of(base, 'Stable tasks')).toBeCloseTo(31.89735, 5);
  });

  it('of ARM is a fifth less, and of Spot a third for stable only', () => {
    const arm = { ...base, architecture: 'arm64' as const };
    expect(of(arm, 'Canary tasks') / of(base, 'Canary tasks')).toBeCloseTo(0.8, 2);
    const spot = { ...base, spot: true };
    expect(of(spot, 'Stable tasks')).toBeCloseTo(of(base, 'Stable tasks') / 3, 6);
    expect(of(spot, 'Canary tasks')).toBe(of(base, 'Canary tasks'));
  });

  it('has nothing for NAT without gateways, and nothing for SQS within the free million', () => {
    expect(of({ ...base, natGateways: 0 }, 'NAT gateways')).toBe(0);
    expect(of(base, 'SQS')).toBe(0);
    expect(of({ ...base, messagesPerMonth: 10_000_000 }, 'SQS')).toBeCloseTo(2, 6);
  });

  it('has the reports of every task in the logs, and what the judge reads for each release', () => {
    const without = { ...base, messagesPerMonth: 0, releasesPerMonth: 0 };
    // 525,600 lines of 2 KB are 1.05 GB for each task and month, at half a dollar.
    expect(of(without, 'Logs')).toBeCloseTo(4 * 1.0512 * 0.5, 3);
    expect(of(without, 'Metrics read by the judge')).toBe(0);
    expect(of(base, 'Metrics read by the judge')).toBeCloseTo(30 * 7.2 * 0.01, 6);
  });

  it('marks what rests on prices that were not checked', () => {
    const unchecked = monthlyCost(base).filter(({ checked }) => !checked);
    expect(unchecked.map(({ item }) => item)).toContain('NAT gateways');
    expect(unchecked.map(({ item }) => item)).not.toContain('Canary tasks');
  });
});
