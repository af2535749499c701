import { binOf, type Histogram, type Line, reportMs, reportsEachSecondMs } from '../src/index.ts';

/** What a task of stable does, by its age and by the clock; chance decides the rest. */
export interface RandomTask {
  readonly task: string;
  readonly startedAt: number;
  readonly untilMs: number;
  readonly revision?: string;
  /** Messages that it takes in a second. */
  readonly perSecond: number;
  /** Part of them that fails. */
  readonly failing: number | ((ageMs: number) => number);
  /** The median time that one takes; it varies by a quarter around it. */
  readonly takesMs?: number | ((ageMs: number) => number);
  /** Of what fails, so many fail together. @default 1 */
  readonly together?: number;
}

/** A small generator of its own: a seed gives the same history for ever. */
export function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The lines that a task writes until it has drained, the last one final. */
export function* randomLines(task: RandomTask, random: () => number): Generator<Line> {
  const { startedAt, untilMs, perSecond, together = 1 } = task;
  const at = (value: number | ((ageMs: number) => number), ageMs: number) =>
    typeof value === 'number' ? value : value(ageMs);
  let fromMs = startedAt;
  for (let sequenceNumber = 0; fromMs < untilMs; sequenceNumber += 1) {
    const stepMs = fromMs - startedAt < reportsEachSecondMs ? 1_000 : reportMs;
    const toMs = Math.min(untilMs, (Math.floor(fromMs / stepMs) + 1) * stepMs);
    const ageMs = toMs - startedAt;
    const finished = poisson((perSecond * (toMs - fromMs)) / 1000, random);
    const clumps = poisson((finished * at(task.failing, ageMs)) / together, random);
    const failed = Math.min(finished, together * clumps);
    yield {
      task: task.task,
      track: 'stable',
      revision: task.revision ?? 'r1',
      sequence: sequenceNumber,
      final: toMs === untilMs,
      startedAt,
      fromMs,
      toMs,
      received: finished,
      finished,
      failed,
      retried: 0,
      retriedFailed: 0,
      deadLettered: 0,
      pollingMs: toMs - fromMs,
      inFlight: 0,
      durations: durations(finished, at(task.takesMs ?? 50, ageMs), random),
      memoryMiB: 60,
      errors: failed === 0 ? {} : { Error: failed },
      types: {},
      counters: {},
    };
    fromMs = toMs;
  }
}

/** Log-normal, with a standard deviation of a quarter. */
function durations(count: number, medianMs: number, random: () => number): Histogram {
  const bins = new Map<number, number>();
  for (let message = 0; message < count; message += 1) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const bin = binOf(medianMs * Math.exp(normal / 4));
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
  }
  return [...bins].sort(([a], [b]) => a - b);
}

function poisson(mean: number, random: () => number): number {
  const least = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > least; count += 1) product *= random();
  return count;
}
