import { AwsFault } from '../../errors.ts';

export const BATCH_MAX = 100;

export function requireBatch(values: string[] | undefined, field: string): string[] {
  const list = values ?? [];
  if (list.length === 0 || list.length > BATCH_MAX) {
    throw new AwsFault(
      'InvalidInputException',
      `${field} must have 1 to ${BATCH_MAX} entries, got ${list.length}`,
    );
  }
  return list;
}
