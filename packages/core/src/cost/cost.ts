import { HOURS_PER_MONTH, PRICES, type Price } from './prices.ts';

/** What a deployment's monthly cost depends on. */
export interface CostConfiguration {
  readonly canaryTasks: number;
  /** Stable tasks on average over the month. */
  readonly stableTasks: number;
  readonly vcpuPerTask: number;
  readonly gbPerTask: number;
  readonly architecture: 'arm64' | 'x86_64';
  /** Whether stable's tasks beyond the first run on Fargate Spot; the canary never does. */
  readonly spot: boolean;
  /** With none, each task has a public address. */
  readonly natGateways: number;
  readonly containerInsights: boolean;
  readonly pipelineType: 'V1' | 'V2';
  /** Whether the stacks build the images; otherwise a CI of your own pushes them. */
  readonly builds: boolean;
  /** Metrics that CloudWatch makes of the workers' lines, for each track. */
  readonly metricsPerTrack: number;
  readonly messagesPerMonth: number;
  readonly releasesPerMonth: number;
  /** Under `manual` a person is asked after it. Otherwise the judge may take longer, until `decideWithin`: give what it takes. */
  readonly bakeMinutes: number;
  readonly watchMinutes: number;
  /** How long a person takes to approve a release. */
  readonly approvalHours: number;
  /** What the workers send to the internet. */
  readonly internetGbPerMonth: number;
}

/** One line of the bill, at list prices. */
export interface CostLine {
  readonly item: string;
  readonly basis: string;
  readonly usd: number;
  /** What is counted, by price. */
  readonly units: ReadonlyArray<{ readonly price: Price; readonly count: number }>;
  /** Whether the count is assumed and not given. */
  readonly estimated: boolean;
}

/** The workload of the AWS sample's cost table: a million requests to SQS, 30 releases, 10 GB to the internet. */
export const SAMPLE_WORKLOAD = {
  messagesPerMonth: 333_333,
  releasesPerMonth: 30,
  internetGbPerMonth: 10,
} as const;

/** The defaults of the constructs, at the workload of the AWS sample. */
export const DEFAULT_CONFIGURATION: CostConfiguration = {
  ...SAMPLE_WORKLOAD,
  canaryTasks: 1,
  stableTasks: 3,
  vcpuPerTask: 0.25,
  gbPerTask: 0.5,
  architecture: 'arm64',
  spot: true,
  natGateways: 0,
  containerInsights: false,
  pipelineType: 'V1',
  builds: true,
  metricsPerTrack: 5,
  bakeMinutes: 10,
  watchMinutes: 5,
  approvalHours: 1,
};

/** Metrics of the templates' alarms, each of which is paid for: of dead letters, of sleep, and two of target tracking. */
export const ALARM_METRICS = 10;

const SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600;
const MINUTES_PER_MONTH = HOURS_PER_MONTH * 60;
const LONG_POLL_SECONDS = 20;
const BUILD_MINUTES = 3;
/** Source, build and both deployments, each begun minute counted; the two invocations last as long as the bake and the watch. */
const ACTION_MINUTES = 1 + BUILD_MINUTES + 5 + 6;
const DEPLOYMENT_MINUTES = 5 + 6;
const CONTROLLER_GB = 1.5;
const IDLE_LOOK_SECONDS = 0.5;
const ACTIVE_LOOK_SECONDS = 1.5;
const LOOKS_PER_JUDGED_MINUTE = 12;
/** A worker writes a line every five seconds, which is so long without its metric definitions, */
export const LINE_KB = 0.75;
/** which take so much for each metric. CloudWatch counts 26 bytes more for each line. */
export const METRIC_DEFINITION_KB = 0.06;
const LINE_OVERHEAD_KB = 0.026;
const LINES_PER_MONTH = SECONDS_PER_MONTH / 5;
const CONTROLLER_LOG_KB = 0.6;
const FLOW_LOG_GB_PER_TASK = 0.03;
/** What CloudWatch leaves of a log when it stores it. */
const STORED_PART = 0.15;
const KB_PER_REQUEST = 2;
const IMAGES_GB = 1;
const ARTIFACTS_GB = 0.1;
/** Metrics of Container Insights for a cluster, a service and a family of task definitions, as its reference lists them. */
const INSIGHTS_METRICS = { cluster: 12, service: 15, family: 10 };
const INSIGHTS_LOG_GB_PER_TASK = 0.05;

/** The monthly bill of a configuration, line by line, in US dollars at list prices of us-east-1. */
export function monthlyCost(configuration: CostConfiguration): CostLine[] {
  return [
    ...tasks(configuration),
    ...network(configuration),
    ...delivery(configuration),
    ...controller(configuration),
    ...observability(configuration),
  ];
}

/** What the free allowances that every account has each month take off, if nothing else in the account uses them. */
export function freeAllowances(lines: readonly CostLine[]): number {
  const counts = new Map<Price, number>();
  for (const { price, count } of lines.flatMap(({ units }) => units)) {
    counts.set(price, (counts.get(price) ?? 0) + count);
  }
  return [...counts].reduce((sum, [price, count]) => sum + Math.min(count, price.freeUnits) * price.usd, 0);
}

