import type { Clock } from './clock.ts';
import { FifoLanes } from './delivery/fifo-lanes.ts';
import { LeaseKeeper } from './delivery/lease-keeper.ts';
import { Outbox } from './delivery/outbox.ts';
import { Permits } from './delivery/permits.ts';
import { Receiver } from './delivery/receiver.ts';
import { type DrainReport, drain, lateIntakeMs } from './drain.ts';
import { HandlerRunner } from './handling/handler-runner.ts';
import type { Run } from './handling/run.ts';
import { Runs } from './handling/runs.ts';
import { Settlement } from './handling/settlement.ts';
import { type Health, healthOf, type WorkerState } from './health.ts';
import { LoopLag } from './loop-lag.ts';
import type { LossCause } from './message/delivery.ts';
import { type Delivery, toDelivery } from './message/delivery.ts';
import { Quiet } from './quiet.ts';
import { type NamedIdentity, withTaskId } from './reporting/identity.ts';
import { Metrics } from './reporting/metrics.ts';
import { OutcomeBook } from './reporting/outcome-book.ts';
import { Reporter } from './reporting/reporter.ts';
import { readSettings, type Settings, type WorkerOptions } from './settings.ts';
import { protectionOf, type TaskProtection } from './task-protection.ts';
import type { SqsMessage, Transport } from './transport/transport.ts';

/** Safety margin of each lease for the time that the reply was on its way: a tenth of the visibility, at most this. */
const REPLY_MARGIN_MS_MAX = 2_000;

/**
 * Consumes a queue: keeps `concurrency` messages in work, renews their leases, deletes those that succeeded, gives
 * back the others, and counts one outcome for each message it receives.
 *
 * It reads no environment and no clock of its own; `runWorker` wires it to a process.
 */
export class Worker<T = string> {
  readonly #settings: Settings;
  readonly #batched: boolean;
  readonly #clock: Clock;
  readonly #transport: Transport;
  readonly #book: OutcomeBook;
  readonly #reporter: Reporter;
  readonly #lag: LoopLag;
  readonly #permits: Permits;
  readonly #receiver: Receiver;
  readonly #leases: LeaseKeeper;
  readonly #outbox: Outbox;
  readonly #runs: Runs;
  readonly #lanes: FifoLanes;
  readonly #handlers: HandlerRunner<T>;
  readonly #protection: TaskProtection | undefined;
  readonly #quiet: Quiet;
  #state: WorkerState = 'new';
  #drained: Promise<DrainReport> | undefined;
  #takesLateUntilMs = 0;

