import type { Line } from './line.ts';

/** One task's life, as far as the judge must know it. Instants are epoch milliseconds. */
export interface TaskLife {
  /** The task's id, the last part of its ARN; outcome lines carry it. */
  readonly id: string;
  /** When its container ran; absent until then. */
  readonly startedAt?: number;
  /** When it was asked to stop, or stopped by itself. */
  readonly stoppingAt?: number;
  readonly stoppedAt?: number;
  /** How it ended where that counts against its version: an essential container that exited by itself. */
  readonly crash?: string;
  /** The deployment of its service that started it. */
  readonly deploymentId?: string;
  /** How it ended where nobody stopped it: whether its container had run, and ECS's reason. A clean exit counts. */
  readonly end?: { readonly ran: boolean; readonly reason: string };
}

/** What one track did. */
export interface TrackMeasurement {
  /** Outcome lines of all its tasks, in no particular order; one may be there twice. */
  readonly lines: readonly Line[];
  /** Tasks that run, and those that stopped within the hour for which ECS remembers them. */
  readonly tasks: readonly TaskLife[];
}

/** A time of which no lines were read. Epoch milliseconds, whole intervals. */
export interface Unread {
  readonly fromMs: number;
  readonly toMs?: number;
}

/** Stable's lines with failures of a time before its deployment. */
export interface FailedBefore {
  /** From when on they were read, epoch milliseconds: {@link failedBeforeMs} before, or later where there were too many. */
  readonly fromMs: number;
  readonly lines: readonly Line[];
}

/** What both tracks did over the same time. */
export interface Measurement {
  /**
   * Beginning of the interval in which the canary's deployment began, and of the last interval, epoch milliseconds.
   * The lines of both tracks reach back {@link pastMs} further.
   */
  readonly fromMs: number;
  readonly toMs: number;
  readonly canary: TrackMeasurement;
  readonly stable: TrackMeasurement;
  /** What was not read of both logs, since the release waited long for a person; without an end while it waits. */
  readonly unread?: Unread;
  /** Lines of the first {@link startsMs} of stable's tasks, however long ago those were; empty where the log is gone. */
  readonly starts: readonly Line[];
  /** Of stable's tasks, lines of only so many were read where there are very many; absent when of all. */
  readonly stableSample?: { readonly tasks: number; readonly read: number };
  /** What stable failed in the day before its own deployment; absent until that began. */
  readonly before?: FailedBefore;
  /** The longest that a line was seen to be in the log without being readable, milliseconds; absent where nobody watched. */
  readonly unreadableMs?: number;
  /** What could not be read of the log, in words: what those lines report is missing, and not zero. */
  readonly problems?: readonly string[];
}

/**
 * How far before the release lines are read. Stable's past says what is slow and how much tasks differ, and that of both
 * tracks which messages had failed already.
 */
export const pastMs = 10 * 60_000;

/** How far before its own deployment stable's failures are read: a whole day, since traffic has its hours. */
export const failedBeforeMs = 24 * 60 * 60_000;

/** How long after its start a task's lines are kept as a control for tasks of that age. */
export const startsMs = 30 * 60_000;
