import type { Track } from '@queue-canary/core';
import type { Clients } from '../clients.ts';
import type { PipelineOutputs } from '../stacks.ts';

/** What the workers' logs say that one version did on one track. */
export interface Outcome {
  readonly track: Track;
  readonly version: string;
  received: number;
  succeeded: number;
  failed: number;
  /** Time of the first batch and of the first failure, epoch milliseconds. */
  readonly firstAt: number;
  firstFailedAt?: number;
}

const TRACKS: readonly Track[] = ['canary', 'stable'];

/** Adds up the outcome lines that the workers log, each line once. */
export class OutcomeTally {
  readonly #clients: Clients;
  readonly #groups: Readonly<Record<Track, string>>;
  readonly #seen = new Set<string>();
  readonly #outcomes = new Map<string, Outcome>();
  readonly #from: Record<Track, number>;

  constructor(clients: Clients, outputs: PipelineOutputs, sinceMs: number) {
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
        filterPattern: '{ $.Received = * }',
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
    const line = JSON.parse(message) as {
      Version: string;
      Received: number;
      Succeeded: number;
      Failed: number;
    };
    const key = `${track} ${line.Version}`;
    const outcome = this.#outcomes.get(key) ?? {
      track,
      version: line.Version,
      received: 0,
      succeeded: 0,
      failed: 0,
      firstAt: timestamp,
    };
    outcome.received += line.Received;
    outcome.succeeded += line.Succeeded;
    outcome.failed += line.Failed;
    if (line.Failed > 0) outcome.firstFailedAt ??= timestamp;
    this.#outcomes.set(key, outcome);
  }
}
