/** What the worker's metric lines say beside their numbers. */
const LABELS = ['Track', 'Revision', 'TaskId', 'Version'] as const;

/**
 * A log message as a person reads it: the lines in which workers report their outcomes (CloudWatch's embedded
 * metric format) become one short line with the numbers that are not zero; everything else stays as it is.
 */
export function logLine(message: string): string {
  const report = metricReport(message);
  if (report === undefined) return message;
  const numbers = Object.entries(report)
    .filter(([, value]) => typeof value === 'number' && value !== 0)
    .map(([name, value]) => `${name} ${value}`);
  const labels = LABELS.map((name) => report[name])
    .filter((value) => typeof value === 'string')
    .map((value) => value.slice(0, 8));
  return `[${labels.join(' ')}] ${numbers.length > 0 ? numbers.join(', ') : 'nothing to report'}`;
}

function metricReport(message: string): Readonly<Record<string, unknown>> | undefined {
  if (!message.startsWith('{"_aws":')) return undefined;
  try {
    return JSON.parse(message) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
