/** Shown in the log beside the revision; raise it when you change what the worker does. */
export const version = '1';

/**
 * Processes one message. This is the file to replace with your own work.
 *
 * Return when the message is done: it is deleted. Throw when it could not be processed: it is delivered
 * again, and moved to the dead-letter queue after the queue's `maxReceiveCount` deliveries. A message can
 * arrive more than once, so doing the same work twice must do no harm.
 */
export async function handle(body: string): Promise<void> {
  if (body.trim() === '') throw new Error('the message is empty');
}
