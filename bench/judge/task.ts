import { type Durations, MEAN, MEDIAN_MS, NORMAL, SPREAD } from './durations.ts';
import type { Random } from './random.ts';
import type { Version, World } from './world.ts';

/** What comes to a task. */
export interface Load {
  /** Messages per second, where there is no backlog. */
  readonly perSecond: number;
  /** The part of them that no version can process. */
  readonly poison: number;
}

/** What a task did since its counts were last taken. */
export interface Done {
  received: number;
  finished: number;
  failed: number;
  /** Answered without doing the work. */
  dropped: number;
  /** Spoilt by the version: failed, dropped, slowed down, lost in a crash. */
  harmed: number;
  /** Whether it had as many messages as it could take. */
  saturated: boolean;
  /** By type, finished and failed in turn. */
  types?: Int32Array;
}

/** Durations that have grown by less than this are nobody's harm. */
const SLOWED = 1.1;

/** Long work differs by so much, as a standard deviation of its logarithm. */
const LONG_SPREAD = 0.1;
const LONG = NORMAL.map((quantile) => Math.exp(LONG_SPREAD * quantile));

/** Seconds that are kept of what long work will have ended when; a power of 2. */
const LONGEST = 4096;

/** One task of a service, and those that take its place when it dies. */
export class Task {
  readonly track: 'canary' | 'stable';
  id: string;
  bornMs: number;
  diesMs = Number.POSITIVE_INFINITY;
  readonly #world: World;
  readonly #version: Version | undefined;
  readonly #random: Random;
  readonly #number: number;
  /** How long ago a version that fails now and then began to, when the judging begins. */
  readonly #phase: number;
  #lives = 1;
  #luck = 1;
  #speed = 1;
  #wander = 0;
  #clumpMs = Number.POSITIVE_INFINITY;
  #pauseMs = Number.POSITIVE_INFINITY;
  #breakerMs = Number.NEGATIVE_INFINITY;
  /** Long work by the second in which it will end. */
  readonly #ends: Int32Array | undefined;

  /** @param fromMs when it is first looked at. */
  constructor(
    world: World,
    random: Random,
    track: Task['track'],
    number: number,
    bornMs: number,
    fromMs: number,
  ) {
    this.track = track;
    this.bornMs = bornMs;
    this.id = `${track} ${number}`;
    this.#number = number;
    this.#world = world;
    this.#version = track === 'canary' ? world.version : undefined;
    this.#random = random;
    this.#phase = random.uniform() * (this.#version?.intermittent?.every ?? 0);
    this.#ends = world.longWork && new Int32Array(LONGEST);
    this.#begin(fromMs);
  }

