import type { Clock } from '../../src/clock.ts';
import { pause } from '../../src/clock.ts';
import type { SqsOperations } from '../../src/transport/in-process-transport.ts';
import {
  type BatchInput,
  type BatchOutput,
  type DeleteEntry,
  SqsFault,
} from '../../src/transport/transport.ts';

/** The trouble that a call meets. */
export type Trouble =
  | 'none'
  /** The request never arrives. */
  | 'request lost'
  /** It has its effect, and the answer never arrives. */
  | 'reply lost'
  | 'throttled'
  | 'unavailable'
  | 'denied'
  /** An error of a kind that nobody thought of. */
  | 'unheard of'
  /** Every second entry of a batch is refused for now. */
  | 'partial'
  /** It takes its time on its way there, and as much on its way back. */
  | 'slow';

export type Operation = keyof SqsOperations;

/** Decides over each call; `nth` counts the calls of an operation from 1. */
export type Plan = (operation: Operation, nth: number) => Trouble;

/** The plan by which all calls of one operation meet the same trouble, or only its first `times`. */
export const always =
  (troubled: Operation, trouble: Trouble, times = Number.POSITIVE_INFINITY): Plan =>
  (operation, nth) =>
    operation === troubled && nth <= times ? trouble : 'none';

/** The operations of a queue behind a network that has troubles. */
export class TroubledOperations implements SqsOperations {
  readonly #inner: SqsOperations;
  readonly #clock: Clock;
  readonly #plan: Plan;
  readonly #slowMs: number;
  readonly #counts = new Map<Operation, number>();
  #dead = false;

  constructor(inner: SqsOperations, clock: Clock, plan: Plan, slowMs = 2_000) {
    this.#inner = inner;
    this.#clock = clock;
    this.#plan = plan;
    this.#slowMs = slowMs;
  }

  /** The process on this side is killed: nothing is sent any more, and no answer arrives. */
  kill(): void {
    this.#dead = true;
  }

  receiveMessage: SqsOperations['receiveMessage'] = (input, signal) =>
    this.#meet('receiveMessage', () => this.#inner.receiveMessage(input, signal));

  deleteMessageBatch: SqsOperations['deleteMessageBatch'] = (input) =>
    this.#meet('deleteMessageBatch', (trouble) =>
      partly(trouble, input, (some) => this.#inner.deleteMessageBatch(some)),
    );

  changeMessageVisibilityBatch: SqsOperations['changeMessageVisibilityBatch'] = (input) =>
    this.#meet('changeMessageVisibilityBatch', (trouble) =>
      partly(trouble, input, (some) => this.#inner.changeMessageVisibilityBatch(some)),
    );

  sendMessage: SqsOperations['sendMessage'] = (input) =>
    this.#meet('sendMessage', () => this.#inner.sendMessage(input));

  async #meet<Output>(operation: Operation, call: (trouble: Trouble) => Promise<Output>): Promise<Output> {
    const never = new Promise<never>(() => undefined);
    if (this.#dead) return never;
    const nth = (this.#counts.get(operation) ?? 0) + 1;
    this.#counts.set(operation, nth);
    const trouble = this.#plan(operation, nth);
    if (trouble === 'request lost') throw new SqsFault('ECONNREFUSED', 'lost on its way there');
    if (trouble === 'throttled') throw new SqsFault('RequestThrottled', 'slow down', 400);
    if (trouble === 'unavailable') throw new SqsFault('InternalFailure', 'sorry', 500);
    if (trouble === 'denied') throw new SqsFault('AccessDeniedException', 'no', 403);
    if (trouble === 'unheard of') throw new TypeError('nobody thought of this');
    if (trouble === 'slow') await pause(this.#clock, this.#slowMs);
    const output = await call(trouble);
    if (trouble === 'slow') await pause(this.#clock, this.#slowMs);
    if (trouble === 'reply lost') throw new SqsFault('ECONNRESET', 'lost on its way back');
    return this.#dead ? never : output;
  }
}

async function partly<E extends DeleteEntry>(
  trouble: Trouble,
  input: BatchInput<E>,
  call: (input: BatchInput<E>) => Promise<BatchOutput>,
): Promise<BatchOutput> {
  if (trouble !== 'partial') return call(input);
  const { Successful = [], Failed = [] } = await call({
    ...input,
    Entries: input.Entries.filter((_entry, index) => index % 2 === 1),
  });
  const refused = input.Entries.filter((_entry, index) => index % 2 === 0);
  return {
    Successful,
    Failed: [
      ...Failed,
      ...refused.map(({ Id }) => ({ Id, Code: 'InternalError', Message: 'for now', SenderFault: false })),
    ],
  };
}
