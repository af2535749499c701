import type { RunningEngine, VirtualClock } from '@queue-canary/engine';
import type { Random } from '../bench/judge/random.ts';
import { POISON } from './version.ts';

/** Messages that come at random, at an even rate, and what has become of them. */
export class Traffic {
  /** Bodies of messages that SQS has taken and no handler has ended well. */
  readonly open = new Set<string>();
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #rate: number;
  #send: (body: string) => Promise<void> = async () => {};
  #sent = 0;
  #isStopped = false;

  constructor(clock: VirtualClock, random: Random, rate: number) {
    this.#clock = clock;
    this.#random = random;
    this.#rate = rate;
  }

  get sent(): number {
    return this.#sent;
  }

  start(engine: RunningEngine, QueueUrl: string): void {
    this.#send = async (MessageBody) => {
      await engine.call('sqs', 'SendMessage', { QueueUrl, MessageBody });
      this.#sent += 1;
      this.open.add(MessageBody);
    };
    this.#next();
  }

  /** Sends messages that no version can process. */
  async poison(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += 1) await this.#send(`${POISON} ${this.#sent}`);
  }

  processed(body: string): void {
    this.open.delete(body);
  }

  stop(): void {
    this.#isStopped = true;
  }

  #next(): void {
    this.#clock.setTimer(this.#random.exponential(1000 / this.#rate), () => {
      if (this.#isStopped) return;
      void this.#send(`message ${this.#sent}`);
      this.#next();
    });
  }
}
