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

  it('has the lines of every task in the logs, which cost nothing to read', () => {
    // 525,600 lines of 1.5 KB are 0.79 GB for each task and month, at half a dollar.
    expect(of(base, 'Outcome lines')).toBeCloseTo(4 * 0.7884 * 0.5, 4);
    expect(of({ ...base, stableTasks: 999 }, 'Outcome lines')).toBeCloseTo(1_000 * 0.3942, 4);
    expect(of({ ...base, stableTasks: 999 }, 'Outcome lines read by the judge')).toBe(0);
    expect(of(base, 'Other logs')).toBeCloseTo(0.06 * 0.5, 6);
  });

  it('has two tracks of metrics, however many tasks there are', () => {
    expect(of(base, 'Outcome metrics')).toBeCloseTo(6.6, 6);
    expect(of({ ...base, stableTasks: 999 }, 'Outcome metrics')).toBeCloseTo(6.6, 6);
  });

  it('has two metrics of dead letters each minute, and every five seconds while a release is judged', () => {
    const thousands = (releasesPerMonth: number) =>
      of({ ...base, releasesPerMonth }, 'Dead-letter metrics read') / 0.01;
    expect(thousands(0)).toBeCloseTo(87.6, 6);
    expect(thousands(30)).toBeCloseTo(87.6 + 30 * 0.36, 6);
  });

  it('marks what rests on prices that were not checked', () => {
    const unchecked = monthlyCost(base).filter(({ checked }) => !checked);
    expect(unchecked.map(({ item }) => item)).toContain('NAT gateways');
    expect(unchecked.map(({ item }) => item)).not.toContain('Canary tasks');
  });
});