export function totalOf(lines: readonly CostLine[]): number {
  return lines.reduce((sum, { usd }) => sum + usd, 0);
}

function tasks(configuration: CostConfiguration): CostLine[] {
  const { canaryTasks, stableTasks, vcpuPerTask, gbPerTask, architecture, spot } = configuration;
  const arm = architecture === 'arm64';
  const size = `${vcpuPerTask} vCPU, ${gbPerTask} GB, ${architecture}`;
  const onSpot = spot ? Math.max(0, stableTasks - 1) : 0;
  const hours = (count: number, vcpu: Price, gb: Price) => [
    { price: vcpu, count: count * vcpuPerTask * HOURS_PER_MONTH },
    { price: gb, count: count * gbPerTask * HOURS_PER_MONTH },
  ];
  const onDemand = (count: number) =>
    arm
      ? hours(count, PRICES.fargateVcpuArm, PRICES.fargateGbArm)
      : hours(count, PRICES.fargateVcpuX86, PRICES.fargateGbX86);
  const stable = [
    line('Stable tasks', `${stableTasks - onSpot} x ${size}`, onDemand(stableTasks - onSpot)),
    ...(onSpot === 0
      ? []
      : [
          line(
            'Stable tasks on Spot',
            `${onSpot} x ${size}`,
            arm
              ? hours(onSpot, PRICES.spotVcpuArm, PRICES.spotGbArm)
              : hours(onSpot, PRICES.spotVcpuX86, PRICES.spotGbX86),
          ),
        ]),
  ];
  return [line('Canary tasks', `${canaryTasks} x ${size}`, onDemand(canaryTasks)), ...stable];
}

function network(configuration: CostConfiguration): CostLine[] {
  const { natGateways, internetGbPerMonth } = configuration;
  const addresses = natGateways > 0 ? natGateways : taskCount(configuration);
  const natGb =
    internetGbPerMonth + linesGb(configuration) + (sqsRequests(configuration) * KB_PER_REQUEST) / 1e6;
  const nat = [
    line('NAT gateways', `${natGateways}`, [{ price: PRICES.natHour, count: natGateways * HOURS_PER_MONTH }]),
    estimate('NAT data', `${natGb.toFixed(1)} GB`, [{ price: PRICES.natGb, count: natGb }]),
  ];
  return [
    ...(natGateways > 0 ? nat : []),
    line('Public IPv4 addresses', `${addresses}, of ${natGateways > 0 ? 'NAT gateways' : 'tasks'}`, [
      { price: PRICES.publicIpv4Hour, count: addresses * HOURS_PER_MONTH },
    ]),
    line('Data to the internet', `${internetGbPerMonth} GB`, [
      { price: PRICES.internetGb, count: internetGbPerMonth },
    ]),
    estimate('VPC flow logs', `${(taskCount(configuration) * FLOW_LOG_GB_PER_TASK).toFixed(2)} GB`, [
      { price: PRICES.logsGb, count: taskCount(configuration) * FLOW_LOG_GB_PER_TASK },
    ]),
  ];
}

function delivery(configuration: CostConfiguration): CostLine[] {
  const { releasesPerMonth, architecture, pipelineType } = configuration;
  const arm = architecture === 'arm64';
  const minutes = actionMinutes(configuration);
  const requests = sqsRequests(configuration) / 1e6;
  return [
    estimate('SQS', `${requests.toFixed(2)} million requests, polls and the controller's among them`, [
      { price: PRICES.sqsMillion, count: requests },
    ]),
    ...(configuration.builds
      ? [
          estimate(
            'CodeBuild',
            `${releasesPerMonth} builds of ${BUILD_MINUTES} min, ${arm ? 'ARM' : 'x86'}`,
            [
              {
                price: arm ? PRICES.buildMinuteArm : PRICES.buildMinuteX86,
                count: releasesPerMonth * BUILD_MINUTES,
              },
            ],
          ),
        ]
      : []),
    pipelineType === 'V1'
      ? line('CodePipeline', '1 active pipeline, V1', [{ price: PRICES.pipelineV1, count: 1 }])
      : estimate('CodePipeline', `${minutes} action minutes, V2, invocations of the controller among them`, [
          { price: PRICES.pipelineV2Minute, count: minutes },
        ]),
    estimate('Images and artifacts', `${IMAGES_GB} GB in ECR, ${ARTIFACTS_GB} GB in S3`, [
      { price: PRICES.ecrGb, count: IMAGES_GB },
      { price: PRICES.s3Gb, count: ARTIFACTS_GB },
    ]),
  ];
}

