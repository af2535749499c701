import { AwsFault } from '../../errors.ts';

/** One delivery of one message, as a receipt handle names it. */
export interface Receipt {
  readonly queue: number;
  readonly seq: number;
  /** Which delivery of the message this was: only the latest one may delete. */
  readonly receives: number;
  /** Beginning of the message's id, so that a handle from another state directory fits no message. */
  readonly tag: string;
}

const MARK = 'AQEB';

/** Characters of a message's id that its receipt handles carry. */
export function receiptTag(messageId: string): string {
  return messageId.slice(0, 13);
}

export function writeReceiptHandle(receipt: Receipt): string {
  const text = `${receipt.queue}.${receipt.seq}.${receipt.receives}.${receipt.tag}`;
  return MARK + Buffer.from(text, 'latin1').toString('base64url');
}

/** Reads a receipt handle of the given queue; anything else is `ReceiptHandleIsInvalid`. */
export function readReceiptHandle(handle: string, queue: number): Receipt {
  const text = handle.startsWith(MARK)
    ? Buffer.from(handle.slice(MARK.length), 'base64url').toString('latin1')
    : '';
  const match = /^(\d{1,15})\.(\d{1,15})\.(\d{1,9})\.([0-9a-f-]{13})$/.exec(text);
  if (!match || Number(match[1]) !== queue) {
    throw new AwsFault('ReceiptHandleIsInvalid', `The input receipt handle "${handle}" is not valid.`);
  }
  return { queue, seq: Number(match[2]), receives: Number(match[3]), tag: match[4]! };
}
