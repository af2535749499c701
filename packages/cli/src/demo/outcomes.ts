import type { PipelineOutputs, Track } from '@queue-canary/core';
import type { Clients } from '../clients.ts';

/** What the workers' logs say that one version did on one track. */
export interface Outcome {
  readonly track: Track;
  readonly version: string;
  received: number;
  succeeded: number;
  /** Attempts that failed, timed out or met poison. */
  failed: number;
  /** When it had processed a message at the latest, and when it failed one; epoch milliseconds. */
  readonly firstAt: number;
  firstFailedAt?: number;
}

const TRACKS: readonly Track[] = ['canary', 'stable'];

/** The attempts that count as failed, by their ending in the worker's log. */
const FAILURES: ReadonlySet<string> = new Set(['Failed', 'TimedOut', 'Poisoned']);

/** Outcome lines, and the lines about single messages. */
const PATTERN = '{ ($.QueueCanary = "outcomes") || ($.event = "message failed") }';

/** What is read of a line of a worker's log that {@link PATTERN} lets through. */
type Line =
  | { readonly event: 'message failed'; readonly version: string; readonly outcome: string }
  | {
      readonly event?: undefined;
      readonly Version: string;
      readonly Received: number;
      readonly Succeeded: number;
    };

/**
 * Adds up what the workers log, each line once.
 *
 * What was received and processed comes from the outcome lines, which a worker writes every few seconds and when it
 * stops. Failed attempts are counted by the line that each of them has at once, since a bad version may be gone
 * before its outcome line is written.
 */
export class OutcomeTally {
  readonly #clients: Pick<Clients, 'logs'>;
  readonly #groups: Readonly<Record<Track, string>>;
  readonly #seen = new Set<string>();
  readonly #outcomes = new Map<string, Outcome>();
  readonly #from: Record<Track, number>;

  constructor(
    clients: Pick<Clients, 'logs'>,
    outputs: Pick<PipelineOutputs, 'CanaryLogGroupName' | 'StableLogGroupName'>,
    sinceMs: number,
  ) {
    this.#clients = clients;
    this.#groups = { canary: outputs.CanaryLogGroupName, stable: outputs.StableLogGroupName };
    this.#from = { canary: sinceMs, stable: sinceMs };
  }

  /** Reads what has been logged since the last call. */
  async update(): Promise<void> {
    await Promise.all(TRACKS.map((track) => this.#read(track)));
  }

  get(track: Track, version: string): Outcome | undefined {
    return this.#outcomes.get(`${track} ${version}`);
  }

  all(): Outcome[] {
    return [...this.#outcomes.values()].sort((a, b) =>
      a.version === b.version ? (a.track < b.track ? -1 : 1) : a.version < b.version ? -1 : 1,
    );
  }

  async #read(track: Track): Promise<void> {
    let nextToken: string | undefined;
    let newest = this.#from[track];
    do {
      const page = await this.#clients.logs.filterLogEvents({
        logGroupName: this.#groups[track],
        startTime: this.#from[track],
        filterPattern: PATTERN,
        ...(nextToken === undefined ? {} : { nextToken }),
      });
      for (const { eventId = '', message = '', timestamp = 0 } of page.events ?? []) {
        if (this.#seen.has(eventId)) continue;
        this.#seen.add(eventId);
        newest = Math.max(newest, timestamp);
        this.#add(track, message, timestamp);
      }
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    // Other streams of the group may still deliver lines that are a little older.
    this.#from[track] = newest - 10_000;
  }

  #add(track: Track, message: string, timestamp: number): void {
    const line = JSON.parse(message) as Line;
    if (line.event === 'message failed') {
      if (!FAILURES.has(line.outcome)) return;
      const outcome = this.#of(track, line.version, timestamp);
      outcome.failed += 1;
      outcome.firstFailedAt = Math.min(outcome.firstFailedAt ?? timestamp, timestamp);
    } else if (line.Received > 0 || line.Succeeded > 0) {
      // A worker that gets nothing writes zeros to show that it is alive; it has no outcomes yet.
      const outcome = this.#of(track, line.Version, timestamp);
      outcome.received += line.Received;
      outcome.succeeded += line.Succeeded;
    }
  }

  #of(track: Track, version: string, timestamp: number): Outcome {
    const key = `${track} ${version}`;
    const outcome = this.#outcomes.get(key) ?? {
      track,
      version,
      received: 0,
      succeeded: 0,
      failed: 0,
      firstAt: timestamp,
    };
    this.#outcomes.set(key, outcome);
    return outcome;
  }
}
