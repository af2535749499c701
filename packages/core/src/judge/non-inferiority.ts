import { divergence, eValueMax, exp, ln } from './numerics.ts';

/** Counts are pooled until they hold this many units or span this long: strata of one moment count together. */
const POOL_UNITS = 16;
const POOL_MS = 5000;

/** The guess at the failure rate is taken again when this many times as many units have been seen. */
const GUESS_AGAIN = 1.25;

/** Units of a track in a block below which its bet is kept. */
const FEW = 32;

/** The null hypothesis "canary = baseline + margin" at its likeliest, as logarithms of a unit's factor. */
interface Bet {
  readonly guess: number;
  readonly canaryFailed: number;
  readonly canarySucceeded: number;
  readonly baselineFailed: number;
  readonly baselineSucceeded: number;
  /** The factor when nothing failed, which is nearly always. */
  readonly allSucceeded: number;
}

/**
 * The e-process against "the canary fails at least `margin` more of its units than the baseline": what has to be
 * rejected before a release may be promoted.
 *
 * A likelihood ratio of equal rates (the guess) against the closest pair of rates that are `margin` apart; by
 * convexity it is valid for every pair further apart.
 */
export class NonInferiority {
  value = 1;
  readonly #margin: number;
  /** By how many units each track has; blocks are much alike. Outdated where the guess is another. */
  readonly #bets: Bet[][] = [];
  #guess = 0.5 / 100.5;
  #guessedAtUnits = 0;
  #units = 0;
  #failed = 0;
  #pooledFromMs = 0;
  #canaryUnits = 0;
  #canaryFailed = 0;
  #baselineUnits = 0;
  #baselineFailed = 0;

  constructor(margin: number) {
    this.#margin = margin;
  }

  /** Pools counts of a block; `settle` judges them when there are enough. */
  add(
    fromMs: number,
    canaryUnits: number,
    canaryFailed: number,
    baselineUnits: number,
    baselineFailed: number,
  ): void {
    if (this.#canaryUnits + this.#baselineUnits === 0) this.#pooledFromMs = fromMs;
    this.#canaryUnits += canaryUnits;
    this.#canaryFailed += canaryFailed;
    this.#baselineUnits += baselineUnits;
    this.#baselineFailed += baselineFailed;
  }

  /** Judges what has been pooled if it suffices by `toMs`. When to look depends on units and time only. */
  settle(toMs: number): void {
    const canaryUnits = this.#canaryUnits;
    const baselineUnits = this.#baselineUnits;
    const units = canaryUnits + baselineUnits;
    if (units === 0 || (units < POOL_UNITS && toMs - this.#pooledFromMs < POOL_MS)) return;
    const canaryFailed = this.#canaryFailed;
    const baselineFailed = this.#baselineFailed;
    if (canaryUnits > 0 && baselineUnits > 0) {
      const bet = this.#betOn(canaryUnits, baselineUnits);
      const factor =
        canaryFailed + baselineFailed === 0
          ? bet.allSucceeded
          : exp(
              canaryFailed * bet.canaryFailed +
                (canaryUnits - canaryFailed) * bet.canarySucceeded +
                baselineFailed * bet.baselineFailed +
                (baselineUnits - baselineFailed) * bet.baselineSucceeded,
            );
      // All is bet: a part kept back would make twenty failures at once cost no more than three by themselves.
      this.value = Math.min(this.value * factor, eValueMax);
    }
    this.#units += units;
    this.#failed += canaryFailed + baselineFailed;
    this.#canaryUnits = 0;
    this.#canaryFailed = 0;
    this.#baselineUnits = 0;
    this.#baselineFailed = 0;
    if (this.#units >= GUESS_AGAIN * this.#guessedAtUnits) {
      this.#guess = (0.5 + this.#failed) / (100.5 + this.#units);
      this.#guessedAtUnits = this.#units;
    }
  }

  #betOn(canaryUnits: number, baselineUnits: number): Bet {
    const few = canaryUnits < FEW && baselineUnits < FEW;
    const guess = this.#guess;
    const known = few ? this.#bets[canaryUnits]?.[baselineUnits] : undefined;
    if (known?.guess === guess) return known;
    const baseline = closestBaseline(guess, this.#margin, canaryUnits, baselineUnits);
    const canary = baseline + this.#margin;
    const canarySucceeded = ln((1 - guess) / (1 - canary));
    const baselineSucceeded = ln((1 - guess) / (1 - baseline));
    const bet: Bet = {
      guess,
      canaryFailed: ln(guess / canary),
      canarySucceeded,
      baselineFailed: ln(guess / baseline),
      baselineSucceeded,
      allSucceeded: exp(canaryUnits * canarySucceeded + baselineUnits * baselineSucceeded),
    };
    if (few) {
      const row = this.#bets[canaryUnits] ?? [];
      row[baselineUnits] = bet;
      this.#bets[canaryUnits] = row;
    }
    return bet;
  }
}

/**
 * The baseline's failure rate q for which rates q and q + margin are hardest to tell from `guess` on both tracks:
 * where canary units times divergence from q + margin plus baseline units times divergence from q is least.
 */
export function closestBaseline(
  guess: number,
  margin: number,
  canaryUnits: number,
  baselineUnits: number,
): number {
  let low = 0;
  let high = Math.min(guess, 1 - margin);
  let q = high / 2;
  // Newton's method within a shrinking bracket: a handful of steps, at most as many as halving takes.
  for (let step = 0; step < 80; step += 1) {
    const r = q + margin;
    const [rSpread, qSpread] = [r * (1 - r), q * (1 - q)];
    const slope = (canaryUnits * (r - guess)) / rSpread + (baselineUnits * (q - guess)) / qSpread;
    if (slope > 0) high = q;
    else low = q;
    const curvature =
      (canaryUnits * (r * (r - 2 * guess) + guess)) / (rSpread * rSpread) +
      (baselineUnits * (q * (q - 2 * guess) + guess)) / (qSpread * qSpread);
    const newton = q - slope / curvature;
    const next = newton > low && newton < high ? newton : (low + high) / 2;
    if (Math.abs(next - q) <= 1e-14 * q) return next;
    q = next;
  }
  return q;
}

/** The fastest that any method's evidence for non-inferiority can grow, in nats per unit of both tracks together. */
export function nonInferiorityRate(failureRate: number, margin: number, share: number): number {
  const q = closestBaseline(failureRate, margin, share, 1 - share);
  return share * divergence(failureRate, q + margin) + (1 - share) * divergence(failureRate, q);
}
