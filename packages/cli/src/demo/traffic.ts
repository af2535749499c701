import { sleep } from '@queue-canary/engine';
import type { Context } from '../context.ts';
import { explain } from '../user-error.ts';

/** A steady stream of messages, sent until it is stopped. */
export interface Traffic {
  /** Messages that SQS accepted so far, and how many of them are poison. */
  readonly counts: () => { readonly sent: number; readonly poison: number };
  /** Why sending failed, if it did; the stream goes on after a failure. */
  readonly problems: readonly string[];
  /** Makes the next `count` messages poison: no version can process them. */
  poison(count: number): void;
  /** Sends so many messages per second from now on. */
  setRate(perSecond: number): void;
  stop(): Promise<void>;
}

const PAUSE_MS = 20;

/** Sends `rate` messages per second, evenly, numbered from 1. */
export function startTraffic({ clients, clock }: Context, queueUrl: string, rate: number): Traffic {
  const ending = new AbortController();
  const problems: string[] = [];
  const counts = { sent: 0, poison: 0 };
  let number = 0;
  let poisonLeft = 0;
  let perSecond = rate;
  const body = (): string => {
    number += 1;
    if (poisonLeft === 0) return JSON.stringify({ order: number });
    poisonLeft -= 1;
    counts.poison += 1;
    return `{"order":${number}`;
  };
  const run = async () => {
    let due = 0;
    let atMs = clock.nowMs();
    while (!ending.signal.aborted) {
      const nowMs = clock.nowMs();
      due += ((nowMs - atMs) / 1000) * perSecond;
      atMs = nowMs;
      for (; due >= 1 && !ending.signal.aborted; due -= 1) {
        try {
          await clients.sqs.sendMessage({ QueueUrl: queueUrl, MessageBody: body() });
          counts.sent += 1;
        } catch (error) {
          problems.push(explain(error));
          await sleep(clock, 500, ending.signal);
        }
      }
      await sleep(clock, PAUSE_MS, ending.signal);
    }
  };
  const running = run();
  return {
    counts: () => counts,
    problems,
    poison: (count) => {
      poisonLeft += count;
    },
    setRate: (messages) => {
      perSecond = messages;
    },
    async stop() {
      ending.abort();
      await running;
    },
  };
}
