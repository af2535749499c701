import type { BatchResultErrorEntry } from '@aws-sdk/client-sqs';
import { AwsFault } from '../../errors.ts';

const ENTRIES_MAX = 10;

/**
 * Runs an operation for every entry of a batch: an entry that fails is reported and stops nothing. A batch
 * that is empty, too large or without distinct, valid ids fails as a whole, as on AWS.
 */
export function runBatch<E extends { Id?: string | undefined }, R>(
  operation: string,
  entries: readonly E[] | undefined,
  run: (entry: E, id: string) => R,
  checkWhole?: (entries: readonly E[]) => void,
): { Successful: R[]; Failed: BatchResultErrorEntry[] | undefined } {
  checkEntries(operation, entries ?? []);
  checkWhole?.(entries ?? []);
  const successful: R[] = [];
  const failed: BatchResultErrorEntry[] = [];
  for (const entry of entries ?? []) {
    const id = entry.Id ?? '';
    try {
      successful.push(run(entry, id));
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      failed.push({ Id: id, SenderFault: error.status < 500, Code: error.code, Message: error.message });
    }
  }
  return { Successful: successful, Failed: failed.length === 0 ? undefined : failed };
}

function checkEntries(operation: string, entries: ReadonlyArray<{ Id?: string | undefined }>): void {
  if (entries.length === 0) {
    throw new AwsFault(
      'EmptyBatchRequest',
      `There should be at least one ${operation}RequestEntry in the request.`,
    );
  }
  if (entries.length > ENTRIES_MAX) {
    throw new AwsFault(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${ENTRIES_MAX}. You have sent ${entries.length}.`,
    );
  }
  const ids = new Set<string>();
  for (const { Id = '' } of entries) {
    if (!/^[A-Za-z0-9_-]{1,80}$/.test(Id)) {
      throw new AwsFault(
        'InvalidBatchEntryId',
        'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
      );
    }
    if (ids.has(Id)) throw new AwsFault('BatchEntryIdsNotDistinct', `Id ${Id} repeated.`);
    ids.add(Id);
  }
}
