import { describe, expect, test } from 'vitest';
import { cost } from './cost.ts';

describe('the cost command', () => {
  test('bills the defaults, shows the sample alongside them, and what the choices save', () => {
    const text = cost({}).join('\n');
    expect(text).toMatch(/total at list prices +46\.17/);
    expect(text).toMatch(/to pay +33\.85/);
    expect(text).toMatch(/\n {2}total +79\.83 +79\.83 +46\.17 /);
    expect(text).toMatch(/natGateways=1/);
  });

  test('bills the settings that it gets, and leaves the comparison at the defaults', () => {
    const text = cost({ stableTasks: 3, spot: false, natGateways: 1, containerInsights: true }).join('\n');
    expect(text).toMatch(/NAT gateways +32\.85/);
    expect(text).toMatch(/Container Insights +18\.\d\d/);
    expect(text).not.toMatch(/Stable tasks on Spot/);
    expect(text).toMatch(/\n {2}total +79\.83 +79\.83 +46\.17 /);
  });

  test('bills no builds where a CI of your own makes the images', () => {
    expect(cost({}).join('\n')).toMatch(/CodeBuild +\d\.\d\d +30 builds/);
    expect(cost({ builds: false }).join('\n')).not.toMatch(/CodeBuild +\d\.\d\d +30 builds/);
  });

  test('prints as JSON the same, with every price and its source', () => {
    const document = JSON.parse(cost({ json: true })[0]!);
    expect(document.totalUsd).toBeCloseTo(46.17, 2);
    expect(document.totalUsd - document.freeUsd).toBeCloseTo(33.85, 2);
    expect(document.sample.statedUsd).toBe(79.83);
    expect(document.prices.natHour).toMatchObject({
      usd: 0.045,
      source: expect.stringContaining('https://'),
    });
  });
});