  constructor(options: WorkerOptions<T>) {
    const settings = readSettings(options);
    const { clock, random, transport, queueUrl, log } = options;
    const identity = withTaskId(options.identity, random);
    this.#settings = settings;
    this.#batched = options.batchHandler !== undefined;
    this.#clock = clock;
    this.#transport = transport;
    const metrics = new Metrics({
      identity,
      random,
      residentBytes: options.residentBytes,
      pollingMs: () => this.#receiver.takePollingMs(),
      emit: options.metricSink ?? log,
    });
    const book = new OutcomeBook({
      identity,
      metrics,
      clock,
      clockOffsetMs: () => transport.clockOffsetMs,
      maxReceiveCount: settings.maxReceiveCount,
      log,
    });
    this.#book = book;
    this.#lag = new LoopLag(clock, (lagMs) => {
      metrics.loopLag(lagMs);
      this.#leases.loopLag(lagMs);
    });
    this.#reporter = new Reporter({ clock, metrics, book, lag: this.#lag });
    this.#permits = new Permits(settings.concurrency, clock, settings.refillLingerMs);
    this.#protection = protectionOf(options, (error) => {
      book.event('error', 'task protection failed', { error });
    });
    this.#quiet = new Quiet(
      () => this.#runs.size === this.#runs.stuck && this.#outbox.isEmpty,
      () => {
        if (this.#state === 'running') this.#protection?.idle();
      },
    );
    this.#leases = new LeaseKeeper({
      settings: { ...settings, maximumSeconds: settings.leaseMaximumSeconds },
      queueUrl,
      transport,
      clock,
      random,
      onLost: (delivery, cause) => this.#lost(delivery, cause),
      onFault: (fault) => book.fault('renew', fault),
    });
    this.#outbox = new Outbox({
      queueUrl,
      transport,
      clock,
      random,
      settings,
      book,
      lag: this.#lag,
      leases: this.#leases,
      onProgress: () => this.#quiet.check(),
    });
    this.#runs = new Runs({
      ...settings,
      clock,
      metrics,
      serverNowMs: () => book.serverNowMs(),
      onTimeout: (run) => this.#timedOut(run),
      onStuck: (run) => this.#stuck(run),
    });
    this.#handlers = this.#handlersOf(options, identity);
    this.#lanes = this.#newLanes();
    this.#receiver = this.#receiverOf(options, metrics);
  }

  #handlersOf(options: WorkerOptions<T>, identity: NamedIdentity): HandlerRunner<T> {
    const { clock, parking } = options;
    const [book, leases, outbox] = [this.#book, this.#leases, this.#outbox];
    return new HandlerRunner<T>({
      fifo: this.#settings.fifo,
      decode: options.decode ?? ((rawBody) => rawBody as T),
      messageType: options.messageType,
      handler: options.handler,
      batchHandler: options.batchHandler,
      runs: this.#runs,
      settlement: new Settlement({ clock, book, leases, outbox, identity, parking }),
      outbox,
      permits: this.#permits,
      onSettled: () => this.#quiet.check(),
    });
  }

  #newLanes(): FifoLanes {
    return new FifoLanes({
      handle: (delivery, lane) => void this.#handlers.handle(delivery, lane),
      giveBack: (delivery) => this.#outbox.release(delivery),
      onEnd: () => {
        this.#permits.release(1);
        this.#quiet.check();
      },
    });
  }

  #receiverOf({ queueUrl, transport, clock, random }: WorkerOptions<T>, metrics: Metrics): Receiver {
    return new Receiver({
      ...this.#settings,
      queueUrl,
      transport,
      clock,
      random,
      permits: this.#permits,
      room: () => this.#protection?.rest() ?? this.#outbox.room(),
      onMessages: (messages, permits, askedAtMs) => this.#accept(messages, permits, askedAtMs),
      onEmpty: () => metrics.count('EmptyReceives'),
      onFault: (fault, retryInMs) => this.#book.fault('receive', fault, { retryInMs }),
    });
  }

  /** Begins to receive. A worker is started once; a drained one stays stopped. */
  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#reporter.start();
    this.#book.event('info', 'started');
    this.#receiver.start();
    this.#lag.start();
  }

  /**
   * Stops without losing or duplicating more than it must, and resolves when it is done:
   *
   * 1. No new receives. The open long polls are left to return: SQS may have leased messages to them.
   * 2. Messages that they bring are handled, in the first half of the time that handlers have. Later, and on a FIFO
   *    queue always, they are given back as soon as all polls have returned; so are messages that no handler has begun.
   * 3. Leases are kept while handlers finish, until five seconds before the stop timeout; then their signals
   *    abort.
   * 4. Deletes are flushed, and messages that did not finish are given back, except those whose handlers still run.
   * 5. The last outcome line is written, and task protection is dropped.
   *
   * A second call changes nothing and resolves with the first.
   */
  drain(reason: string): Promise<DrainReport> {
    this.#drained ??= this.#drain(reason);
    return this.#drained;
  }

  health(): Health {
    const { faultsInARow, lastReplyAtMs } = this.#receiver;
    const figures = {
      state: this.#state,
      inFlight: this.#inFlight(),
      handlersStuck: this.#runs.stuck,
      receiveFaultsInARow: faultsInARow,
      lastReceiveAtMs: lastReplyAtMs,
      loopLagMs: this.#lag.maxMs,
    };
    return healthOf(figures, this.#settings.concurrency);
  }

  #inFlight(): number {
    return this.#leases.size + this.#outbox.size;
  }

  async #drain(reason: string): Promise<DrainReport> {
    const { stopTimeoutMs } = this.#settings;
    const wasRunning = this.#state === 'running';
    this.#state = 'draining';
    this.#takesLateUntilMs = this.#clock.nowMs() + lateIntakeMs(stopTimeoutMs);
    if (wasRunning) this.#book.event('info', 'draining', { reason, inFlight: this.#inFlight() });
    const report = await drain({
      clock: this.#clock,
      stopTimeoutMs,
      receiver: this.#receiver,
      lanes: this.#lanes,
      runs: this.#runs,
      outbox: this.#outbox,
      book: this.#book,
      quiet: this.#quiet,
      onEnd: () => this.#stop(),
      report: () => {
        if (wasRunning) this.#reporter.finish();
      },
      dropProtection: async () => this.#protection?.drop(),
    });
    if (wasRunning) this.#book.event('info', 'stopped', { ...report });
    this.#transport.close();
    return report;
  }

  #stop(): void {
    this.#state = 'stopped';
    this.#reporter.stop();
    this.#leases.close();
    this.#lag.stop();
  }

  /** Takes messages that a receive brought, and the permits that were reserved for them. */
  #accept(messages: readonly SqsMessage[], reserved: number, askedAtMs: number): void {
    const nowMs = this.#clock.nowMs();
    const leasedAtMs = this.#leasedAtMs(nowMs, askedAtMs);
    const received = messages.map((message) => toDelivery(message, leasedAtMs, this.#settings));
    this.#book.received(received);
    const returnAll = (how: (delivery: Delivery) => void) => {
      this.#permits.release(reserved);
      for (const delivery of received) how(delivery);
    };
    if (this.#state !== 'running' && !this.#takesLate(nowMs)) {
      returnAll((delivery) => this.#outbox.release(delivery));
      return;
    }
    if (leasedAtMs + this.#settings.visibilitySeconds * 1000 <= nowMs) {
      returnAll((delivery) => this.#book.expired(delivery, 'blocked'));
      return;
    }
    // SQS never brings more than was asked for; whatever else answers may.
    for (const delivery of received.slice(reserved)) this.#outbox.release(delivery);
    this.#handle(received.slice(0, reserved), reserved);
  }

  #handle(deliveries: readonly Delivery[], reserved: number): void {
    this.#protection?.busy();
    for (const delivery of deliveries) this.#leases.hold(delivery);
    if (!this.#batched && this.#settings.fifo) {
      this.#permits.release(reserved - this.#lanes.add(deliveries));
      return;
    }
    this.#permits.release(reserved - deliveries.length);
    if (this.#batched) void this.#handlers.handleBatch(deliveries);
    else for (const delivery of deliveries) void this.#handlers.handle(delivery, undefined);
  }

  /** The latest time at which SQS certainly had leased what has just arrived; the reply may have been unread for a while. */
  #leasedAtMs(nowMs: number, askedAtMs: number): number {
    const marginMs = Math.min(REPLY_MARGIN_MS_MAX, this.#settings.visibilitySeconds * 100);
    return Math.max(askedAtMs, nowMs - marginMs - this.#lag.blockedMs());
  }

  /** Whether messages that an open poll brings while draining are handled; see {@link lateIntakeMs}. */
  #takesLate(nowMs: number): boolean {
    return this.#state === 'draining' && !this.#settings.fifo && nowMs < this.#takesLateUntilMs;
  }

  #timedOut(run: Run): void {
    for (const delivery of run.deliveries) this.#book.timedOut(delivery);
    for (const delivery of run.deliveries) this.#lanes.giveBackBehind(delivery);
  }

  /** A handler that does not settle keeps its messages until their leases lapse, but not its permits. */
  #stuck(run: Run): void {
    for (const delivery of run.deliveries) {
      void this.#leases.letGo(delivery);
      this.#lanes.abandon(delivery);
    }
    this.#permits.release(run.deliveries.length);
    this.#book.event('error', 'handler stuck', {
      messages: run.deliveries.length,
      forMs: Math.round(this.#clock.nowMs() - run.startedAtMs),
    });
    this.#quiet.check();
  }

  #lost(delivery: Delivery, cause: LossCause): void {
    this.#book.expired(delivery, cause);
    this.#runs.abort('lease-lost', delivery);
    this.#lanes.giveBackBehind(delivery);
    this.#quiet.check();
  }
}
