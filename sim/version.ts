import type { Random } from '../bench/judge/random.ts';

/** How a version of the worker behaves. What is left out is as in a good version. */
export interface Behaviour {
  /** Share of the messages that it fails, each at random. @default 0 */
  readonly failing?: number;
  /** Median time for which it works on a message, milliseconds. @default 40 */
  readonly medianMs?: number;
  /** How long a task of it is slow and fails now and then, milliseconds. @default 0 */
  readonly coldMs?: number;
}

/** A version of the worker: what a commit holds instead of its source, and what a task with its image does. */
export interface Version extends Behaviour {
  readonly name: string;
}

/** The file of a commit that says which version it is. */
export const VERSION_FILE = 'version.json';

/** A configuration that no version can work with: of the sample app's variable for the delay before a retry. */
export const BROKEN_DELAY_SECONDS = '43200';
/** Of the messages, how many fail with it. */
export const BROKEN_FAILING = 0.5;

/** What no version can process. */
export const POISON = 'poison';

const MEDIAN_MS = 40;
/** Of a cold task: how much slower it is, and how many messages it fails. */
const COLD = { slower: 3, failing: 0.04 };

/** What a task does with one message: how long it takes, and whether it fails then. */
export function workOn(
  { failing = 0, medianMs = MEDIAN_MS, coldMs = 0 }: Version,
  uptimeMs: number,
  random: Random,
): { readonly ms: number; readonly fails: boolean } {
  const isCold = uptimeMs < coldMs;
  return {
    // Half of the messages take between two thirds of the median and one and a half times of it; a few take many times as long.
    ms: medianMs * Math.exp(0.6 * random.normal()) * (isCold ? COLD.slower : 1),
    fails: random.uniform() < Math.max(failing, isCold ? COLD.failing : 0),
  };
}
