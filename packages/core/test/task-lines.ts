import { binOf, type Histogram, type Line, reportMs, reportsEachSecondMs, type Track } from '../src/index.ts';

/** What a task does. Counts are spread evenly over its lines, so that nothing is left to chance. */
export interface Work {
  /** Messages that it takes in a second, each for the first time. @default 0 */
  readonly perSecond?: number;
  /** Part of them that fails. @default 0 */
  readonly failing?: number;
  /** Part of what fails that is not delivered again, but goes to the dead-letter queue. @default 0 */
  readonly deadLettering?: number;
  /** Whether what fails, and is no dead letter, is done when it is delivered again, within the same line. @default true */
  readonly recovering?: boolean;
  /** Error class of what fails. @default 'Error' */
  readonly errorClass?: string;
  /** How long a message takes, about; 0 where that is not to be judged. @default 50 */
  readonly takesMs?: number;
  /** Deliveries in hand at the end of each line. @default 0 */
  readonly inHand?: number;
}

/** The same all the time, or by the age at the end of the line. */
export type WorkByAge = Work | ((ageMs: number) => Work);

/** Who writes. */
export interface Writer {
  readonly task: string;
  readonly track: Track;
  readonly startedAt: number;
}

/** Durations lie around what a message takes about. */
const AROUND = [0.8, 0.9, 1, 1.1, 1.3];

/**
 * The lines of one task, as a worker writes them: numbered, one for each five seconds by the clock, and for each
 * second while the task is young.
 */
export class TaskLines {
  readonly written: Line[] = [];
  /** First deliveries that failed, in all lines. */
  failed = 0;
  /** Positions of the lines by which deliveries failed. */
  readonly #failing: number[] = [];
  readonly #writer: Writer;
  #reportedMs: number;
  #finished: Tally;
  #failed: Tally;

  constructor(writer: Writer) {
    this.#writer = writer;
    this.#reportedMs = writer.startedAt;
    // Tasks do not fail all at the same moment.
    const phase = phaseOf(writer.task);
    this.#finished = { exact: phase, whole: 0 };
    this.#failed = { exact: phase, whole: 0 };
  }

  /** The task has done this since its last line. What has not been reported by `untilMs` is still to come. */
  work(untilMs: number, work: WorkByAge): this {
    for (let toMs = this.#nextMs(); toMs <= untilMs; toMs = this.#nextMs()) this.#write(toMs, work, false);
    return this;
  }

  /** The task has done this until `atMs`, when it had drained: its last line says so. */
  drain(atMs: number, work: WorkByAge): this {
    this.work(atMs, work);
    const last = this.written.at(-1);
    if (atMs > this.#reportedMs) this.#write(atMs, work, true);
    else if (last !== undefined)
      this.written[this.written.length - 1] = { ...last, final: true, inFlight: 0 };
    return this;
  }

  /** The last deliveries of so many messages failed by `atMs`, each after others. */
  failLast(atMs: number, count: number): this {
    this.#write(atMs, {}, false, { retried: count, retriedFailed: count, deadLettered: count });
    return this;
  }

  /** The lines by which deliveries failed. */
  get failing(): readonly Line[] {
    return this.#failing.map((position) => this.written[position]!);
  }

  #nextMs(): number {
    const ageMs = this.#reportedMs - this.#writer.startedAt;
    const stepMs = ageMs < reportsEachSecondMs ? 1_000 : reportMs;
    return (Math.floor(this.#reportedMs / stepMs) + 1) * stepMs;
  }

  #write(toMs: number, work: WorkByAge, final: boolean, again: Partial<Line> = {}): void {
    const { task, track, startedAt } = this.#writer;
    const fromMs = this.#reportedMs;
    const does = typeof work === 'function' ? work(toMs - startedAt) : work;
    const {
      perSecond = 0,
      failing = 0,
      deadLettering = 0,
      recovering = true,
      errorClass = 'Error',
      takesMs = 50,
      inHand = 0,
    } = does;
    const finished = grow(this.#finished, (perSecond * (toMs - fromMs)) / 1000);
    const failed = Math.min(finished, grow(this.#failed, finished * failing));
    const deadLettered = Math.round(failed * deadLettering);
    this.failed += failed;
    if (failed > 0 || again.retriedFailed) this.#failing.push(this.written.length);
    this.written.push({
      task,
      track,
      revision: 'r',
      sequence: this.written.length,
      final,
      startedAt,
      fromMs,
      toMs,
      received: finished,
      finished,
      failed,
      retried: recovering ? failed - deadLettered : 0,
      retriedFailed: 0,
      deadLettered,
      pollingMs: toMs - fromMs,
      inFlight: final ? 0 : inHand,
      durations: durationsOf(this.#finished.whole, finished, takesMs),
      memoryMiB: 50,
      errors: failed === 0 ? {} : { [errorClass]: failed },
      types: {},
      counters: {},
      ...again,
    });
    this.#reportedMs = toMs;
  }
}

interface Tally {
  exact: number;
  whole: number;
}

/** By how many whole ones the tally has grown. */
function grow(tally: Tally, by: number): number {
  tally.exact += by;
  const whole = Math.floor(tally.exact + 1e-9);
  const grown = whole - tally.whole;
  tally.whole = whole;
  return grown;
}

function durationsOf(before: number, count: number, takesMs: number): Histogram {
  if (takesMs === 0) return [];
  const counts = new Map<number, number>();
  for (let message = before - count; message < before; message += 1) {
    const bin = binOf(takesMs * AROUND[message % AROUND.length]!);
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a - b);
}

function phaseOf(task: string): number {
  let hash = 0;
  for (let index = 0; index < task.length; index += 1) hash = (hash * 31 + task.charCodeAt(index)) % 997;
  return hash / 997;
}
