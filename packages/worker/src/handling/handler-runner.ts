import { groupOf, Lane } from '../delivery/fifo-lanes.ts';
import type { Outbox } from '../delivery/outbox.ts';
import type { Permits } from '../delivery/permits.ts';
import type { Delivery } from '../message/delivery.ts';
import type { BatchHandler, Decode, Handler, Item, MessageType } from '../message/handler.ts';
import type { Message } from '../message/message.ts';
import { thrown } from '../reporting/outcome-book.ts';
import { failure, type HandlerResult, resultOf, resultsOf } from './handler-result.ts';
import type { Run } from './run.ts';
import type { Runs } from './runs.ts';
import type { LaneStep, Settlement } from './settlement.ts';

export interface HandlerRunnerParts<T> {
  readonly fifo: boolean;
  readonly decode: Decode<T>;
  readonly messageType: MessageType<T> | undefined;
  readonly handler: Handler<T> | undefined;
  readonly batchHandler: BatchHandler<T> | undefined;
  readonly runs: Runs;
  readonly settlement: Settlement;
  readonly outbox: Outbox;
  readonly permits: Permits;
  /** A handler has settled, and so have its messages. */
  readonly onSettled: () => void;
}

/** Calls the handler with decoded messages and passes each result on. Gives permits back, once for each message. */
export class HandlerRunner<T> {
  readonly #parts: HandlerRunnerParts<T>;

  constructor(parts: HandlerRunnerParts<T>) {
    this.#parts = parts;
  }

  /** Handles one message. In a lane, the permit is the lane's. */
  async handle(delivery: Delivery, lane: Lane | undefined): Promise<void> {
    const { runs, settlement, handler, onSettled } = this.#parts;
    const item = this.#decode(delivery);
    if ('undecodable' in item) {
      this.#proceed(lane, this.#poison(delivery, lane, item.undecodable));
      return;
    }
    const run = runs.begin([delivery]);
    let result: HandlerResult;
    try {
      result = resultOf(await handler?.(item.body, item.message, run));
    } catch (error) {
      result = failure(error);
    }
    const { stuck } = run;
    runs.end(run);
    const step = settlement.settle(run, delivery, result, lane);
    if (!stuck) this.#proceed(lane, step);
    onSettled();
  }

  /** Handles messages together. */
  async handleBatch(deliveries: readonly Delivery[]): Promise<void> {
    const { runs, permits, batchHandler, onSettled } = this.#parts;
    const { items, taken } = this.#decodeBatch(deliveries);
    permits.release(deliveries.length - taken.length);
    if (taken.length === 0) return;
    const run = runs.begin(taken);
    let resultOfId: (messageId: string) => HandlerResult;
    try {
      resultOfId = resultsOf(await batchHandler?.(items, run));
    } catch (error) {
      resultOfId = () => failure(error);
    }
    const { stuck } = run;
    runs.end(run);
    this.#settleBatch(run, resultOfId);
    if (!stuck) permits.release(taken.length);
    onSettled();
  }

  /** Gives the permit of a message back, or goes on with its lane. */
  #proceed(lane: Lane | undefined, step: LaneStep): void {
    if (lane === undefined) this.#parts.permits.release(1);
    else if (step === 'failed') lane.block();
  }

  #decode(delivery: Delivery): Item<T> | { readonly undecodable: unknown } {
    const { message } = delivery;
    try {
      const body = this.#parts.decode(message.rawBody, message);
      delivery.messageType = this.#typeOf(body, message);
      return { body, message };
    } catch (error) {
      return { undecodable: error };
    }
  }

  /** Decodes what can be decoded; the rest is poison, and in a FIFO queue those behind it in its group go back. */
  #decodeBatch(deliveries: readonly Delivery[]): { items: Item<T>[]; taken: Delivery[] } {
    const items: Item<T>[] = [];
    const taken: Delivery[] = [];
    const blocked = new Set<string>();
    for (const delivery of deliveries) {
      if (this.#parts.fifo && blocked.has(groupOf(delivery))) {
        this.#parts.outbox.release(delivery);
        continue;
      }
      const item = this.#decode(delivery);
      if ('undecodable' in item) {
        // Whether it is parked or comes again is known only later.
        blocked.add(groupOf(delivery));
        this.#poison(delivery, undefined, item.undecodable);
      } else {
        items.push(item);
        taken.push(delivery);
      }
    }
    return { items, taken };
  }

  #poison(delivery: Delivery, lane: Lane | undefined, error: unknown): LaneStep {
    return this.#parts.settlement.poison(delivery, lane, { ...thrown(error), errorClass: 'DecodeError' });
  }

  /** The kind of a message, where the worker's user names kinds; an error in naming it must not cost the message. */
  #typeOf(body: T, message: Message): string | undefined {
    // Retries are not compared by type.
    if (message.receiveCount > 1) return undefined;
    try {
      const type: unknown = this.#parts.messageType?.(body, message);
      return typeof type === 'string' && type !== '' ? type : undefined;
    } catch {
      return undefined;
    }
  }

  #settleBatch(run: Run, resultOfId: (messageId: string) => HandlerResult): void {
    const { fifo, settlement, outbox } = this.#parts;
    const settle = (delivery: Delivery, lane: Lane | undefined) =>
      settlement.settle(run, delivery, resultOfId(delivery.message.messageId), lane);
    if (!fifo) {
      for (const delivery of run.deliveries) settle(delivery, undefined);
      return;
    }
    for (const group of Map.groupBy(run.deliveries, groupOf).values()) {
      const lane = new Lane({
        handle: (delivery) => {
          if (settle(delivery, lane) === 'failed') lane.block();
        },
        giveBack: (delivery) => outbox.release(delivery),
        onEnd: () => undefined,
      });
      lane.add(...group);
      lane.next();
    }
  }
}
