import type { Cell } from './block.ts';

/** Standard deviations by which tasks' failures must differ by more than chance. */
const SURELY = 2;

/** Standard errors by which a task must differ before it counts as different. */
const SURE = 2;

interface Task {
  units: number;
  failed: number;
  durations: number;
  bins: number;
  squares: number;
}

/**
 * How much stable's tasks differ among themselves: a canary that differs as much may be one of them.
 *
 * Only what is surely more than chance counts, since the canary is compared with all of them together.
 */
export class Heterogeneity {
  readonly #tasks = new Map<string, Task>();

  observe(stable: readonly Cell[]): void {
    for (const { task, finished, failed, durations } of stable) {
      let known = this.#tasks.get(task);
      if (known === undefined) {
        known = { units: 0, failed: 0, durations: 0, bins: 0, squares: 0 };
        this.#tasks.set(task, known);
      }
      known.units += finished;
      known.failed += failed;
      for (const each of durations ?? []) {
        const count = each[1];
        known.durations += count;
        known.bins += count * each[0];
        known.squares += count * each[0] * each[0];
      }
    }
  }

  /**
   * The standard deviation of log failure rates among stable's tasks that is surely more than chance; 0 where they may
   * be alike. A new task lies around their mean by a little more, as the mean of few tasks is not known exactly.
   */
  get rateSpread(): number {
    let [units, failed, tasks] = [0, 0, 0];
    for (const task of this.#tasks.values()) {
      if (task.units === 0) continue;
      units += task.units;
      failed += task.failed;
      tasks += 1;
    }
    if (failed === 0 || tasks < 2) return 0;
    let chi = 0;
    for (const task of this.#tasks.values()) {
      const expected = (task.units * failed) / units;
      if (expected > 0) chi += (task.failed - expected) ** 2 / expected;
    }
    // Of few failures chi-square wavers more than its law for many says.
    const wavering = (2 + (tasks * tasks) / failed) / (2 * (tasks - 1));
    const excess = chi / (tasks - 1) - (1 + SURELY * Math.sqrt(wavering));
    return Math.sqrt(Math.max(0, (excess * tasks) / failed) * (1 + 1 / tasks));
  }

  /** By how many bins of the durations' logarithm the slowest task is surely slower than all; 0 where they are alike. */
  get slownessBins(): number {
    let [durations, bins, squares] = [0, 0, 0];
    for (const task of this.#tasks.values()) {
      durations += task.durations;
      bins += task.bins;
      squares += task.squares;
    }
    if (durations === 0) return 0;
    const mean = bins / durations;
    const sd = Math.sqrt(Math.max(0, squares / durations - mean * mean));
    let worst = 0;
    for (const task of this.#tasks.values()) {
      if (task.durations === 0) continue;
      const slower = task.bins / task.durations - mean - (SURE * sd) / Math.sqrt(task.durations);
      if (slower > worst) worst = slower;
    }
    return worst;
  }

  /** The standard deviation of the tasks' failure rates that chance does not explain, and how many tasks there are. */
  get failureRateSpread(): { readonly sd: number; readonly tasks: number } {
    const rates: { readonly rate: number; readonly units: number }[] = [];
    for (const { units, failed } of this.#tasks.values()) {
      if (units > 0) rates.push({ rate: failed / units, units });
    }
    const tasks = rates.length;
    if (tasks < 2) return { sd: 0, tasks };
    const mean = rates.reduce((all, { rate }) => all + rate, 0) / tasks;
    const variance = rates.reduce((all, { rate }) => all + (rate - mean) ** 2, 0) / (tasks - 1);
    const chance = rates.reduce((all, { units }) => all + (mean * (1 - mean)) / units, 0) / tasks;
    return { sd: Math.sqrt(Math.max(0, variance - chance)), tasks };
  }
}
