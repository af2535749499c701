import type { Line } from '../src/index.ts';

/** An outcome line as a worker writes it to its log, as far as it is judged. */
export function outcomeMessage(line: Line): string {
  return JSON.stringify({
    QueueCanary: 'outcomes',
    Track: line.track,
    Revision: line.revision,
    TaskId: line.task,
    Sequence: line.sequence,
    Final: line.final,
    StartedAt: line.startedAt,
    From: line.fromMs,
    To: line.toMs,
    FirstReceived: line.received,
    FirstFinished: line.finished,
    FirstFailed: line.failed,
    RetriedFinished: line.retried,
    RetriedFailed: line.retriedFailed,
    DeadLettered: line.deadLettered,
    PollingMs: line.pollingMs,
    InFlight: line.inFlight,
    MemoryMiB: line.memoryMiB,
    Durations: line.durations,
    Errors: line.errors,
  });
}
