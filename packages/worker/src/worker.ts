import { type BatchEntry, BatchSender } from './batch-sender.ts';
import { type Clock, pause, type Timer, within } from './clock.ts';
import type { Delivery } from './delivery.ts';
import { classOf, textOf } from './errors.ts';
import type { Decode, Item, Outcome } from './handler.ts';
import { withTaskId } from './identity.ts';
import { LeaseKeeper, type LossCause } from './lease-keeper.ts';
import { type Message, toMessage } from './message.ts';
import { Metrics } from './metrics.ts';
import { type EndingDetails, OutcomeBook, thrown } from './outcome-book.ts';
import { parkedMessage } from './parking.ts';
import { Permits } from './permits.ts';
import { Receiver } from './receiver.ts';
import { nextReportMs, REPORT_MS } from './rhythm.ts';
import { Run, RunTimeouts } from './run.ts';
import {
  PROTECTED_MINUTES,
  readSettings,
  type Settings,
  VISIBILITY_MAX_SECONDS,
  type WorkerOptions,
} from './settings.ts';
import { TaskProtection } from './task-protection.ts';
import { asFault, type SqsMessage } from './transport.ts';

/** `new` until started, `draining` from the first call of drain, then `stopped`. */
export type WorkerState = 'new' | 'running' | 'draining' | 'stopped';

/** Whether a worker does its work; what a container's health check may ask for. */
export interface Health {
  readonly state: WorkerState;
  readonly healthy: boolean;
  /** Why it is not healthy. */
  readonly problems: readonly string[];
  /** Messages received and not yet deleted, given back or lost. */
  readonly inFlight: number;
  /** Handlers that ignored their abort signal and still run. */
  readonly handlersStuck: number;
  readonly receiveFaultsInARow: number;
  /** When SQS last answered a receive, on the worker's clock. */
  readonly lastReceiveAtMs: number | undefined;
  /** Longest time for which the event loop was blocked, of the last few seconds. */
  readonly loopLagMs: number;
}

/** What a drain left behind. */
export interface DrainReport {
  readonly durationMs: number;
  /** Handlers that still ran; their messages come back when their leases lapse. */
  readonly handlersLeft: number;
  /** Messages whose delete or release was not confirmed in time. */
  readonly unconfirmed: number;
}

interface DeleteOf extends BatchEntry {
  /** Whether it had to wait for a renewal to arrive. */
  readonly delayed: boolean;
  readonly delivery: Delivery;
  readonly lane: Lane | undefined;
}

interface ReleaseOf extends BatchEntry {
  readonly delivery: Delivery;
  readonly seconds: number;
}

/** Messages of one FIFO group, one after the other: the next follows when the one before is deleted or parked. */
interface Lane {
  readonly waiting: Delivery[];
  /** What becomes of the next. */
  readonly next: (delivery: Delivery) => void;
  /** None is left. */
  readonly ended: () => void;
}

/** A group whose messages are handled one after the other, on one permit. */
interface HandledLane extends Lane {
  /** Whether its permit was given to others, because its handler is stuck. */
  abandoned: boolean;
}

const LAG_SAMPLE_MS = 500;
/** Less is the ordinary imprecision of timers. */
const LAG_TELLING_MS = 100;
/** Of the stop timeout, what is kept for giving back after handlers were told to stop. */
const DRAIN_RESERVE_MS = 5_000;
/** Of that, what handlers get to settle once their signal has aborted. */
const DRAIN_GRACE_MS = 2_000;
/** And what is kept for dropping the task's protection and flushing metrics. */
const EXIT_RESERVE_MS = 1_000;
/** How long a task that was protected for its time stays unprotected, for ECS to stop it if it wants to. */
const PROTECTION_REST_MS = 30_000;
/** Messages that wait for their delete, beyond which no more are received. */
const UNDELETED_MAX = 1_000;
/** What a received lease is trusted less, because its reply was on its way: a tenth, but not more than this. */
const REPLY_MARGIN_MAX_MS = 2_000;
/** Receive faults in a row from which the worker calls itself unhealthy. */
const FAULTS_UNHEALTHY = 5;

/**
 * Consumes a queue: keeps `concurrency` messages in work, renews their leases, deletes what succeeded, gives
 * back what did not, and counts one outcome for each message it receives.
 *
 * It reads no environment and no clock of its own; `runWorker` wires it to a process.
 */
