import { createHash } from 'node:crypto';

/** Shown in the log beside the revision; raise it when you change what the worker does. */
export const version = '1';

/**
 * Hands the body of a message on to {@link handle}, or throws when it is malformed: an empty one, or one that
 * begins as an object of JSON and is none. No version could process such a message, so it is poison: it is not
 * handed to `handle`, and is counted apart from the messages that a version failed.
 */
export function decode(body: string): string {
  if (body.trim() === '') throw new Error('the message is empty');
  if (body.startsWith('{')) JSON.parse(body);
  return body;
}

/**
 * Processes one message. This is the file to replace with your own work.
 *
 * Return when the message is done: it is deleted. Throw when it could not be processed: it is delivered
 * again, and moved to the dead-letter queue after the queue's `maxReceiveCount` deliveries. A message can
 * arrive more than once, so doing the same work twice must do no harm.
 */
export async function handle(body: string): Promise<void> {
  // A digest stands for the work: it takes a moment, and doing it twice changes nothing.
  createHash('sha256').update(body).digest();
}
