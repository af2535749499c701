import { eValueMax, exp, ln } from './numerics.ts';
import { Wealth } from './wealth.ts';

/** Shares of the receives that a stalled canary may still take, by bet. */
const STALLED_SHARES = [0.001, 0.02, 0.05, 0.1];

/** Receives by a track in a block below which their factors are looked up. */
const FEW = 32;

/**
 * The e-process against "of the receives that return messages, the canary takes at least `shareMin`".
 *
 * A canary that hangs fails nothing: it only stops taking part. Valid for every share of at least `shareMin`,
 * since each bet's share lies below it.
 */
export class Stall {
  readonly #wealth: Wealth;
  readonly #canary: readonly number[];
  readonly #baseline: readonly number[];
  readonly #canaryPowers: Float64Array;
  readonly #baselinePowers: Float64Array;
  readonly #factors: Float64Array;

  constructor(shareMin: number) {
    const lower = STALLED_SHARES.filter((share) => share < shareMin);
    const shares = lower.length > 0 ? lower : [shareMin / 10];
    this.#wealth = new Wealth(shares.map(() => 1));
    this.#canary = shares.map((share) => ln(share / shareMin));
    this.#baseline = shares.map((share) => ln((1 - share) / (1 - shareMin)));
    this.#canaryPowers = powers(this.#canary);
    this.#baselinePowers = powers(this.#baseline);
    this.#factors = new Float64Array(shares.length);
  }

  get value(): number {
    return this.#wealth.value;
  }

  observe(
    { canary, baseline }: { readonly canary: number; readonly baseline: number },
    elapsed: number,
  ): void {
    if (canary + baseline === 0) return;
    const few = canary < FEW && baseline < FEW;
    for (let bet = 0; bet < this.#factors.length; bet += 1) {
      this.#factors[bet] = few
        ? this.#canaryPowers[bet * FEW + canary]! * this.#baselinePowers[bet * FEW + baseline]!
        : Math.min(exp(canary * this.#canary[bet]! + baseline * this.#baseline[bet]!), eValueMax);
    }
    this.#wealth.bet(this.#factors, elapsed);
  }
}

/** Powers of each bet's factor from the 0th on, for the few receives of a small block. */
function powers(logarithms: readonly number[]): Float64Array {
  const table = new Float64Array(logarithms.length * FEW);
  for (const [bet, logarithm] of logarithms.entries()) {
    for (let n = 0; n < FEW; n += 1) table[bet * FEW + n] = exp(n * logarithm);
  }
  return table;
}
