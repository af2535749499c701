/** Seeded random numbers (xoshiro128**, seeded by splitmix32): the same seed gives the same trace. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    let state = seed | 0;
    const next = () => {
      state = (state + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  #bits(): number {
    const times5 = Math.imul(this.#b, 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result >>> 0;
  }

  /** Uniform below 1, with 53 bits. */
  uniform(): number {
    return ((this.#bits() >>> 5) * 0x4000000 + (this.#bits() >>> 6)) / 0x20000000000000;
  }
}

const SMALL = 64;
const LOG_FACTORIALS = new Float64Array(20_001);
for (let n = 1; n < LOG_FACTORIALS.length; n += 1) LOG_FACTORIALS[n] = LOG_FACTORIALS[n - 1]! + Math.log(n);

/** Draws how many of n units have a property of probability p; exact for any n up to 20,000. */
export class Binomial {
  readonly #p: number;
  readonly #random: Random;
  readonly #tables: (Float64Array | undefined)[] = [];

  constructor(random: Random, p: number) {
    this.#random = random;
    this.#p = p;
  }

  draw(n: number): number {
    if (n === 0 || this.#p === 0) return 0;
    if (this.#p === 1) return n;
    if (n > SMALL) return this.#drawFromMode(n);
    let table = this.#tables[n];
    if (table === undefined) {
      table = cumulated(n, this.#p);
      this.#tables[n] = table;
    }
    const u = this.#random.uniform();
    let k = 0;
    while (k < n && u >= table[k]!) k += 1;
    return k;
  }

  /** Inversion outwards from the mode: as many steps as a few standard deviations. */
  #drawFromMode(n: number): number {
    const p = this.#p;
    const odds = p / (1 - p);
    const mode = Math.floor((n + 1) * p);
    const atMode = Math.exp(
      LOG_FACTORIALS[n]! -
        LOG_FACTORIALS[mode]! -
        LOG_FACTORIALS[n - mode]! +
        mode * Math.log(p) +
        (n - mode) * Math.log1p(-p),
    );
    let left = this.#random.uniform() - atMode;
    let [above, below] = [atMode, atMode];
    for (let step = 0; left >= 0; step += 1) {
      const up = mode + step + 1;
      const down = mode - step - 1;
      if (up > n && down < 0) return mode;
      if (up <= n) {
        above *= ((n - up + 1) / up) * odds;
        left -= above;
        if (left < 0) return up;
      }
      if (down >= 0) {
        below *= (down + 1) / ((n - down) * odds);
        left -= below;
        if (left < 0) return down;
      }
    }
    return mode;
  }
}

function cumulated(n: number, p: number): Float64Array {
  const table = new Float64Array(n + 1);
  let term = (1 - p) ** n;
  let sum = 0;
  for (let k = 0; k <= n; k += 1) {
    sum += term;
    table[k] = sum;
    term *= ((n - k) / (k + 1)) * (p / (1 - p));
  }
  return table;
}
