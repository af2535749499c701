import { type CostConfiguration, type CostLine, monthlyCost, SAMPLE_WORKLOAD } from './cost.ts';
import { HOURS_PER_MONTH, PRICES } from './prices.ts';

/** A line of the AWS sample's own cost table, and how it comes about. */
export interface SampleLine {
  readonly item: string;
  /** What the table says, in US dollars a month. */
  readonly statedUsd: number;
  /** The same from our prices and the assumptions that the table names. */
  readonly rebuiltUsd: number;
  readonly basis: string;
  /** Items of our bill that do the same work. */
  readonly ours: readonly string[];
  /** Why ours costs more or less. */
  readonly difference: string;
}

/** What the table sums up to. The sentence above it says 73.34 USD, which none of its lines explain. */
export const SAMPLE_STATED_USD = 79.83;

const SAMPLE_TASK = { vcpu: 0.25, gb: 1 };
const SAMPLE_BUILD_MINUTES = 5;

/**
 * The cost table of AWS's "Guidance for canary deployments for queue processing workloads in Amazon ECS", April 2024,
 * line by line. It was made with AWS's calculator, which rounds each part to a cent and tasks to hundredths.
 */
export function sampleBill(): SampleLine[] {
  const { releasesPerMonth, internetGbPerMonth } = SAMPLE_WORKLOAD;
  return [
    {
      item: 'High-capacity service',
      statedUsd: 31.89,
      rebuiltUsd: fargate(3),
      basis: '3 x 0.25 vCPU, 1 GB, x86, on demand',
      ours: ['Stable tasks', 'Stable tasks on Spot'],
      difference: 'ARM, half the memory, and tasks beyond the first on Spot',
    },
    {
      item: 'Low-capacity service',
      statedUsd: 10.64,
      rebuiltUsd: fargate(1),
      basis: '1 x 0.25 vCPU, 1 GB, x86, on demand',
      ours: ['Canary tasks'],
      difference: 'ARM and half the memory; never on Spot',
    },
    {
      item: 'CodeBuild',
      statedUsd: 3,
      rebuiltUsd: cents(releasesPerMonth * SAMPLE_BUILD_MINUTES * PRICES.buildMinuteX86Large.usd),
      basis: `${releasesPerMonth} builds on general1.large; it names no length, and ${SAMPLE_BUILD_MINUTES} min give its figure`,
      ours: ['CodeBuild'],
      difference: 'a small ARM machine; 3 min a build are assumed',
    },
    {
      item: 'CodePipeline',
      statedUsd: 0,
      rebuiltUsd: 0,
      basis: '1 active pipeline, which is free',
      ours: ['CodePipeline'],
      difference: 'the same type V1, listed before its allowance',
    },
    {
      item: 'Deployment Lambda',
      statedUsd: 0,
      rebuiltUsd: 0,
      basis: '30 invocations',
      ours: ['Controller', "Controller's log", 'Alarms read'],
      difference: 'looks every minute, and judges all the time that a release bakes and is watched',
    },
    {
      item: 'Alarm',
      statedUsd: 0.1,
      rebuiltUsd: PRICES.alarmMetric.usd,
      basis: '1 metric',
      ours: ['Alarms'],
      difference: 'alarms on metric math are paid for by metric, and stable scales with the queue',
    },
    {
      item: 'NAT gateway',
      statedUsd: 33.3,
      rebuiltUsd: cents(HOURS_PER_MONTH * PRICES.natHour.usd + internetGbPerMonth * PRICES.natGb.usd),
      basis: `1, with ${internetGbPerMonth} GB; its public address is left out`,
      ours: ['NAT gateways', 'NAT data', 'Public IPv4 addresses'],
      difference: 'none: each task has an address of its own, and lets nobody in',
    },
    {
      item: 'SQS',
      statedUsd: 0.9,
      rebuiltUsd: cents(internetGbPerMonth * PRICES.internetGb.usd),
      basis: `${internetGbPerMonth} GB to the internet; the million requests are free`,
      ours: ['SQS', 'Data to the internet'],
      difference: 'the same data; polls and the controller ask as well, listed before their allowances',
    },
  ];
}

/** Lines of our bill for which the sample's table has no counterpart. */
export function beyondSample(configuration: CostConfiguration): CostLine[] {
  const covered = new Set(sampleBill().flatMap(({ ours }) => ours));
  return monthlyCost(configuration).filter(({ item }) => !covered.has(item));
}

function fargate(tasks: number): number {
  const hours = cents((tasks * HOURS_PER_MONTH) / 24) * 24;
  return (
    cents(hours * SAMPLE_TASK.vcpu * PRICES.fargateVcpuX86.usd) +
    cents(hours * SAMPLE_TASK.gb * PRICES.fargateGbX86.usd)
  );
}

function cents(value: number): number {
  return Math.round(value * 100) / 100;
}
