import type { Counts } from './block.ts';
import type { Comparison } from './comparison.ts';
import { count, failuresOf, slowOf, tally, totalOf } from './counts.ts';
import { binStartMs } from './histogram.ts';
import { percent } from './required-sample.ts';

/** How many messages took longer than stable's past p90, which ends with the bin. */
export function latencyWords(compared: readonly Comparison[], bin: number): string {
  const [own, others] = [tally(), tally()];
  for (const { canary, baselines } of compared) {
    count(
      own,
      totalOf(canary, (cell) => slowOf(cell, bin)),
    );
    count(
      others,
      totalOf(baselines[0] ?? [], (cell) => slowOf(cell, bin)),
    );
  }
  const p90 = `${Math.round(binStartMs(bin + 1))} ms`;
  return `on the canary ${part(own)} took longer than stable's past p90 of ${p90}, on the baseline ${part(others)}`;
}

/** What a task finishes while the canary has as many messages as it can take. */
export function throughputWords(compared: readonly Comparison[]): string {
  const [own, others] = [tally(), tally()];
  let [ownMs, othersMs] = [0, 0];
  for (const { fromMs, toMs, canary, baselines } of compared) {
    const full = canary.filter(({ saturated }) => saturated);
    if (full.length === 0) continue;
    const stable = baselines[0] ?? [];
    count(own, totalOf(full, failuresOf));
    count(others, totalOf(stable, failuresOf));
    ownMs += full.length * (toMs - fromMs);
    othersMs += stable.length * (toMs - fromMs);
  }
  if (ownMs === 0 || othersMs === 0) return 'the canary has not had its hands full for long';
  const perMinute = (units: number, ms: number) => Math.round((units / ms) * 60_000);
  return `with its hands full, a task of the canary finished ${perMinute(own.units, ownMs)} messages a minute, one of stable ${perMinute(others.units, othersMs)}`;
}

export function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

export function part({ units, failed }: Counts): string {
  return units === 0 ? 'none of 0 messages' : `${failed} of ${units} messages (${percent(failed / units)})`;
}