export class Worker<T = string> {
  readonly #options: WorkerOptions<T>;
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #decode: Decode<T>;
  #takesLateUntilMs = 0;
  readonly #metrics: Metrics;
  readonly #book: OutcomeBook;
  readonly #permits: Permits;
  readonly #receiver: Receiver;
  readonly #leases: LeaseKeeper;
  readonly #timeouts: RunTimeouts;
  readonly #deletes: BatchSender<DeleteOf>;
  readonly #releases: BatchSender<ReleaseOf>;
  readonly #protection: TaskProtection | undefined;
  readonly #runs = new Set<Run>();
  readonly #lanes = new Map<string, HandledLane>();
  readonly #pending = new Set<Promise<void>>();
  readonly #stopped = new AbortController();
  #state: WorkerState = 'new';
  #stuck = 0;
  #loopLagMs = 0;
  #drained: Promise<DrainReport> | undefined;
  #whenQuiet: Array<() => void> = [];
  #lagTimer: Timer | undefined;
  /** When the event loop is to be sampled next, and how late it was when it was last late. */
  #lagDueMs = Number.POSITIVE_INFINITY;
  #lastLag = { atMs: Number.NEGATIVE_INFINITY, ms: 0 };

  constructor(options: WorkerOptions<T>) {
    const settings = readSettings(options);
    const { clock, random, transport, queueUrl, log } = options;
    const identity = withTaskId(options.identity, random);
    this.#options = options;
    this.#settings = settings;
    this.#clock = clock;
    this.#decode = options.decode ?? ((rawBody) => rawBody as T);
    this.#metrics = new Metrics({
      identity,
      random,
      residentBytes: options.residentBytes,
      pollingMs: () => this.#receiver.takePollingMs(),
      emit: options.metricSink ?? log,
    });
    this.#book = new OutcomeBook({
      identity,
      metrics: this.#metrics,
      clock,
      clockOffsetMs: () => transport.clockOffsetMs,
      maxReceiveCount: settings.maxReceiveCount,
      log,
    });
    this.#permits = new Permits(settings.concurrency, clock, settings.refillLingerMs);
    this.#timeouts = new RunTimeouts(clock, (run) => this.#timeOut(run));
    this.#leases = new LeaseKeeper({
      settings: { ...settings, maximumSeconds: settings.leaseMaximumSeconds },
      queueUrl,
      transport,
      clock,
      random,
      onLost: (delivery, cause) => this.#lost(delivery, cause),
      onFault: (fault) => this.#book.fault('renew', fault),
    });
    this.#receiver = new Receiver({
      ...settings,
      queueUrl,
      transport,
      clock,
      random,
      permits: this.#permits,
      room: () =>
        this.#protection?.rest() ??
        (this.#deletes.size < UNDELETED_MAX ? undefined : this.#deletes.atMost(UNDELETED_MAX / 2)),
      onMessages: (messages, permits, askedAtMs) => this.#accept(messages, permits, askedAtMs),
      onEmpty: () => this.#metrics.count('EmptyReceives'),
      onFault: (fault, retryInMs) => this.#book.fault('receive', fault, { retryInMs }),
    });
    this.#deletes = new BatchSender<DeleteOf>({
      clock,
      random,
      lingerMs: settings.lingerMs,
      send: (entries) =>
        transport.deleteMessageBatch({
          QueueUrl: queueUrl,
          Entries: entries.map(([Id, { receiptHandle }]) => ({ Id, ReceiptHandle: receiptHandle })),
        }),
      onDone: (entry, sentAtMs) => this.#deleted(entry, sentAtMs),
      onGivenUp: (entry, fault) => {
        this.#book.ended(entry.delivery, 'DeleteFailed', {
          attribution: 'infrastructure',
          errorClass: fault.code,
          error: fault,
        });
        if (entry.lane !== undefined) this.#blockLane(entry.lane);
        this.#checkQuiet();
      },
      onFault: (fault) => this.#book.fault('delete', fault),
    });
    this.#releases = new BatchSender<ReleaseOf>({
      clock,
      random,
      lingerMs: settings.lingerMs,
      send: (entries) =>
        transport.changeMessageVisibilityBatch({
          QueueUrl: queueUrl,
          Entries: entries.map(([Id, { receiptHandle, seconds }]) => ({
            Id,
            ReceiptHandle: receiptHandle,
            VisibilityTimeout: seconds,
          })),
        }),
      onDone: () => this.#checkQuiet(),
      onGivenUp: ({ delivery }, fault) => {
        const { messageId } = delivery.message;
        this.#book.event('error', 'give back failed', { messageId, code: fault.code, error: fault.message });
        this.#checkQuiet();
      },
      onFault: (fault) => this.#book.fault('give back', fault),
    });
    this.#protection =
      options.taskProtection &&
      new TaskProtection({
        clock,
        random,
        endpoint: options.taskProtection.endpoint,
        maximumMs: (options.taskProtection.maximumMinutes ?? PROTECTED_MINUTES) * 60_000,
        restMs: PROTECTION_REST_MS,
        idleMs: options.taskProtection.idleMs ?? 30_000,
        onError: (error) => this.#book.event('error', 'task protection failed', { error }),
      });
  }

  /** Begins to receive. A worker is started once; a drained one stays stopped. */
  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#metrics.start(this.#book.serverNowMs());
    this.#book.event('info', 'started');
    this.#receiver.start();
    void this.#flushRegularly();
    this.#sampleLag();
  }

  /**
   * Stops without losing or duplicating more than it must, and resolves when it is done:
   *
   * 1. No new receives. The open long polls are left to return: SQS may have leased messages to them.
   * 2. What they bring is handled, in the first half of the time that handlers have; later, and on a FIFO queue
   *    always, it is given back as soon as all have returned, and so is what has not begun.
   * 3. Leases are kept while handlers finish, until five seconds before the stop timeout; then their signals
   *    abort.
   * 4. Deletes are flushed and what did not finish is given back. A message whose handler still runs is not.
   * 5. The last outcome line is written, and task protection is dropped.
   *
   * A second call changes nothing and resolves with the first.
   */
  drain(reason: string): Promise<DrainReport> {
    this.#drained ??= this.#drain(reason);
    return this.#drained;
  }

  /** How the worker is. */
  health(): Health {
    const problems: string[] = [];
    const { faultsInARow, lastReplyAtMs } = this.#receiver;
    if (this.#state === 'new') problems.push('not started');
    if (this.#state === 'stopped') problems.push('stopped');
    if (faultsInARow >= FAULTS_UNHEALTHY) problems.push(`${faultsInARow} receives failed in a row`);
    if (this.#stuck >= this.#settings.concurrency) {
      problems.push(`${this.#stuck} handlers ignored their abort signal and still run`);
    }
    return {
      state: this.#state,
      healthy: problems.length === 0,
      problems,
      inFlight: this.#inFlight(),
      handlersStuck: this.#stuck,
      receiveFaultsInARow: faultsInARow,
      lastReceiveAtMs: lastReplyAtMs,
      loopLagMs: this.#loopLagMs,
    };
  }

  #inFlight(): number {
    return this.#leases.size + this.#deletes.size + this.#releases.size;
  }

  // Receiving

  #accept(messages: readonly SqsMessage[], permits: number, askedAtMs: number): void {
    const nowMs = this.#clock.nowMs();
    const { visibilitySeconds, renewEverySeconds, leaseMaximumSeconds, fifo } = this.#settings;
    // When SQS leased them at the latest that is sure: the reply was on its way, perhaps unread for a while.
    const underwayMs = Math.min(REPLY_MARGIN_MAX_MS, visibilitySeconds * 100) + this.#blockedMs(nowMs);
    const leasedAtMs = Math.max(askedAtMs, nowMs - underwayMs);
    const received = messages.map(
      (message): Delivery => ({
        message: toMessage(message),
        receiptHandle: message.ReceiptHandle ?? '',
        leaseEndMs: leasedAtMs + visibilitySeconds * 1000,
        renewAtMs: leasedAtMs + renewEverySeconds * 1000,
        leaseLimitMs: leasedAtMs + leaseMaximumSeconds * 1000,
        renewalFailures: 0,
        renewing: undefined,
        loopLagMs: 0,
        messageType: undefined,
        beganAtMs: undefined,
        settledAtMs: undefined,
        ending: undefined,
      }),
    );
    this.#book.received(received);
    if (this.#state !== 'running' && !this.#takesLate(nowMs)) {
      this.#permits.release(permits);
      for (const delivery of received) this.#release(delivery);
      return;
    }
    if (leasedAtMs + visibilitySeconds * 1000 <= nowMs) {
      this.#permits.release(permits);
      for (const delivery of received) this.#expire(delivery, 'blocked');
      return;
    }
    // SQS never brings more than was asked for; whatever else answers may.
    const deliveries = received.slice(0, permits);
    for (const delivery of received.slice(permits)) this.#release(delivery);
    this.#protection?.busy();
    for (const delivery of deliveries) this.#leases.hold(delivery);
    if (this.#options.batchHandler !== undefined) {
      this.#permits.release(permits - deliveries.length);
      this.#runBatch(deliveries);
    } else if (fifo) {
      this.#permits.release(permits - this.#queueInLanes(deliveries));
    } else {
      this.#permits.release(permits - deliveries.length);
      for (const delivery of deliveries) this.#runOne(delivery, undefined);
    }
  }

  /**
   * Whether what an open poll brings while draining is handled rather than given back. Giving it back costs one
   * of the few receives that the redrive policy allows, and when many tasks drain at once their open polls hand
   * it round until none are left: a message that nobody ever tried would go to the dead-letter queue.
   */
  #takesLate(nowMs: number): boolean {
    return this.#state === 'draining' && !this.#settings.fifo && nowMs < this.#takesLateUntilMs;
  }

  /** Adds messages to the lanes of their groups; returns how many lanes began, each on a permit. */
  #queueInLanes(deliveries: readonly Delivery[]): number {
    const begun: HandledLane[] = [];
    for (const delivery of deliveries) {
      const groupId = groupOf(delivery);
      let lane = this.#lanes.get(groupId);
      if (lane === undefined) {
        lane = this.#beginLane(groupId);
        begun.push(lane);
      }
      lane.waiting.push(delivery);
    }
    for (const lane of begun) this.#nextInLane(lane);
    return begun.length;
  }

  #beginLane(groupId: string): HandledLane {
    const lane: HandledLane = {
      waiting: [],
      abandoned: false,
      next: (delivery) => this.#runOne(delivery, lane),
      ended: () => {
        if (this.#lanes.get(groupId) === lane) this.#lanes.delete(groupId);
        if (!lane.abandoned) this.#permits.release(1);
      },
    };
    this.#lanes.set(groupId, lane);
    return lane;
  }

  #nextInLane(lane: Lane): void {
    const delivery = lane.waiting.shift();
    if (delivery !== undefined) lane.next(delivery);
    else {
      lane.ended();
      this.#checkQuiet();
    }
  }

  /** A message of the group was not done, so those behind it go back to keep their order. */
  #blockLane(lane: Lane): void {
    for (const delivery of lane.waiting.splice(0)) this.#release(delivery);
    this.#nextInLane(lane);
  }

  // Handling

  #runOne(delivery: Delivery, lane: Lane | undefined): void {
    const { message } = delivery;
    let body: T;
    try {
      body = this.#decode(message.rawBody, message);
    } catch (error) {
      this.#afterRun(lane, 1, this.#poison(delivery, lane, { ...thrown(error), errorClass: 'DecodeError' }));
      return;
    }
    delivery.messageType = this.#typeOf(body, message);
    const run = this.#begin([delivery]);
    const settle = (result: Settled) => {
      const stuck = run.stuck;
      this.#finish(run);
      const lanePassed = this.#decide(run, delivery, result, lane);
      if (!stuck) this.#afterRun(lane, 1, lanePassed);
      this.#checkQuiet();
    };
    try {
      Promise.resolve(this.#options.handler?.(body, message, run)).then(
        (outcome: unknown) => settle(asOutcome(outcome)),
        (error: unknown) => settle(failure(error)),
      );
    } catch (error) {
      settle(failure(error));
    }
  }

  #runBatch(deliveries: readonly Delivery[]): void {
    const items: Item<T>[] = [];
    const taken: Delivery[] = [];
    const blocked = new Set<string>();
    for (const delivery of deliveries) {
      const { message } = delivery;
      if (this.#settings.fifo && blocked.has(groupOf(delivery))) {
        this.#release(delivery);
        this.#permits.release(1);
        continue;
      }
      try {
        const body = this.#decode(message.rawBody, message);
        delivery.messageType = this.#typeOf(body, message);
        items.push({ body, message });
        taken.push(delivery);
      } catch (error) {
        // Whether it is parked or comes again is known only later.
        blocked.add(groupOf(delivery));
        this.#poison(delivery, undefined, { ...thrown(error), errorClass: 'DecodeError' });
        this.#permits.release(1);
      }
    }
    if (taken.length === 0) return;
    const run = this.#begin(taken);
    const settle = (of: (delivery: Delivery) => Settled) => {
      const stuck = run.stuck;
      this.#finish(run);
      if (this.#settings.fifo) {
        for (const group of Map.groupBy(taken, groupOf).values()) this.#settleGroup(run, group, of);
      } else {
        for (const delivery of taken) this.#decide(run, delivery, of(delivery), undefined);
      }
      if (!stuck) this.#permits.release(taken.length);
      this.#checkQuiet();
    };
    const settleAll = (error: unknown) => settle(() => failure(error));
    try {
      Promise.resolve(this.#options.batchHandler?.(items, run)).then((outcomes: unknown) => {
        if (!(outcomes instanceof Map)) {
          settle(() => invalid('the batch handler did not answer with a Map'));
          return;
        }
        settle(({ message }) =>
          outcomes.has(message.messageId)
            ? asOutcome(outcomes.get(message.messageId))
            : invalid('the batch handler gave no outcome for this message', 'MissingOutcome'),
        );
      }, settleAll);
    } catch (error) {
      settleAll(error);
    }
  }

  /** Ends the messages of a group that a batch handler has answered for, in their order. */
  #settleGroup(run: Run, group: readonly Delivery[], of: (delivery: Delivery) => Settled): void {
    const lane: Lane = {
      waiting: [...group],
      next: (delivery) => {
        if (this.#decide(run, delivery, of(delivery), lane) === 'failed') this.#blockLane(lane);
      },
      ended: () => {},
    };
    this.#nextInLane(lane);
  }

  #begin(deliveries: readonly Delivery[]): Run {
    const { handlerTimeoutMs } = this.#settings;
    const nowMs = this.#clock.nowMs();
    const run = new Run(
      deliveries,
      nowMs,
      handlerTimeoutMs,
      this.#book.serverNowMs(),
      this.#metrics.countOwn,
    );
    for (const delivery of deliveries) delivery.beganAtMs = nowMs;
    this.#runs.add(run);
    this.#timeouts.watch(run);
    return run;
  }

  #finish(run: Run): void {
    this.#runs.delete(run);
    this.#timeouts.unwatch(run);
    run.grace?.cancel();
    if (run.stuck) this.#stuck--;
    const nowMs = this.#clock.nowMs();
    for (const delivery of run.deliveries) delivery.settledAtMs = nowMs;
    if (!run.timedOut) this.#metrics.value('ProcessingTimeMs', nowMs - run.startedAtMs);
  }

  /** What kind of message it is, where that is said; a mistake in saying it must not cost the message. */
  #typeOf(body: T, message: Message): string | undefined {
    // Retries are not compared by type.
    if (message.receiveCount > 1) return undefined;
    try {
      const type: unknown = this.#options.messageType?.(body, message);
      return typeof type === 'string' && type !== '' ? type : undefined;
    } catch {
      return undefined;
    }
  }

  /** Gives the permit of a run back, or goes on with its FIFO group. */
  #afterRun(lane: Lane | undefined, permits: number, passed: LaneStep): void {
    if (lane === undefined) this.#permits.release(permits);
    else if (passed === 'failed') this.#blockLane(lane);
    // Else the lane goes on when the delete is confirmed, or the message parked.
  }

  /** What to do with a message whose handler has settled. */
  #decide(run: Run, delivery: Delivery, result: Settled, lane: Lane | undefined): LaneStep {
    const nowMs = this.#clock.nowMs();
    if (delivery.ending === undefined && nowMs >= delivery.leaseEndMs) {
      // The timer that watches leases could not run before: the handler blocked the event loop.
      this.#leases.noteLate();
      this.#expire(delivery, this.#leases.causeOf(delivery));
    } else if (delivery.ending === undefined && nowMs >= run.timeoutAtMs) this.#countTimeout(delivery);

    if (delivery.ending === 'Expired') {
      void this.#leases.letGo(delivery);
      // Nobody may have received it yet, and it is done: deleting it at once may spare a duplicate.
      if (result.kind === 'ok') this.#delete(delivery, undefined, true);
      return 'failed';
    }
    if (delivery.ending === 'TimedOut') {
      if (result.kind === 'ok' && !run.stuck) return this.#delete(delivery, lane);
      if (result.kind === 'ok') this.#delete(delivery, undefined, true);
      else if (!run.stuck) this.#retry(delivery, undefined);
      return 'failed';
    }
    if (result.kind === 'ok') return this.#delete(delivery, lane);
    if (result.kind === 'poison') return this.#poison(delivery, lane, result.details);
    // Neither a stopping task nor a lease that another message of the batch lost speaks against the version.
    if (run.abortedBecause !== undefined) this.#release(delivery);
    else {
      this.#book.ended(delivery, 'Failed', result.details);
      this.#retry(delivery, result.delaySeconds);
    }
    return 'failed';
  }

  #poison(delivery: Delivery, lane: Lane | undefined, details: EndingDetails): LaneStep {
    this.#book.ended(delivery, 'Poisoned', details);
    const { parking, identity } = this.#options;
    const parked =
      parking && parkedMessage(delivery, parking.deadLetterQueueUrl, identity, details.errorClass);
    if (parked === undefined) {
      if (parking !== undefined) {
        const { messageId } = delivery.message;
        this.#book.event('error', 'not parked', { messageId, error: 'it has more than six attributes' });
      }
      this.#retry(delivery, undefined);
      return 'failed';
    }
    this.#background(
      this.#options.transport.sendMessage(parked).then(
        () => {
          this.#book.parked(delivery);
          this.#delete(delivery, lane);
        },
        (error: unknown) => {
          this.#book.fault('park', asFault(error));
          this.#retry(delivery, undefined);
          if (lane !== undefined) this.#blockLane(lane);
        },
      ),
    );
    return 'passed';
  }

  #timeOut(run: Run): void {
    const { abortGraceMs } = this.#settings;
    run.timedOut = true;
    this.#metrics.value('ProcessingTimeMs', this.#clock.nowMs() - run.startedAtMs);
    for (const delivery of run.deliveries) this.#countTimeout(delivery);
    for (const lane of this.#lanesOf(run)) {
      for (const delivery of lane.waiting.splice(0)) this.#release(delivery);
    }
    run.abort('timeout');
    run.grace = this.#clock.setTimer(abortGraceMs, () => this.#giveUpOn(run));
  }

  #countTimeout(delivery: Delivery): void {
    this.#book.ended(delivery, 'TimedOut', { attribution: 'version', errorClass: 'Timeout' });
  }

  /** A handler that does not settle keeps its message, until the lease lapses, but not its permit. */
  #giveUpOn(run: Run): void {
    run.stuck = true;
    this.#stuck++;
    for (const delivery of run.deliveries) void this.#leases.letGo(delivery);
    for (const lane of this.#lanesOf(run)) {
      for (const delivery of lane.waiting.splice(0)) this.#release(delivery);
      lane.abandoned = true;
      lane.ended();
    }
    this.#permits.release(run.deliveries.length);
    this.#book.event('error', 'handler stuck', {
      messages: run.deliveries.length,
      forMs: Math.round(this.#clock.nowMs() - run.startedAtMs),
    });
    this.#checkQuiet();
  }

  #lanesOf(run: Run): HandledLane[] {
    return run.deliveries.flatMap((delivery) => this.#lanes.get(groupOf(delivery)) ?? []);
  }

  // Leases

  #lost(delivery: Delivery, cause: LossCause): void {
    this.#expire(delivery, cause);
    for (const run of this.#runs) if (run.deliveries.includes(delivery)) run.abort('lease-lost');
    if (this.#settings.fifo) {
      const lane = this.#lanes.get(groupOf(delivery));
      // What is behind a lost message must not overtake it. One that waits itself goes without a handler.
      for (const other of lane?.waiting.splice(0) ?? []) if (other !== delivery) this.#release(other);
    }
    this.#checkQuiet();
  }

  #expire(delivery: Delivery, cause: LossCause): void {
    this.#book.ended(delivery, 'Expired', {
      attribution: cause === 'sqs' ? 'infrastructure' : 'version',
      errorClass: {
        blocked: 'EventLoopBlocked',
        maximum: 'LeaseMaximum',
        sqs: 'LeaseLost',
      }[cause],
    });
  }

  // Deleting and giving back

  #delete(delivery: Delivery, lane: Lane | undefined, late = false): LaneStep {
    this.#afterRenewal(delivery, (delayed) => {
      this.#deletes.add(
        {
          delivery,
          lane,
          delayed,
          receiptHandle: delivery.receiptHandle,
          giveUpAtMs: delivery.leaseEndMs,
          attempts: 0,
        },
        late || (lane !== undefined && lane.waiting.length > 0),
      );
    });
    return 'passed';
  }

  #deleted(entry: DeleteOf, sentAtMs: number): void {
    const { delivery, lane } = entry;
    const nowMs = this.#clock.nowMs();
    // SQS confirms a delete whose lease has lapsed even if the message is with somebody else by then. It is sure
    // only when the confirmation was there in time, though it may have lain unread for a while.
    const inTime = sentAtMs < entry.giveUpAtMs;
    const sure = inTime && nowMs - this.#blockedMs(nowMs) < entry.giveUpAtMs;
    // Nothing but a blocked event loop keeps a first attempt waiting until the lease is over.
    const blocked = !inTime && entry.attempts === 1 && !entry.delayed;
    if (sure) this.#book.succeeded(delivery);
    else this.#expire(delivery, blocked ? 'blocked' : 'sqs');
    // The next of a group begins only now: were this delete lost, it would come again behind its successor.
    if (lane !== undefined && sure) this.#nextInLane(lane);
    else if (lane !== undefined) this.#blockLane(lane);
    this.#checkQuiet();
  }

  /** Gives a message back unharmed, to be had at once. */
  #release(delivery: Delivery): void {
    this.#book.released(delivery);
    this.#giveBack(delivery, 0);
  }

  /** Gives a failed message back, to be had after its delay. */
  #retry(delivery: Delivery, delaySeconds: number | undefined): void {
    const seconds = delaySeconds ?? this.#backoffSeconds(delivery.message.receiveCount);
    this.#giveBack(delivery, Math.min(Math.max(Math.ceil(seconds), 0), VISIBILITY_MAX_SECONDS));
  }

  #backoffSeconds(receiveCount: number): number {
    const { retryFirstSeconds, retryLongestSeconds } = this.#settings;
    const full = Math.min(retryLongestSeconds, retryFirstSeconds * 2 ** Math.min(receiveCount - 1, 30));
    return full / 2 + this.#options.random() * (full / 2);
  }

  #giveBack(delivery: Delivery, seconds: number): void {
    this.#afterRenewal(delivery, () => {
      this.#releases.add({
        delivery,
        seconds,
        receiptHandle: delivery.receiptHandle,
        giveUpAtMs: delivery.leaseEndMs,
        attempts: 0,
      });
    });
  }

  /** Runs `then` once no renewal is on its way any more: one that arrived later would hide the message again. */
  #afterRenewal(delivery: Delivery, then: (delayed: boolean) => void): void {
    const renewing = this.#leases.letGo(delivery);
    if (renewing === undefined) then(false);
    else this.#background(renewing.then(() => then(true)));
  }

  #background(work: Promise<void>): void {
    this.#pending.add(work);
    void work.finally(() => {
      this.#pending.delete(work);
      this.#checkQuiet();
    });
  }

  // Draining

  async #drain(reason: string): Promise<DrainReport> {
    const wasRunning = this.#state === 'running';
    const startedAtMs = this.#clock.nowMs();
    const endAtMs = startedAtMs + this.#settings.stopTimeoutMs;
    const left = (untilMs: number) => Math.max(0, untilMs - this.#clock.nowMs());
    this.#state = 'draining';
    this.#takesLateUntilMs = startedAtMs + (this.#settings.stopTimeoutMs - DRAIN_RESERVE_MS) / 2;
    if (wasRunning) this.#book.event('info', 'draining', { reason, inFlight: this.#inFlight() });

    const polls = this.#receiver.stop();
    this.#deletes.hurry();
    // What is given back while a poll of this worker is open comes straight back to it, and each time costs a
    // receive of the few that the redrive policy allows.
    this.#releases.hold();
    void polls.then(() => this.#releases.hurry());
    for (const lane of this.#lanes.values()) {
      for (const delivery of lane.waiting.splice(0)) this.#release(delivery);
    }
    const finished = polls.then(() => this.#quiet());
    if (!(await within(this.#clock, left(endAtMs - DRAIN_RESERVE_MS), finished))) {
      this.#receiver.abandon();
      this.#releases.hurry();
      for (const run of this.#runs) run.abort('drain');
      await within(this.#clock, left(endAtMs - DRAIN_RESERVE_MS + DRAIN_GRACE_MS), this.#quiet());
    }
    const settling = Promise.all([this.#deletes.atMost(0), this.#releases.atMost(0)]);
    await within(this.#clock, left(endAtMs - EXIT_RESERVE_MS), settling);
    const report = this.#leave(startedAtMs);
    if (wasRunning) this.#metrics.flush(this.#book.serverNowMs(), this.#book.open.size, true);
    if (this.#protection !== undefined) {
      await within(this.#clock, left(endAtMs - EXIT_RESERVE_MS / 2), this.#protection.drop());
    }
    if (wasRunning) this.#book.event('info', 'stopped', { ...report });
    this.#options.transport.close();
    return report;
  }

  /** Ends everything that is not over by itself; nothing is given back whose handler still runs. */
  #leave(startedAtMs: number): DrainReport {
    let unconfirmed = this.#deletes.size + this.#releases.size;
    const handlersLeft = this.#runs.size;
    this.#deletes.giveUpAll();
    this.#releases.giveUpAll();
    for (const run of this.#runs) {
      run.grace?.cancel();
      for (const delivery of run.deliveries) {
        this.#book.ended(delivery, 'Expired', { attribution: 'neutral', errorClass: 'LeftOnDrain' });
      }
    }
    // What is still open waits for a renewal on its way, after which it would be deleted.
    for (const delivery of [...this.#book.open]) {
      unconfirmed++;
      this.#book.ended(delivery, 'DeleteFailed', {
        attribution: 'infrastructure',
        errorClass: 'DrainTimeout',
        error: 'its renewal was not answered before the task had to stop',
      });
    }
    this.#state = 'stopped';
    this.#stopped.abort();
    this.#leases.close();
    this.#timeouts.close();
    this.#lagTimer?.cancel();
    return { durationMs: Math.round(this.#clock.nowMs() - startedAtMs), handlersLeft, unconfirmed };
  }

  /** Resolves when no handler runs and everything is deleted or given back. Stuck handlers do not count. */
  #quiet(): Promise<void> {
    if (this.#isQuiet()) return Promise.resolve();
    return new Promise((resolve) => this.#whenQuiet.push(resolve));
  }

  #isQuiet(): boolean {
    return (
      this.#runs.size === this.#stuck &&
      this.#pending.size === 0 &&
      this.#deletes.size === 0 &&
      this.#releases.size === 0
    );
  }

  #checkQuiet(): void {
    if (this.#whenQuiet.length === 0 && this.#protection === undefined) return;
    if (!this.#isQuiet()) return;
    if (this.#state === 'running') this.#protection?.idle();
    for (const resolve of this.#whenQuiet.splice(0)) resolve();
  }

  // Reporting

  async #flushRegularly(): Promise<void> {
    const startedAtMs = this.#clock.nowMs();
    for (;;) {
      const nowMs = this.#book.serverNowMs();
      const endMs = nextReportMs(nowMs, this.#clock.nowMs() - startedAtMs, this.#metrics.lastMs);
      await pause(this.#clock, endMs - nowMs, this.#stopped.signal);
      if (this.#state === 'stopped') return;
      this.#metrics.flush(endMs, this.#book.open.size);
      if (endMs % REPORT_MS === 0) this.#loopLagMs = 0;
    }
  }

  /**
   * How long the event loop may have been blocked until just now, in which a reply may have lain unread while
   * the leases that it brought ran on.
   */
  #blockedMs(nowMs: number): number {
    const overdueMs = nowMs - this.#lagDueMs;
    const { atMs, ms } = this.#lastLag;
    const lagMs = Math.max(overdueMs, nowMs - atMs < LAG_TELLING_MS ? ms : 0);
    return lagMs < LAG_TELLING_MS ? 0 : lagMs + LAG_SAMPLE_MS;
  }

  #sampleLag(): void {
    const dueMs = this.#clock.nowMs() + LAG_SAMPLE_MS;
    this.#lagDueMs = dueMs;
    this.#lagTimer = this.#clock.setTimer(LAG_SAMPLE_MS, () => {
      const lagMs = Math.max(0, this.#clock.nowMs() - dueMs);
      if (lagMs >= LAG_TELLING_MS) this.#lastLag = { atMs: this.#clock.nowMs(), ms: lagMs };
      this.#metrics.loopLag(lagMs);
      this.#leases.loopLag(lagMs);
      if (lagMs > this.#loopLagMs) this.#loopLagMs = lagMs;
      this.#sampleLag();
    });
  }
}

function groupOf({ message: { groupId = '' } }: Delivery): string {
  return groupId;
}

/** Whether a FIFO group may go on behind a message. */
type LaneStep = 'passed' | 'failed';

/** A handler's answer, whatever it did. */
type Settled =
  | { readonly kind: 'ok' }
  | { readonly kind: 'retry'; readonly delaySeconds: number | undefined; readonly details: EndingDetails }
  | { readonly kind: 'poison'; readonly details: EndingDetails };

const OK: Settled = { kind: 'ok' };

function failure(error: unknown): Settled {
  return { kind: 'retry', delaySeconds: undefined, details: thrown(error) };
}

function invalid(text: string, errorClass = 'InvalidOutcome'): Settled {
  return {
    kind: 'retry',
    delaySeconds: undefined,
    details: { attribution: 'version', errorClass, error: text },
  };
}

/** Reads what a handler returned; it may be written in JavaScript and return anything. */
function asOutcome(outcome: unknown): Settled {
  try {
    return outcome === undefined ? OK : readOutcome(Object(outcome) as Record<string, unknown>);
  } catch {
    return invalid('the handler answered an object that cannot be read');
  }
}

function readOutcome(outcome: Record<string, unknown>): Settled {
  const { kind, delaySeconds, reason, error } = outcome;
  switch (kind as Outcome['kind']) {
    case 'ok':
      return OK;
    case 'retry':
      return {
        kind: 'retry',
        delaySeconds:
          typeof delaySeconds === 'number' && Number.isFinite(delaySeconds) ? delaySeconds : undefined,
        details: {
          attribution: 'version',
          errorClass: error === undefined ? 'Retry' : classOf(error),
          ...(error === undefined ? {} : { error }),
        },
      };
    case 'poison':
      return {
        kind: 'poison',
        details: {
          attribution: 'version',
          errorClass: error === undefined ? 'Poison' : classOf(error),
          error: error === undefined ? reason : `${textOf(reason)}: ${textOf(error)}`,
        },
      };
    default:
      return invalid(`the handler answered ${textOf(outcome)}, which is no outcome`);
  }
}
