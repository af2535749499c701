import type { Block } from './block.ts';
import { count, failuresOf, retriesOf, tally, totalOf } from './counts.ts';

/** What both tracks did, all blocks together. */
export class Tallies {
  readonly canary = tally();
  readonly baseline = tally();
  readonly retriedCanary = tally();
  readonly retriedBaseline = tally();
  readonly crashes = { canary: 0, stable: 0, canarySeconds: 0, stableSeconds: 0 };
  /** What the lines have said anything about. */
  readonly measured = { durations: false, saturated: false, crashes: false };
  #lastUnitAtMs: number | undefined;
  #baselineUnitsSinceCanary = 0;
  #canaryUnitsSinceBaseline = 0;

  /** When either track last had a message. */
  get lastUnitAtMs(): number | undefined {
    return this.#lastUnitAtMs;
  }

  /** Messages of stable since the canary last had one. */
  get baselineUnitsSinceCanary(): number {
    return this.#baselineUnitsSinceCanary;
  }

  /** Messages of the canary since stable last had one. */
  get canaryUnitsSinceBaseline(): number {
    return this.#canaryUnitsSinceBaseline;
  }

  count(block: Block): void {
    this.#countMessages(block);
    this.#countCrashes(block);
  }

  #countMessages({ toMs, canary, stable }: Block): void {
    const own = totalOf(canary, failuresOf);
    const others = totalOf(stable, failuresOf);
    count(this.canary, own);
    count(this.baseline, others);
    count(this.retriedCanary, totalOf(canary, retriesOf));
    count(this.retriedBaseline, totalOf(stable, retriesOf));
    for (const { finished, durations, saturated } of canary) {
      if (durations !== undefined && durations.length > 0) this.measured.durations = true;
      if (saturated && finished > 0) this.measured.saturated = true;
    }
    if (own.units + others.units === 0) return;
    this.#lastUnitAtMs = toMs;
    this.#baselineUnitsSinceCanary = own.units > 0 ? 0 : this.#baselineUnitsSinceCanary + others.units;
    this.#canaryUnitsSinceBaseline = others.units > 0 ? 0 : this.#canaryUnitsSinceBaseline + own.units;
  }

  #countCrashes({ crashes }: Block): void {
    if (crashes === undefined) return;
    this.measured.crashes = true;
    this.crashes.canary += crashes.canary.count;
    this.crashes.stable += crashes.stable.count;
    this.crashes.canarySeconds += crashes.canary.taskSeconds;
    this.crashes.stableSeconds += crashes.stable.taskSeconds;
  }
}
