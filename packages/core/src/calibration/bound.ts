/**
 * The rate that a number of events does not exceed, with the given confidence: Clopper and Pearson's one-sided upper
 * bound. It takes the trials for independent.
 */
export function upperBound(events: number, trials: number, confidence: number): number {
  if (events >= trials) return 1;
  let [low, high] = [events / trials, 1];
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2;
    if (probabilityOfAtMost(events, trials, middle) > 1 - confidence) low = middle;
    else high = middle;
  }
  return high;
}

/** Whether events came surely more often than a rate explains: by chance as many come once in a hundred times. */
export function isSurelyMore(events: number, trials: number, rate: number): boolean {
  return events > 0 && 1 - probabilityOfAtMost(events - 1, trials, rate) < 0.01;
}

/** Of a binomial law. */
function probabilityOfAtMost(events: number, trials: number, rate: number): number {
  if (rate <= 0) return 1;
  if (rate >= 1) return events >= trials ? 1 : 0;
  let term = trials * Math.log1p(-rate);
  let sum = Math.exp(term);
  for (let k = 1; k <= events; k += 1) {
    term += Math.log(((trials - k + 1) * rate) / (k * (1 - rate)));
    sum += Math.exp(term);
  }
  return Math.min(1, sum);
}
