import type { AwsFault } from '../../errors.ts';
import { invalid } from './faults.ts';

/** The refusal of a filter pattern; `why` completes "Invalid filter pattern: ...". */
export function invalidPattern(why: string): AwsFault {
  return invalid(`Invalid filter pattern: ${why}.`);
}
