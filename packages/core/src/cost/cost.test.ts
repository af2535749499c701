import { describe, expect, test } from 'vitest';
import { costChoices } from './choices.ts';
import {
  type CostConfiguration,
  DEFAULT_CONFIGURATION,
  freeAllowances,
  monthlyCost,
  totalOf,
} from './cost.ts';
import { PRICES, type Price } from './prices.ts';
import { beyondSample, SAMPLE_STATED_USD, sampleBill } from './sample.ts';

const of = (changes: Partial<CostConfiguration>, item: string): number | undefined =>
  monthlyCost({ ...DEFAULT_CONFIGURATION, ...changes }).find((line) => line.item === item)?.usd;
const counted = (changes: Partial<CostConfiguration>, item: string, price: Price): number =>
  monthlyCost({ ...DEFAULT_CONFIGURATION, ...changes })
    .find((line) => line.item === item)!
    .units.find((unit) => unit.price === price)!.count;
const toPay = (changes: Partial<CostConfiguration>) => {
  const lines = monthlyCost({ ...DEFAULT_CONFIGURATION, ...changes });
  return totalOf(lines) - freeAllowances(lines);
};

describe('every price', () => {
  test.each(Object.entries<Price>(PRICES))(
    '%s has a date, a unit and the address where AWS publishes it',
    (_, price) => {
      expect(price.asOf).toMatch(/^20\d\d-(0[1-9]|1[0-2])$/);
      expect(new URL(price.source).protocol).toBe('https:');
      expect(price.unit).not.toBe('');
      expect(price.usd).toBeGreaterThan(0);
      expect(price.freeUnits).toBeGreaterThanOrEqual(0);
    },
  );
});

describe('the monthly cost', () => {
  test('of the defaults at the workload of the AWS sample is at most 35 dollars after free allowances', () => {
    expect(toPay({})).toBeLessThan(35);
    expect(totalOf(monthlyCost(DEFAULT_CONFIGURATION))).toBeLessThan(50);
  });

  test('of tasks is what the list prices say, on Spot for stable beyond the first', () => {
    const x86 = { architecture: 'x86_64', gbPerTask: 1, stableTasks: 3 } as const;
    // 730 h x (0.25 x 0.04048 + 1 x 0.004445) = 10.63245 a task.
    expect(of(x86, 'Canary tasks')).toBeCloseTo(10.63245, 5);
    expect(of({ ...x86, spot: false }, 'Stable tasks')).toBeCloseTo(3 * 10.63245, 5);
    expect(of({ ...x86, spot: false }, 'Stable tasks on Spot')).toBeUndefined();
    expect(of(x86, 'Stable tasks')).toBeCloseTo(10.63245, 5);
    expect(of(x86, 'Stable tasks on Spot')! / (2 * 10.63245)).toBeCloseTo(0.32, 2);
    expect(of({ spot: true, stableTasks: 0 }, 'Stable tasks')).toBe(0);
  });

  test('has an address for each task or, else, for each NAT gateway, through which data are paid for', () => {
    expect(of({}, 'Public IPv4 addresses')).toBeCloseTo(4 * 3.65, 6);
    expect(of({}, 'NAT gateways')).toBeUndefined();
    expect(of({ natGateways: 2 }, 'Public IPv4 addresses')).toBeCloseTo(2 * 3.65, 6);
    expect(of({ natGateways: 2 }, 'NAT gateways')).toBeCloseTo(65.7, 6);
    expect(of({ natGateways: 1 }, 'NAT data')).toBeGreaterThan(10 * 0.045);
  });

  test('counts singly sent messages, tens when there are many, and polls that bring nothing', () => {
    const millions = (messagesPerMonth: number) =>
      counted({ messagesPerMonth }, 'SQS', PRICES.sqsMillion) -
      counted({ messagesPerMonth: 0 }, 'SQS', PRICES.sqsMillion);
    // Four tasks poll every 20 s; the controller asks for the depth of the dead-letter queue.
    expect(counted({ messagesPerMonth: 0, releasesPerMonth: 0 }, 'SQS', PRICES.sqsMillion)).toBeCloseTo(
      (4 * 131_400 + 43_800) / 1e6,
      6,
    );
    expect(millions(1e9)).toBeCloseTo(300, -1);
    expect(millions(3e6)).toBeGreaterThan(8.4);
  });

  test('has builds by architecture', () => {
    expect(of({}, 'CodeBuild')).toBeCloseTo(90 * 0.0034, 6);
    expect(of({ architecture: 'x86_64' }, 'CodeBuild')).toBeCloseTo(90 * 0.005, 6);
  });

  test('has the minutes of invocations for a pipeline of type V2, and one price for V1', () => {
    const minutes = (changes: Partial<CostConfiguration>) =>
      counted(
        { ...changes, pipelineType: 'V2', releasesPerMonth: 1 },
        'CodePipeline',
        PRICES.pipelineV2Minute,
      );
    expect(minutes({ bakeMinutes: 60 }) - minutes({ bakeMinutes: 10 })).toBe(50);
    expect(minutes({ watchMinutes: 30 }) - minutes({ watchMinutes: 5 })).toBe(25);
    expect(of({ bakeMinutes: 60 }, 'CodePipeline')).toBe(1);
  });

  test('has the controller: idle once a minute, without a pause while a release is judged, by the hour while a person is awaited', () => {
    const gbSeconds = (changes: Partial<CostConfiguration>) =>
      counted(changes, 'Controller', PRICES.lambdaGbSecond);
    expect(gbSeconds({ releasesPerMonth: 0 })).toBeCloseTo(43_800 * 0.5 * 1.5, 6);
    expect(gbSeconds({ bakeMinutes: 20 }) - gbSeconds({ bakeMinutes: 10 })).toBeCloseTo(
      300 * 1.5 * (60 - 0.5),
      6,
    );
    expect(gbSeconds({ approvalHours: 2 })).toBeGreaterThan(gbSeconds({ approvalHours: 1 }));
  });

  test('has metrics and lines by track and task, and Container Insights when they are on', () => {
    expect(of({}, 'Outcome metrics')).toBeCloseTo(3, 6);
    expect(of({ stableTasks: 999 }, 'Outcome metrics')).toBeCloseTo(3, 6);
    expect(of({ stableTasks: 999 }, 'Outcome lines')! / of({}, 'Outcome lines')!).toBeCloseTo(1000 / 4, 6);
    expect(of({}, 'Container Insights')).toBeUndefined();
    expect(of({ containerInsights: true }, 'Container Insights')).toBeGreaterThan(15);
  });

  test('takes each allowance off once, however many lines draw on it', () => {
    const lines = monthlyCost({ ...DEFAULT_CONFIGURATION, stableTasks: 100 });
    const logsGb = lines.flatMap(({ units }) => units).filter(({ price }) => price === PRICES.logsGb);
    expect(logsGb.length).toBeGreaterThan(2);
    const without = lines.map((line) => ({
      ...line,
      units: line.units.filter(({ price }) => price !== PRICES.logsGb),
    }));
    expect(freeAllowances(lines) - freeAllowances(without)).toBeCloseTo(5 * 0.5, 6);
  });
});

