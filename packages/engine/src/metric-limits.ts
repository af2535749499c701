/*
 * What CloudWatch takes of a metric, whether PutMetricData brings it, a log event or a metric filter:
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
 */

export const DIMENSIONS_MAX = 30;

const VALUE_MAX = 2 ** 360;
const AGE_MS_MAX = 14 * 24 * 3_600_000;
const AHEAD_MS_MAX = 2 * 3_600_000;

export function isMetricValue(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= VALUE_MAX;
}

/** Whether a value may be of the time `atMs`, now that it is `nowMs`. */
export function isMetricTime(atMs: number, nowMs: number): boolean {
  return atMs >= nowMs - AGE_MS_MAX && atMs <= nowMs + AHEAD_MS_MAX;
}

/** Whether a namespace has the right form; those that begin with `AWS/` are AWS's own. */
export function isNamespace(text: string): boolean {
  return /^[^:].{0,254}$/s.test(text);
}
