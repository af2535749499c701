import { ConditionalLaw } from '../../packages/core/src/judge/conditional-law.ts';

/** The largest distance of E0[e] from 1 over every block of up to `unitsMax` units and several odds ratios. */
export function largestMeanError(unitsMax: number): number {
  const law = new ConditionalLaw();
  let largest = 0;
  for (let units = 2; units <= unitsMax; units += 1) {
    for (let canary = 1; canary < units; canary += 1) {
      for (let failures = 1; failures < units; failures += 1) {
        law.load(canary, units - canary, failures, 1);
        for (const oddsRatio of [1.001, 2, 37.5, 1000]) {
          let mean = 0;
          for (let k = Math.max(0, failures - units + canary); k <= Math.min(canary, failures); k += 1) {
            const splits = choose(canary, k) * choose(units - canary, failures - k);
            mean += (splits / choose(units, failures)) * law.eValue(k, oddsRatio);
          }
          largest = Math.max(largest, Math.abs(mean - 1));
        }
      }
    }
  }
  return largest;
}

function choose(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= k; i += 1) result = Math.round((result * (n - k + i)) / i);
  return result;
}
