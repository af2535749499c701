import { AwsFault } from '../../errors.ts';

export const MAX_BATCH = 100;

export function requireBatch(values: string[] | undefined, field: string): string[] {
  const list = values ?? [];
  if (list.length === 0 || list.length > MAX_BATCH) {
    throw new AwsFault(
      'InvalidInputException',
      `${field} must have 1 to ${MAX_BATCH} entries, got ${list.length}`,
    );
  }
  return list;
}
