import { type CostConfiguration, monthlyCost, totalOf } from './cost.ts';
import { HOURS_PER_MONTH, PRICES } from './prices.ts';

/** A choice that the defaults make, what the other way would cost, and what is given up. */
export interface CostChoice {
  readonly choice: string;
  /** How to decide otherwise; absent where it is built in. */
  readonly setting?: string;
  /** List price a month that the choice saves; negative where it costs. */
  readonly savesUsd: number;
  readonly givesUp: string;
}

/** SQS, CloudWatch Logs and both of ECR's: what a task without a way to the internet has to reach, besides S3. */
const INTERFACE_ENDPOINTS = 4;
const ZONES = 2;

/** What each choice of a configuration saves, compared with the same configuration without it. */
export function costChoices(configuration: CostConfiguration): CostChoice[] {
  const total = totalOf(monthlyCost(configuration));
  const dearer = (other: Partial<CostConfiguration>) =>
    totalOf(monthlyCost({ ...configuration, ...other })) - total;
  const { natGateways, spot, architecture, containerInsights, stableTasks } = configuration;
  const addresses = configuration.canaryTasks + stableTasks;
  const endpoints = INTERFACE_ENDPOINTS * ZONES * HOURS_PER_MONTH * PRICES.endpointHour.usd;
  const perTask = HOURS_PER_MONTH * PRICES.publicIpv4Hour.usd;
  return [
    ...(natGateways === 0
      ? [
          {
            choice: 'tasks in public subnets, without a NAT gateway',
            setting: 'natGateways=1',
            savesUsd: dearer({ natGateways: 1 }),
            givesUp: `tasks have public addresses, though nobody can connect to them; from ${breakEven()} tasks on a NAT gateway is cheaper`,
          },
          {
            choice: 'the same, instead of interface endpoints',
            savesUsd: endpoints - addresses * perTask,
            givesUp: `the way to AWS leads through the internet gateway, over TLS; ${INTERFACE_ENDPOINTS} endpoints in ${ZONES} zones are not built in`,
          },
        ]
      : []),
    ...(spot
      ? [
          {
            choice: "stable's tasks beyond the first on Spot",
            setting: 'spot=false',
            savesUsd: dearer({ spot: false }),
            givesUp:
              'AWS takes tasks back at two minutes’ notice, which the worker drains in; while it has no spare capacity only the first task runs, and a deployment of stable may time out',
          },
        ]
      : []),
    ...(architecture === 'arm64'
      ? [
          {
            choice: 'ARM',
            setting: 'architecture=x86_64',
            savesUsd: dearer({ architecture: 'x86_64' }),
            givesUp: 'the image must run on ARM',
          },
        ]
      : []),
    {
      choice: `${stableTasks} stable tasks, not ${stableTasks + 1}`,
      setting: `stableTasks=${stableTasks + 1}`,
      savesUsd: dearer({ stableTasks: stableTasks + 1 }),
      givesUp:
        'the canary gets a larger share of the messages, so a bad version harms more of them until it is rolled back',
    },
    ...(containerInsights
      ? []
      : [
          {
            choice: 'no Container Insights',
            setting: 'containerInsights=true',
            savesUsd: dearer({ containerInsights: true }),
            givesUp:
              'CPU, memory and network by task definition; running tasks are counted by a metric that is free',
          },
        ]),
    {
      choice: `${configuration.metricsPerTrack} custom metrics for each track, not 11`,
      savesUsd: dearer({ metricsPerTrack: 11 }),
      givesUp: 'alarms on the other six; the dashboard reads them from the log',
    },
    {
      choice: 'a pipeline of type V1',
      savesUsd: dearer({ pipelineType: 'V2' }),
      givesUp:
        'triggers by tag or path, and a rollback of a stage by hand, which the controller would not see',
    },
  ];
}

/** Tasks from which on one NAT gateway, with its address, is cheaper than an address for each. */
function breakEven(): number {
  return Math.floor((PRICES.natHour.usd + PRICES.publicIpv4Hour.usd) / PRICES.publicIpv4Hour.usd) + 1;
}
