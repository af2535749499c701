/**
 * Elementary functions from additions, multiplications and divisions only.
 *
 * IEEE 754 fixes the last digit of those, but not of `Math.log`, `Math.exp` and `**`, which differ between
 * engines. A verdict must have the same digits wherever its blocks are replayed, so the judge calls these.
 */

const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const LOG2_E = Math.LOG2E;
const SQRT2 = Math.SQRT2;
/** 1/23, 1/21, ..., 1/3: the series of the inverse hyperbolic tangent, far end first. */
const ODD_RECIPROCALS = Float64Array.from({ length: 11 }, (_, n) => 1 / (23 - 2 * n));

/** 1/15!, 1/14!, ..., 1/0!: the series of the exponential, far end first. */
const FACTORIAL_RECIPROCALS = Float64Array.from({ length: 16 }, (_, n) => {
  let factorial = 1;
  for (let factor = 2; factor <= 15 - n; factor += 1) factorial *= factor;
  return 1 / factorial;
});

const bits = new DataView(new ArrayBuffer(8));

/** E-values and wealth stop growing here: far beyond any threshold, far from overflow in sums and products. */
export const eValueMax = 1e250;

/** Natural logarithm, within two units of the last place; -Infinity at 0, NaN below. */
export function ln(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  let exponent = 0;
  let scaled = x;
  if (scaled < 2.2250738585072014e-308) {
    scaled *= 18014398509481984;
    exponent = -54;
  }
  bits.setFloat64(0, scaled);
  const high = bits.getUint32(0);
  exponent += ((high >>> 20) & 0x7ff) - 1023;
  bits.setUint32(0, (high & 0xfffff) | 0x3ff00000);
  let mantissa = bits.getFloat64(0);
  if (mantissa > SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  return exponent * LN2_HIGH + (lnNearOne(mantissa - 1) + exponent * LN2_LOW);
}

/** ln(1 + y) with full relative precision near 0. */
export function ln1p(y: number): number {
  return y > -0.29 && y < 0.41 ? lnNearOne(y) : ln(1 + y);
}

/** ln(1 + y) = 2 atanh(y / (2 + y)) for 1 + y between the roots of one half and of two. */
function lnNearOne(y: number): number {
  const s = y / (2 + y);
  const t = s * s;
  let sum = ODD_RECIPROCALS[0]!;
  for (let n = 1; n < ODD_RECIPROCALS.length; n += 1) sum = sum * t + ODD_RECIPROCALS[n]!;
  return 2 * s * (1 + t * sum);
}

/** e to the x, within two units of the last place; 0 below the smallest and Infinity above the largest double. */
export function exp(x: number): number {
  if (x > 709.78) return Number.POSITIVE_INFINITY;
  if (x < -745.13) return 0;
  const k = Math.round(x * LOG2_E);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  let sum = FACTORIAL_RECIPROCALS[0]!;
  for (let n = 1; n < FACTORIAL_RECIPROCALS.length; n += 1) sum = sum * r + FACTORIAL_RECIPROCALS[n]!;
  const half = Math.trunc(k / 2);
  return sum * powerOfTwo(half) * powerOfTwo(k - half);
}

function powerOfTwo(exponent: number): number {
  bits.setUint32(0, (exponent + 1023) << 20);
  bits.setUint32(4, 0);
  return bits.getFloat64(0);
}

/** Kullback-Leibler divergence of Bernoulli(p) from Bernoulli(q), in nats per unit; Infinity where q excludes p. */
export function divergence(p: number, q: number): number {
  const failing = p === 0 ? 0 : p * ln(p / q);
  const succeeding = p === 1 ? 0 : (1 - p) * ln((1 - p) / (1 - q));
  return failing + succeeding;
}

/** Entropy of Bernoulli(p), in nats per unit. */
export function entropy(p: number): number {
  return (p > 0 ? -p * ln(p) : 0) + (p < 1 ? -(1 - p) * ln1p(-p) : 0);
}

/** Logarithm of the gamma function for x above 0, to some twelve digits: Stirling's series from 10 on. */
export function lnGamma(x: number): number {
  let shifted = x;
  let product = 1;
  for (; shifted < 10; shifted += 1) product *= shifted;
  const inverse = 1 / shifted;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)));
  return (shifted - 0.5) * ln(shifted) - shifted + 0.5 * ln(2 * Math.PI) + series - ln(product);
}
