import type { Settings } from './settings.ts';

/** What became of the messages of one receive. */
export interface BatchOutcome {
  readonly received: number;
  /** Messages that were handled and deleted. */
  readonly succeeded: number;
  /** Messages whose handler threw. */
  readonly failed: number;
  /** Time that each finished handler took. */
  readonly processingTimesMs: readonly number[];
}

type Identity = Pick<Settings, 'app' | 'track' | 'revision'> & { readonly version: string };

/**
 * One log line in CloudWatch's embedded metric format, from which CloudWatch makes metrics per track.
 *
 * Only `App` and `Track` are dimensions, since every value of a dimension is a metric that is paid for;
 * revision and version are fields to search by.
 */
export function outcomeLine(identity: Identity, nowMs: number, outcome: BatchOutcome): string {
  const times = outcome.processingTimesMs;
  const metrics = [
    { Name: 'Received', Unit: 'Count' },
    { Name: 'Succeeded', Unit: 'Count' },
    { Name: 'Failed', Unit: 'Count' },
    ...(times.length === 0 ? [] : [{ Name: 'ProcessingTimeMs', Unit: 'Milliseconds' }]),
  ];
  return JSON.stringify({
    _aws: {
      Timestamp: Math.round(nowMs),
      CloudWatchMetrics: [{ Namespace: 'QueueCanary', Dimensions: [['App', 'Track']], Metrics: metrics }],
    },
    App: identity.app,
    Track: identity.track,
    Revision: identity.revision,
    Version: identity.version,
    Received: outcome.received,
    Succeeded: outcome.succeeded,
    Failed: outcome.failed,
    ...(times.length === 0 ? {} : { ProcessingTimeMs: times.map(toHundredths) }),
  });
}

/** One log line about anything else. */
export function eventLine(
  identity: Identity,
  level: 'info' | 'error',
  event: string,
  fields: Readonly<Record<string, string | number>> = {},
): string {
  const { app, track, revision, version } = identity;
  return JSON.stringify({ level, event, app, track, revision, version, ...fields });
}

function toHundredths(ms: number): number {
  return Math.round(ms * 100) / 100;
}
