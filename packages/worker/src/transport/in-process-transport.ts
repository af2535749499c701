import { textOf } from '../errors.ts';
import { SqsFault, type Transport } from './transport.ts';

/** SQS's operations on an object, called as they are called on a {@link Transport}. */
export type SqsOperations = Pick<
  Transport,
  'receiveMessage' | 'deleteMessageBatch' | 'changeMessageVisibilityBatch' | 'sendMessage'
>;

/**
 * SQS without a wire: an object with the operations, which may live in virtual time. Errors become the faults
 * that the other transports raise; their `code`, or else their name, is SQS's code, and `status` is 400 unless
 * the error has one.
 */
export class InProcessTransport implements Transport {
  readonly clockOffsetMs = 0;
  readonly #operations: SqsOperations;

  constructor(operations: SqsOperations) {
    this.#operations = operations;
  }

  receiveMessage: Transport['receiveMessage'] = (input, signal) =>
    answer(() => abandonable(this.#operations.receiveMessage(input, signal), signal));

  deleteMessageBatch: Transport['deleteMessageBatch'] = (input) =>
    answer(() => this.#operations.deleteMessageBatch(input));

  changeMessageVisibilityBatch: Transport['changeMessageVisibilityBatch'] = (input) =>
    answer(() => this.#operations.changeMessageVisibilityBatch(input));

  sendMessage: Transport['sendMessage'] = (input) => answer(() => this.#operations.sendMessage(input));

  close(): void {
    // There is no connection.
  }
}

async function answer<Output>(call: () => Promise<Output>): Promise<Output> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof SqsFault) throw error;
    const { code, name, status } = Object(error) as Record<'code' | 'name' | 'status', unknown>;
    throw new SqsFault(
      typeof code === 'string' ? code : typeof name === 'string' ? name : 'UnknownError',
      textOf(error),
      typeof status === 'number' ? status : 400,
    );
  }
}

function abandonable<Output>(call: Promise<Output>, signal: AbortSignal | undefined): Promise<Output> {
  if (signal === undefined) return call;
  return new Promise((resolve, reject) => {
    const abandon = () => reject(new SqsFault('AbortError', 'the call was abandoned'));
    if (signal.aborted) abandon();
    signal.addEventListener('abort', abandon, { once: true });
    call.then(resolve, reject).finally(() => signal.removeEventListener('abort', abandon));
  });
}
