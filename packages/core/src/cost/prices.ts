/**
 * List prices in US dollars, us-east-1, on demand. `checked: false` marks a price that was not compared with AWS's
 * price list and is shown as an estimate.
 */
export interface Price {
  readonly usd: number;
  readonly unit: string;
  readonly checked: boolean;
}

/** When the prices were gathered. */
export const PRICES_AS_OF = '2026-11';

const checked = (usd: number, unit: string): Price => ({ usd, unit, checked: true });
const unchecked = (usd: number, unit: string): Price => ({ usd, unit, checked: false });

export const PRICES = {
  fargateVcpuX86: checked(0.04048, 'vCPU-hour'),
  fargateGbX86: checked(0.004445, 'GB-hour'),
  fargateVcpuArm: checked(0.03238, 'vCPU-hour'),
  fargateGbArm: checked(0.00356, 'GB-hour'),
  codeBuildMinute: checked(0.005, 'build minute (general1.small)'),
  pipelineMinute: checked(0.002, 'action minute (V2), after 100'),
  sqsMillion: checked(0.4, 'million requests, after the first'),
  natHour: unchecked(0.045, 'NAT gateway hour'),
  natGb: unchecked(0.045, 'GB through NAT'),
  publicIpv4Hour: unchecked(0.005, 'public IPv4 hour'),
  alarm: unchecked(0.1, 'alarm-month'),
  metric: unchecked(0.3, 'custom metric-month'),
  metricsReadThousand: unchecked(0.01, 'thousand metrics of GetMetricData'),
  logsGb: unchecked(0.5, 'GB of logs'),
  logsRead: unchecked(0, 'call of FilterLogEvents'),
  ecrGb: unchecked(0.1, 'GB-month of images'),
} as const satisfies Record<string, Price>;

/** Fargate Spot costs about this part of on-demand; it varies. */
export const SPOT_FACTOR = 1 / 3;

/** Hours of a month, as AWS's calculator takes them. */
export const HOURS_PER_MONTH = 730;
