import type { InputLogEvent, RejectedLogEventsInfo } from '@aws-sdk/client-cloudwatch-logs';
import { invalid } from './faults.ts';
import { eventBytes } from './log-store.ts';

const EVENTS_MAX = 10_000;
const BYTES_MAX = 1_048_576;
const SPAN_MS_MAX = 24 * 3_600_000;
const AGE_MS_MAX = 14 * 24 * 3_600_000;
const AHEAD_MS_MAX = 2 * 3_600_000;

/**
 * The events of a batch that can be stored, and what AWS says about the others: too old, too new or already
 * expired ones are left out, anything else wrong refuses the whole batch.
 *
 * @param oldestKeptMs timestamp before which the group's retention keeps nothing
 */
export function acceptBatch(
  batch: readonly InputLogEvent[],
  nowMs: number,
  oldestKeptMs: number,
): {
  events: Array<{ atMs: number; message: string }>;
  rejected: RejectedLogEventsInfo | undefined;
} {
  const events = checked(batch);
  const expired = events.filter(({ atMs }) => atMs < oldestKeptMs).length;
  const tooOld = events.filter(({ atMs }) => atMs < nowMs - AGE_MS_MAX).length;
  const notTooNew = events.filter(({ atMs }) => atMs <= nowMs + AHEAD_MS_MAX).length;
  const rejected = {
    ...(expired === 0 ? {} : { expiredLogEventEndIndex: expired }),
    ...(tooOld === 0 ? {} : { tooOldLogEventEndIndex: tooOld }),
    ...(notTooNew === events.length ? {} : { tooNewLogEventStartIndex: notTooNew }),
  };
  return {
    events: events.slice(Math.max(expired, tooOld), notTooNew),
    rejected: Object.keys(rejected).length === 0 ? undefined : rejected,
  };
}

function checked(batch: readonly InputLogEvent[]): Array<{ atMs: number; message: string }> {
  if (batch.length === 0 || batch.length > EVENTS_MAX) {
    throw invalid(
      `1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 and ${EVENTS_MAX}`,
    );
  }
  let bytes = 0;
  const events = batch.map(({ timestamp = 0, message = '' }, index) => {
    const where = `logEvents.${index + 1}.member`;
    if (message === '') {
      throw invalid(
        `1 validation error detected: Value '' at '${where}.message' failed to satisfy constraint: Member must have length greater than or equal to 1`,
      );
    }
    if (!Number.isInteger(timestamp) || timestamp < 0) {
      throw invalid(
        `1 validation error detected: Value '${timestamp}' at '${where}.timestamp' failed to satisfy constraint: Member must have value greater than or equal to 0`,
      );
    }
    bytes += eventBytes(message);
    return { atMs: timestamp, message };
  });
  if (bytes > BYTES_MAX) {
    throw invalid(`Upload too large: ${bytes} bytes exceeds limit of ${BYTES_MAX}`);
  }
  if (events.some(({ atMs }, index) => atMs < (events[index - 1]?.atMs ?? 0))) {
    throw invalid('Log events in a single PutLogEvents request must be in chronological order.');
  }
  if ((events.at(-1)?.atMs ?? 0) - (events[0]?.atMs ?? 0) > SPAN_MS_MAX) {
    throw invalid('The batch of log events in a single PutLogEvents request cannot span more than 24 hours.');
  }
  return events;
}