describe("the AWS sample's cost table", () => {
  test.each(sampleBill())(
    'has for $item the $statedUsd dollars that our prices give',
    ({ statedUsd, rebuiltUsd }) => {
      expect(rebuiltUsd).toBeCloseTo(statedUsd, 6);
    },
  );

  test('sums up to what it says', () => {
    expect(sampleBill().reduce((sum, { statedUsd }) => sum + statedUsd, 0)).toBeCloseTo(SAMPLE_STATED_USD, 6);
  });

  test('has a counterpart for each of our lines, or says that it has none', () => {
    const covered = sampleBill().flatMap(({ ours }) => ours);
    expect(new Set(covered).size).toBe(covered.length);
    for (const changes of [{}, { natGateways: 1, containerInsights: true, spot: false }]) {
      const configuration = { ...DEFAULT_CONFIGURATION, ...changes };
      const lines = monthlyCost(configuration);
      const together =
        lines.filter(({ item }) => covered.includes(item)).length + beyondSample(configuration).length;
      expect(together).toBe(lines.length);
    }
  });
});

describe('a choice', () => {
  test('saves what the bill without it is higher by', () => {
    const saved = costChoices(DEFAULT_CONFIGURATION).find(({ setting }) => setting === 'spot=false');
    const bill = (changes: Partial<CostConfiguration>) =>
      totalOf(monthlyCost({ ...DEFAULT_CONFIGURATION, ...changes }));
    expect(saved?.savesUsd).toBeCloseTo(bill({ spot: false }) - bill({}), 6);
  });

  test('is shown only where it was made', () => {
    const settings = costChoices({
      ...DEFAULT_CONFIGURATION,
      spot: false,
      natGateways: 1,
      architecture: 'x86_64',
      containerInsights: true,
    }).map(({ setting }) => setting);
    expect(settings).toEqual(['stableTasks=4', undefined, undefined]);
  });
});
