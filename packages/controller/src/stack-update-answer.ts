import { type StackUpdate, storedText } from '@queue-canary/core';
import { UserError } from './user-error.ts';

/** Sends a body to an address by PUT. Bytes, since a text would get a content type, for which the address is not signed. */
export type Put = (url: string, body: Uint8Array<ArrayBuffer>) => Promise<Response>;

/** A call that hangs must not use up the time of the whole look. */
const ANSWER_MS_MAX = 10_000;

export const putTo: Put = (url, body) =>
  fetch(url, { method: 'PUT', body, signal: AbortSignal.timeout(ANSWER_MS_MAX) });

/**
 * Answers CloudFormation. An answer that is repeated changes nothing: the first counts.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
 */
export async function answerTo(
  update: StackUpdate,
  answer: { readonly success: boolean; readonly reason: string },
  put: Put,
): Promise<void> {
  const { requestId, stackId, logicalResourceId, physicalResourceId } = update;
  const body = JSON.stringify({
    Status: answer.success ? 'SUCCESS' : 'FAILED',
    Reason: storedText(answer.reason),
    PhysicalResourceId: physicalResourceId,
    StackId: stackId,
    RequestId: requestId,
    LogicalResourceId: logicalResourceId,
  });
  const response = await put(update.responseUrl, new TextEncoder().encode(body));
  if (response.ok) return;
  throw new UserError(
    'StackUpdateUnanswered',
    `CloudFormation did not take the answer about ${logicalResourceId} (status ${response.status}); the next look answers again`,
  );
}
