import { HOURS_PER_MONTH, PRICES, type Price, SPOT_FACTOR } from './prices.ts';

/** What a deployment's monthly cost depends on. */
export interface CostConfiguration {
  readonly canaryTasks: number;
  /** Stable tasks on average over the month. */
  readonly stableTasks: number;
  readonly vcpuPerTask: number;
  readonly gbPerTask: number;
  readonly architecture: 'arm64' | 'x86_64';
  /** Whether stable runs on Fargate Spot; the canary never does. */
  readonly spot: boolean;
  readonly natGateways: number;
  readonly messagesPerMonth: number;
  readonly releasesPerMonth: number;
}

/** One line of the bill. */
export interface CostLine {
  readonly item: string;
  readonly basis: string;
  readonly usd: number;
  /** False when it rests on a price that was not compared with AWS's list. */
  readonly checked: boolean;
}

/** The receive, the delete and the send of one message, each in batches of ten, with as much again for empty receives. */
const REQUESTS_PER_MESSAGE = 0.6;
const BUILD_MINUTES_PER_RELEASE = 3;
/** Source, build and two deployments; approvals and custom actions are free. */
const ACTION_MINUTES_PER_RELEASE = 15;
const FREE_ACTION_MINUTES = 100;
/** Two tracks of the worker's 11 metrics; the rest of what a worker reports is in its log only. */
const CUSTOM_METRICS = 22;
/** A worker writes a line of 1.2 KB every five seconds, of 1.7 KB when it has work. */
const REPORT_KB = 1.5;
const REPORT_GB_PER_TASK = (REPORT_KB * (HOURS_PER_MONTH * 3600)) / 5 / 1e6;
/** The controller reads two metrics of the dead-letter queue each minute, */
const METRICS_READ_PER_MONTH = 2 * HOURS_PER_MONTH * 60;
/** and every five seconds while a release is judged, for a quarter of an hour. */
const METRICS_READ_PER_RELEASE = 2 * 12 * 15;
const ALARMS = 4;
const LOG_KB_PER_TEN_MESSAGES = 0.6;
const IMAGES_GB = 1;

/** The monthly bill of a configuration, line by line, in US dollars at list prices of us-east-1. */
export function monthlyCost(configuration: CostConfiguration): CostLine[] {
  const { architecture, vcpuPerTask, gbPerTask, natGateways, messagesPerMonth, releasesPerMonth } =
    configuration;
  const arm = architecture === 'arm64';
  const vcpu = arm ? PRICES.fargateVcpuArm : PRICES.fargateVcpuX86;
  const gb = arm ? PRICES.fargateGbArm : PRICES.fargateGbX86;
  const task = HOURS_PER_MONTH * (vcpuPerTask * vcpu.usd + gbPerTask * gb.usd);
  const size = `${vcpuPerTask} vCPU, ${gbPerTask} GB, ${architecture}`;
  const millions = (messagesPerMonth * REQUESTS_PER_MESSAGE) / 1e6;
  const actionMinutes = releasesPerMonth * ACTION_MINUTES_PER_RELEASE;
  const tasks = configuration.canaryTasks + configuration.stableTasks;
  const reportsGb = tasks * REPORT_GB_PER_TASK;
  const logsGb = (messagesPerMonth / 10) * (LOG_KB_PER_TEN_MESSAGES / 1e6);
  const metricsRead = METRICS_READ_PER_MONTH + releasesPerMonth * METRICS_READ_PER_RELEASE;
  const lines: CostLine[] = [
    {
      item: 'Canary tasks',
      basis: `${configuration.canaryTasks} x ${size}`,
      usd: configuration.canaryTasks * task,
      checked: true,
    },
    {
      item: 'Stable tasks',
      basis: `${configuration.stableTasks} x ${size}${configuration.spot ? ', Spot (about a third)' : ''}`,
      usd: configuration.stableTasks * task * (configuration.spot ? SPOT_FACTOR : 1),
      checked: !configuration.spot,
    },
    line('NAT gateways', `${natGateways}, without traffic`, natGateways * HOURS_PER_MONTH, PRICES.natHour),
    line('Public IPv4 addresses', `${natGateways}`, natGateways * HOURS_PER_MONTH, PRICES.publicIpv4Hour),
    line('SQS', `${millions.toFixed(2)} million requests`, Math.max(0, millions - 1), PRICES.sqsMillion),
    line(
      'CodeBuild',
      `${releasesPerMonth} builds`,
      releasesPerMonth * BUILD_MINUTES_PER_RELEASE,
      PRICES.codeBuildMinute,
    ),
    line(
      'CodePipeline',
      `${actionMinutes} action minutes`,
      Math.max(0, actionMinutes - FREE_ACTION_MINUTES),
      PRICES.pipelineMinute,
    ),
    line('CloudWatch alarms', `${ALARMS}`, ALARMS, PRICES.alarm),
    line('Outcome metrics', `${CUSTOM_METRICS}`, CUSTOM_METRICS, PRICES.metric),
    line('Outcome lines', `${reportsGb.toFixed(2)} GB of logs`, reportsGb, PRICES.logsGb),
    line('Outcome lines read by the judge', 'with FilterLogEvents', 0, PRICES.logsRead),
    line('Dead-letter metrics read', `${metricsRead}`, metricsRead / 1000, PRICES.metricsReadThousand),
    line('Other logs', `${logsGb.toFixed(2)} GB`, logsGb, PRICES.logsGb),
    line('Images', `${IMAGES_GB} GB`, IMAGES_GB, PRICES.ecrGb),
  ];
  return lines;
}

function line(item: string, basis: string, units: number, price: Price): CostLine {
  return { item, basis, usd: units * price.usd, checked: price.checked };
}
