import { createHash } from 'node:crypto';

/** Shown in the log alongside the revision; raise it when the worker's behaviour changes. */
export const version = '1';

/**
 * Returns what {@link handle} processes, or throws if the message is malformed: if it is empty, or starts like a JSON
 * object and is not valid JSON. No version could process such a message. It is poison: it never reaches `handle`, and
 * is counted apart from the messages that a version failed.
 */
export function decode(body: string): string {
  if (body.trim() === '') throw new Error('the message is empty');
  if (body.startsWith('{')) JSON.parse(body);
  return body;
}

/**
 * Processes one message. Replace this with your own work.
 *
 * Return when the message is done, and it is deleted. Throw when it could not be processed: it is delivered again, and
 * moves to the dead-letter queue after the queue's `maxReceiveCount` deliveries. A message can arrive more than once,
 * so doing the same work twice must do no harm.
 */
export async function handle(body: string): Promise<void> {
  // A stand-in for real work: it takes a moment, and doing it twice changes nothing.
  createHash('sha256').update(body).digest();
}