/** The controller looks once a minute, and without a pause while CodePipeline waits for it. */
function controller(configuration: CostConfiguration): CostLine[] {
  const { idle, active, judgedMinutes } = controllerLooks(configuration);
  const logs = ((idle + active) * CONTROLLER_LOG_KB) / 1e6;
  const gbSeconds =
    CONTROLLER_GB *
    (idle * IDLE_LOOK_SECONDS + (active - judgedMinutes) * ACTIVE_LOOK_SECONDS + judgedMinutes * 60);
  const invocations = idle + active;
  const looks = active + judgedMinutes * (LOOKS_PER_JUDGED_MINUTE - 1);
  return [
    estimate('Controller', `${Math.round(invocations)} invocations, ${Math.round(gbSeconds)} GB-seconds`, [
      { price: PRICES.lambdaGbSecond, count: gbSeconds },
      { price: PRICES.lambdaMillion, count: invocations / 1e6 },
    ]),
    estimate('Alarms read', 'one call at each look', [
      { price: PRICES.cloudWatchCallsThousand, count: (idle + looks) / 1000 },
    ]),
    estimate("Controller's log", `${logs.toFixed(2)} GB`, [{ price: PRICES.logsGb, count: logs }]),
  ];
}

function observability(configuration: CostConfiguration): CostLine[] {
  const { metricsPerTrack, containerInsights } = configuration;
  const outcomes = linesGb(configuration);
  const insights = INSIGHTS_METRICS.cluster + 2 * INSIGHTS_METRICS.service + 2 * INSIGHTS_METRICS.family;
  const insightsGb = taskCount(configuration) * INSIGHTS_LOG_GB_PER_TASK;
  return [
    line('Outcome metrics', `2 tracks x ${metricsPerTrack}`, [
      { price: PRICES.metric, count: 2 * metricsPerTrack },
    ]),
    estimate('Outcome lines', `${outcomes.toFixed(2)} GB of logs, and reading them is free`, [
      { price: PRICES.logsGb, count: outcomes },
      { price: PRICES.logsStoredGb, count: outcomes * STORED_PART },
    ]),
    line('Alarms', `${ALARM_METRICS} metrics`, [{ price: PRICES.alarmMetric, count: ALARM_METRICS }]),
    line('Dashboard', '1', [{ price: PRICES.dashboard, count: 1 }]),
    ...(containerInsights
      ? [
          estimate('Container Insights', `${insights} metrics, ${insightsGb.toFixed(2)} GB of logs`, [
            { price: PRICES.metric, count: insights },
            { price: PRICES.logsGb, count: insightsGb },
          ]),
        ]
      : []),
  ];
}

function taskCount({ canaryTasks, stableTasks }: CostConfiguration): number {
  return canaryTasks + stableTasks;
}

function linesGb(configuration: CostConfiguration): number {
  const kb = LINE_KB + configuration.metricsPerTrack * METRIC_DEFINITION_KB + LINE_OVERHEAD_KB;
  return (taskCount(configuration) * LINES_PER_MONTH * kb) / 1e6;
}

/**
 * Send, receive and delete of each message: singly while little is to do, in tens at ten messages a second and task.
 * Long polls that bring nothing come on top, and the controller's questions for the depth of the dead-letter queue.
 */
function sqsRequests(configuration: CostConfiguration): number {
  const { messagesPerMonth } = configuration;
  const count = Math.max(1, taskCount(configuration));
  const perSecondAndTask = messagesPerMonth / SECONDS_PER_MONTH / count;
  const batch = Math.min(10, Math.max(1, perSecondAndTask));
  const empty =
    (count * SECONDS_PER_MONTH * Math.exp(-LONG_POLL_SECONDS * perSecondAndTask)) / LONG_POLL_SECONDS;
  const { idle, active, judgedMinutes } = controllerLooks(configuration);
  return (
    (3 * messagesPerMonth) / batch + empty + idle + active + judgedMinutes * (LOOKS_PER_JUDGED_MINUTE - 1)
  );
}

function actionMinutes({ releasesPerMonth, bakeMinutes, watchMinutes }: CostConfiguration): number {
  return releasesPerMonth * (ACTION_MINUTES + Math.ceil(bakeMinutes) + 1 + Math.ceil(watchMinutes) + 1);
}

/** Looks of the controller in a month, one a minute; in judged minutes it looks twelve times without ending. */
function controllerLooks({ releasesPerMonth, bakeMinutes, watchMinutes, approvalHours }: CostConfiguration) {
  const judgedMinutes = releasesPerMonth * (bakeMinutes + watchMinutes);
  const active = judgedMinutes + releasesPerMonth * (DEPLOYMENT_MINUTES + approvalHours * 60);
  return { idle: Math.max(0, MINUTES_PER_MONTH - active), active, judgedMinutes };
}

function line(item: string, basis: string, units: CostLine['units']): CostLine {
  const usd = units.reduce((sum, { price, count }) => sum + price.usd * count, 0);
  return { item, basis, usd, units, estimated: false };
}

function estimate(item: string, basis: string, units: CostLine['units']): CostLine {
  return { ...line(item, basis, units), estimated: true };
}