  /** The same task in its youth, long ago. */
  young(bornMs: number): Task {
    const young = new Task(this.#world, this.#random, this.track, this.#number, bornMs, bornMs);
    young.#luck = this.#luck;
    young.#speed = this.#speed;
    young.diesMs = Number.POSITIVE_INFINITY;
    return young;
  }

  /** Another task takes its place, on another host. */
  replace(bornMs: number): void {
    this.bornMs = bornMs;
    this.#lives += 1;
    this.id = `${this.track} ${this.#number}, life ${this.#lives}`;
    this.#ends?.fill(0);
    this.#begin(bornMs);
  }

  /** Messages that it has in hand on average. */
  inHand(perSecond: number): number {
    const { backlog, longWork } = this.#world;
    if (backlog !== undefined) return backlog.concurrency;
    return perSecond * (longWork?.seconds ?? (MEDIAN_MS * MEAN) / 1000);
  }

  /** Receives long work in a time that nobody looks at. */
  receiveLong(fromMs: number, toMs: number, perSecond: number): void {
    this.#receiveLong(fromMs, toMs, perSecond, this.#world.failureRate);
    this.#takeEnded(fromMs, toMs);
  }

  /** Works from one moment to another, and adds to what it has done. */
  work(fromMs: number, toMs: number, { perSecond, poison }: Load, done: Done, durations?: Durations): void {
    const version = fromMs >= 1000 * (this.#version?.onset ?? 0) ? this.#version : undefined;
    const world = this.#world;
    const random = this.#random;
    const seconds = (toMs - fromMs) / 1000;
    // It has its hands full only under a backlog: otherwise a receive is open most of the time.
    if (world.backlog === undefined) done.saturated = false;
    if (world.longWork !== undefined) {
      this.#workLong(fromMs, toMs, perSecond, version, done, durations);
      return;
    }
    const slower = slownessOf(version, fromMs);
    const slowness = slower * this.#slownessAt(fromMs, toMs);
    let messages = this.#received(seconds, perSecond, slowness, version);
    let failed = this.#failed(messages, this.#rateAt(fromMs, toMs, version));
    if (world.clumps !== undefined) {
      const { size, perTaskHour } = world.clumps;
      while (this.#clumpMs < toMs) {
        failed += size;
        this.#clumpMs += random.exponential(3_600_000 / perTaskHour);
      }
      messages = Math.max(messages, failed);
    }
    failed += random.binomial(messages - failed, poison);
    failed += random.binomial(messages - failed, this.#outage(fromMs, toMs));
    if (version !== undefined) {
      const more = this.#failedMore(messages, failed, fromMs, version);
      failed += more;
      done.harmed += more;
      messages = Math.max(messages, failed);
    }
    if (world.types !== undefined) failed = this.#typed(messages, failed, version?.brokenTypes ?? 0, done);
    const dropped = version?.drops === undefined ? 0 : random.binomial(messages - failed, version.drops);
    const slow = slower > SLOWED ? messages - failed - dropped : 0;
    const tail = version?.tail === undefined ? 0 : random.binomial(messages - dropped, version.tail.part);
    done.received += messages;
    done.finished += messages;
    done.failed += failed;
    done.dropped += dropped;
    done.harmed += dropped + Math.max(slow, Math.min(tail, messages - failed));
    if (durations === undefined) return;
    const medianMs = this.#medianMs * slowness;
    const paused = this.#paused(toMs, seconds, messages - dropped - tail);
    durations.draw(dropped, MEDIAN_MS / 20, 0);
    durations.draw(tail, medianMs * (version?.tail?.factor ?? 1), SPREAD);
    durations.draw(paused, medianMs, SPREAD, 1000 * (world.pauses?.seconds ?? 0));
    durations.draw(messages - dropped - tail - paused, medianMs, SPREAD);
  }

  #begin(fromMs: number): void {
    const { unequalRates: cv = 0, unequalSpeeds: sd = 0, clumps, pauses, crashes } = this.#world;
    const random = this.#random;
    const soon = (everySeconds = Number.POSITIVE_INFINITY) =>
      fromMs + random.exponential(everySeconds * 1000);
    this.#luck = cv > 0 ? random.gamma(1 / (cv * cv)) * cv * cv : 1;
    this.#speed = sd > 0 ? Math.exp(sd * random.normal()) : 1;
    this.#wander = random.normal();
    this.#clumpMs = soon(clumps && 3600 / clumps.perTaskHour);
    this.#pauseMs = soon(pauses?.every);
    this.diesMs = Math.min(soon(crashes?.every), soon(this.#version?.crashes?.every));
  }

  /** Under a backlog, work takes as long as makes the world's messages per second. */
  get #medianMs(): number {
    const { backlog, canaryTasks = 1, stableTasks = 3, messagesPerSecond } = this.#world;
    if (backlog === undefined) return MEDIAN_MS;
    return ((canaryTasks + stableTasks) * backlog.concurrency * 1000) / (messagesPerSecond * MEAN);
  }

  #received(seconds: number, perSecond: number, slowness: number, version?: Version): number {
    const { backlog, receives } = this.#world;
    const random = this.#random;
    if (backlog !== undefined) {
      const slots = backlog.concurrency * (version?.concurrency ?? 1);
      return random.poisson((slots * seconds * 1000) / (this.#medianMs * MEAN * slowness));
    }
    const size = receives?.[this.track] ?? 1;
    return size * random.poisson((perSecond * seconds) / size);
  }

  #failed(messages: number, rate: number): number {
    const { receives } = this.#world;
    if (receives === undefined || !receives.together) return this.#random.binomial(messages, rate);
    const size = receives[this.track];
    return size * this.#random.binomial(messages / size, rate);
  }

  #rateAt(fromMs: number, toMs: number, version: Version | undefined): number {
    const { failureRate, coldFailures } = this.#world;
    const rate = Math.min(1, (version?.failureRate ?? failureRate) * this.#luck);
    if (coldFailures === undefined) return rate;
    const age = ((fromMs + toMs) / 2 - this.bornMs) / 1000;
    return age < coldFailures.untilAge ? Math.max(rate, coldFailures.rate) : rate;
  }

  #slownessAt(fromMs: number, toMs: number): number {
    const { wander, coldSlowness } = this.#world;
    let slowness = this.#speed;
    if (wander !== undefined) {
      const kept = Math.exp((fromMs - toMs) / 1000 / wander.seconds);
      this.#wander = kept * this.#wander + Math.sqrt(1 - kept * kept) * this.#random.normal();
      slowness *= Math.exp(wander.sd * this.#wander);
    }
    if (coldSlowness !== undefined) {
      const age = ((fromMs + toMs) / 2 - this.bornMs) / 1000;
      slowness *= 1 + (coldSlowness.factor - 1) * Math.exp(-age / coldSlowness.seconds);
    }
    return slowness;
  }

  /** The part of the messages between two moments that an outage fails. */
  #outage(fromMs: number, toMs: number): number {
    const { outages } = this.#world;
    for (const at of outages?.at ?? []) {
      const { seconds, breakersWithin } = outages!;
      const [beginsMs, endsMs] = [at * 1000, (at + seconds) * 1000];
      if (toMs <= beginsMs || fromMs >= endsMs + breakersWithin * 1000) continue;
      // A task that came when all was over has no breaker to close.
      if (this.bornMs >= endsMs) return 0;
      if (this.#breakerMs < endsMs) this.#breakerMs = endsMs + this.#random.uniform() * breakersWithin * 1000;
      const failingMs = Math.min(toMs, this.#breakerMs) - Math.max(fromMs, beginsMs);
      return Math.max(0, failingMs / (toMs - fromMs));
    }
    return 0;
  }

  /** What the version fails of what does not fail anyway. */
  #failedMore(messages: number, failed: number, fromMs: number, version: Version): number {
    const { failures, intermittent, clumped = 1 } = version;
    if (failures === undefined) return 0;
    if (intermittent !== undefined) {
      const { on, every } = intermittent;
      if ((fromMs / 1000 + this.#phase) % every >= on) return 0;
    }
    if (clumped > 1) return clumped * this.#random.poisson((messages * failures) / clumped);
    return this.#random.binomial(messages - failed, Math.min(1, failures / (1 - this.#world.failureRate)));
  }

  /** Sorts messages by type; those of broken types fail as well. */
  #typed(messages: number, failed: number, broken: number, done: Done): number {
    const types = this.#world.types!;
    done.types ??= new Int32Array(2 * types);
    let all = failed;
    for (let n = 0; n < messages; n += 1) {
      const type = Math.floor(this.#random.uniform() * types);
      done.types[2 * type]! += 1;
      if (n >= failed && type >= broken) continue;
      done.types[2 * type + 1]! += 1;
      if (n >= failed) all += 1;
    }
    done.harmed += all - failed;
    return all;
  }

  /** Messages that wait for a pause to end. */
  #paused(toMs: number, seconds: number, messages: number): number {
    const { pauses } = this.#world;
    let paused = 0;
    while (pauses !== undefined && this.#pauseMs < toMs) {
      paused += this.#random.binomial(messages - paused, Math.min(1, pauses.seconds / seconds));
      this.#pauseMs += this.#random.exponential(pauses.every * 1000);
    }
    return paused;
  }

  #workLong(
    fromMs: number,
    toMs: number,
    perSecond: number,
    version: Version | undefined,
    done: Done,
    durations: Durations | undefined,
  ): void {
    const usual = this.#rateAt(fromMs, toMs, version);
    const more = version?.failures ?? 0;
    const { received, failed } = this.#receiveLong(fromMs, toMs, perSecond, usual + more);
    const ended = this.#takeEnded(fromMs, toMs);
    done.received += received;
    done.finished += ended + failed;
    done.failed += failed;
    done.harmed += this.#random.binomial(failed, more / (usual + more));
    durations?.draw(failed, 300, SPREAD);
    durations?.draw(ended, this.#world.longWork!.seconds * 1000 * this.#speed, LONG_SPREAD);
  }

  #takeEnded(fromMs: number, toMs: number): number {
    let ended = 0;
    for (let second = Math.floor(fromMs / 1000); second < Math.floor(toMs / 1000); second += 1) {
      ended += this.#ends![second & (LONGEST - 1)]!;
      this.#ends![second & (LONGEST - 1)] = 0;
    }
    return ended;
  }

  #receiveLong(fromMs: number, toMs: number, perSecond: number, rate: number) {
    const random = this.#random;
    const seconds = (toMs - fromMs) / 1000;
    const received = random.poisson(perSecond * seconds);
    const failed = random.binomial(received, Math.min(1, rate));
    const workSeconds = this.#world.longWork!.seconds * this.#speed;
    for (let n = failed; n < received; n += 1) {
      const endsAt = fromMs / 1000 + random.uniform() * seconds + workSeconds * LONG[random.bits() >>> 20]!;
      this.#ends![Math.floor(endsAt) & (LONGEST - 1)]! += 1;
    }
    return { received, failed };
  }
}

function slownessOf(version: Version | undefined, fromMs: number): number {
  if (version?.slower === undefined) return 1;
  const { slower, growing = 0, onset = 0 } = version;
  const grown = growing === 0 ? 1 : Math.min(1, (fromMs / 1000 - onset) / growing);
  return 1 + (slower - 1) * grown;
}
