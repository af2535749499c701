import { type CostConfiguration, monthlyCost, PRICES_AS_OF } from '@queue-canary/core';
import { table } from '../demo/report.ts';

export interface CostOptions {
  readonly canaryTasks: number;
  readonly stableTasks: number;
  readonly vcpu: number;
  readonly gb: number;
  readonly architecture: CostConfiguration['architecture'];
  readonly spot?: boolean;
  readonly natGateways: number;
  readonly messages: number;
  readonly releases: number;
  readonly json?: boolean;
}

/** The monthly cost as lines of text, or as one JSON document. */
export function cost(options: CostOptions): string[] {
  const lines = monthlyCost({
    canaryTasks: options.canaryTasks,
    stableTasks: options.stableTasks,
    vcpuPerTask: options.vcpu,
    gbPerTask: options.gb,
    architecture: options.architecture,
    spot: options.spot ?? false,
    natGateways: options.natGateways,
    messagesPerMonth: options.messages,
    releasesPerMonth: options.releases,
  });
  const total = lines.reduce((sum, { usd }) => sum + usd, 0);
  if (options.json) return [JSON.stringify({ pricesAsOf: PRICES_AS_OF, lines, totalUsd: total }, null, 2)];
  return [
    ...table(
      ['item', 'basis', 'USD a month'],
      [
        ...lines.map(({ item, basis, usd, checked }) => [
          item,
          basis,
          `${usd.toFixed(2).padStart(9)}${checked ? '' : ' (estimate)'}`,
        ]),
        ['total', '', total.toFixed(2).padStart(9)],
      ],
    ),
    `  List prices of us-east-1, ${PRICES_AS_OF}, without data transfer; estimates rest on prices that were not checked.`,
  ];
}
