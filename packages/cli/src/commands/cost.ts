import {
  beyondSample,
  type CostConfiguration,
  costChoices,
  DEFAULT_CONFIGURATION,
  freeAllowances,
  monthlyCost,
  PRICES,
  SAMPLE_STATED_USD,
  sampleBill,
  totalOf,
} from '@queue-canary/core';
import { table } from '../table.ts';

/** Absent ones are the app's defaults, at the workload of the AWS sample. */
export interface CostOptions {
  readonly canaryTasks?: number;
  readonly stableTasks?: number;
  readonly vcpu?: number;
  readonly gb?: number;
  readonly architecture?: CostConfiguration['architecture'];
  readonly spot?: boolean;
  readonly natGateways?: number;
  readonly containerInsights?: boolean;
  readonly messages?: number;
  readonly releases?: number;
  readonly bakeMinutes?: number;
  readonly watchMinutes?: number;
  readonly approvalHours?: number;
  readonly internetGb?: number;
  readonly builds?: boolean;
  readonly json?: boolean;
}

/** The monthly cost, the AWS sample's alongside it, and what each choice saves: as text, or as one JSON document. */
export function cost(options: CostOptions): string[] {
  const configuration = configurationOf(options);
  const lines = monthlyCost(configuration);
  const totalUsd = totalOf(lines);
  const freeUsd = freeAllowances(lines);
  const choices = costChoices(configuration);
  const pricesAsOf = PRICES.fargateVcpuArm.asOf;
  if (options.json) {
    const bill = lines.map(({ item, basis, usd, estimated }) => ({ item, basis, usd, estimated }));
    const sample = { statedUsd: SAMPLE_STATED_USD, lines: sampleBill() };
    const document = { pricesAsOf, lines: bill, totalUsd, freeUsd, sample, choices, prices: PRICES };
    return [JSON.stringify(document, null, 2)];
  }
  return [
    ...table(
      ['item', 'USD a month', 'basis'],
      [
        ...lines.map(({ item, basis, usd, estimated }) => [
          item,
          money(usd),
          estimated ? `${basis} (assumed)` : basis,
        ]),
        ['total at list prices', money(totalUsd), ''],
        ['allowances', money(-freeUsd), 'free each month in every account, if nothing else uses them'],
        ['to pay', money(totalUsd - freeUsd), ''],
      ],
    ),
    '',
    ...alongsideSample(),
    '',
    'Savings by choice, at list prices',
    ...table(
      ['choice', 'USD a month', 'otherwise', 'gives up'],
      choices.map(({ choice, savesUsd, setting, givesUp }) => [
        choice,
        money(savesUsd),
        setting ?? 'built in',
        givesUp,
      ]),
    ),
    '',
    `List prices of us-east-1, ${pricesAsOf}; each one's source is in packages/core/src/cost/prices.ts and in --json.`,
  ];
}

/** Compares the defaults, whatever was asked for: the reasons are about them. */
function alongsideSample(): string[] {
  const lines = monthlyCost(DEFAULT_CONFIGURATION);
  const sample = sampleBill();
  const ours = (items: readonly string[]) => totalOf(lines.filter(({ item }) => items.includes(item)));
  const beyond = beyondSample(DEFAULT_CONFIGURATION);
  const total = (of: 'statedUsd' | 'rebuiltUsd') => sample.reduce((sum, line) => sum + line[of], 0);
  return [
    'The cost table of the AWS sample: as stated, rebuilt from our prices, and our defaults at list prices',
    ...table(
      ['AWS sample', 'stated', 'rebuilt', 'defaults', 'its basis; why ours differs'],
      [
        ...sample.map(({ item, statedUsd, rebuiltUsd, basis, difference, ours: items }) => [
          item,
          money(statedUsd),
          money(rebuiltUsd),
          money(ours(items)),
          `${basis}; ${difference}`,
        ]),
        [
          'not in its table',
          money(0),
          money(0),
          money(totalOf(beyond)),
          beyond.map(({ item, usd }) => `${item} ${usd.toFixed(2)}`).join(', '),
        ],
        [
          'total',
          money(total('statedUsd')),
          money(total('rebuiltUsd')),
          money(totalOf(lines)),
          'the sentence above its table says 73.34, which none of its lines explains',
        ],
      ],
    ),
  ];
}

function configurationOf(options: CostOptions): CostConfiguration {
  const given = {
    canaryTasks: options.canaryTasks,
    stableTasks: options.stableTasks,
    vcpuPerTask: options.vcpu,
    gbPerTask: options.gb,
    architecture: options.architecture,
    spot: options.spot,
    natGateways: options.natGateways,
    containerInsights: options.containerInsights,
    messagesPerMonth: options.messages,
    releasesPerMonth: options.releases,
    bakeMinutes: options.bakeMinutes,
    watchMinutes: options.watchMinutes,
    approvalHours: options.approvalHours,
    internetGbPerMonth: options.internetGb,
    builds: options.builds,
  };
  const known = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_CONFIGURATION, ...Object.fromEntries(known) };
}

function money(usd: number): string {
  return usd.toFixed(2).padStart(7);
}
