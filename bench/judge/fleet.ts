import type { Block, Cell } from '../../packages/core/src/judge/block.ts';
import { reportMs, reportsEachSecondMs } from '../../packages/core/src/measurement/line.ts';
import { pastMs, startsMs } from '../../packages/core/src/measurement/measurement.ts';
import { Durations } from './durations.ts';
import type { Random } from './random.ts';
import { type Done, Task } from './task.ts';
import { isTimed, type World } from './world.ts';

export const HORIZON_MS = 60 * 60_000;

/** When stable's tasks began. */
const LONG_AGO_MS = -24 * 60 * 60_000;

/** A message that kills a task comes back after this time. */
const VISIBILITY_MS = 30_000;

/** A line that a young task of the canary has written within a block. */
interface EarlyLine {
  readonly atMs: number;
  readonly cell: Cell;
  readonly harmed: number;
}

/** What the canary's tasks had reported of a block before it was complete. */
export interface Glance {
  readonly atMs: number;
  readonly lines: readonly Cell[];
  readonly harmed: number;
}

/** One simulated release: blocks as the controller makes them of the workers' lines, one for each five seconds. */
export class Fleet {
  /** Messages that the canary's version has spoilt so far. */
  harmed = 0;
  /** Stable alone, before the judging began. */
  readonly past: readonly Block[];
  /** The first half hour of stable's tasks. */
  readonly starts: readonly Cell[];
  readonly #world: World;
  readonly #random: Random;
  readonly #tasks: Task[] = [];
  readonly #startsByAge: (readonly Cell[] | undefined)[];
  readonly #load = { perSecond: 0, poison: 0 };
  readonly #bursts: readonly number[];
  readonly #durations: Durations | undefined;
  #deadly: number[] = [];
  #deadlyMs = Number.POSITIVE_INFINITY;
  #toMs = 0;
  #early: EarlyLine[] = [];

  constructor(world: World, random: Random) {
    const { canaryAge = 40, canaryTasks = 1, stableTasks = 3, poison, crashMessages } = world;
    this.#world = world;
    this.#random = random;
    this.#durations = isTimed(world) ? new Durations(random) : undefined;
    this.#bursts = poison === undefined ? [] : moments(random, 3600 / poison.perHour);
    for (let n = 1; n <= stableTasks; n += 1) this.#add('stable', n, LONG_AGO_MS, -pastMs);
    this.#startsByAge = world.startsKnown === false ? [] : this.#startsOf(this.#tasks);
    this.starts = this.#startsByAge.flatMap((cells) => cells ?? []);
    const past: Block[] = [];
    for (let fromMs = -pastMs; fromMs < 0; fromMs += reportMs) past.push(this.#block(fromMs, canaryTasks));
    this.past = past;
    for (let n = 1; n <= canaryTasks; n += 1) this.#add('canary', n, -canaryAge * 1000, 0);
    if (crashMessages !== undefined) this.#deadlyMs = random.exponential(crashMessages.every * 1000);
  }

  /** The next five seconds; undefined after an hour. */
  next(): Block | undefined {
    if (this.#toMs >= HORIZON_MS) return undefined;
    const fromMs = this.#toMs;
    this.#toMs += reportMs;
    this.#scale(fromMs);
    this.#strike(fromMs);
    this.#early = [];
    return this.#block(fromMs, 0);
  }

  /** What the canary had reported after each of the latest block's first seconds: young tasks report each second. */
  *glances(): Generator<Glance> {
    if (this.#early.length === 0) return;
    let before = this.harmed;
    for (const { harmed } of this.#early) before -= harmed;
    for (let atMs = this.#toMs - reportMs + 1000; atMs < this.#toMs; atMs += 1000) {
      const lines = this.#early.filter((line) => line.atMs <= atMs);
      if (lines.every((line) => line.atMs < atMs)) continue;
      const harmed = lines.reduce((sum, line) => sum + line.harmed, before);
      yield { atMs, lines: lines.map(({ cell }) => cell), harmed };
    }
  }

  #add(track: Task['track'], number: number, bornMs: number, fromMs: number): void {
    const task = new Task(this.#world, this.#random, track, number, bornMs, fromMs);
    this.#tasks.push(task);
    const { longWork, canaryTasks = 1, stableTasks = 3, messagesPerSecond } = this.#world;
    if (longWork === undefined) return;
    const perSecond = messagesPerSecond / (canaryTasks + stableTasks);
    const longest = 2 * longWork.seconds * 1000;
    for (let at = Math.max(bornMs, fromMs - longest); at < fromMs; at += reportMs) {
      task.receiveLong(at, at + reportMs, perSecond);
    }
  }

  /** What stable's tasks did in each interval of their first half hour. */
  #startsOf(tasks: readonly Task[]): Cell[][] {
    this.#balance(tasks.length + (this.#world.canaryTasks ?? 1), LONG_AGO_MS);
    const young = tasks.map((task) => task.young(LONG_AGO_MS));
    return Array.from({ length: startsMs / reportMs }, (_, index) => {
      const fromMs = LONG_AGO_MS + index * reportMs;
      return young.map((task) => this.#cell(task, fromMs, fromMs + reportMs));
    });
  }

  /** Sets what comes to a task of average weight. */
  #balance(weight: number, fromMs: number): void {
    const { messagesPerSecond, ramp, poison } = this.#world;
    const grown =
      ramp === undefined
        ? 1
        : 1 + (ramp.times - 1) * Math.min(1, Math.max(0, fromMs) / (ramp.seconds * 1000));
    this.#load.perSecond = (messagesPerSecond * grown) / Math.max(1, weight);
    this.#load.poison = 0;
    for (const begins of this.#bursts) {
      if (fromMs >= begins && fromMs < begins + poison!.seconds * 1000) this.#load.poison = poison!.part;
    }
  }

  /** Starts tasks of stable as traffic grows. */
  #scale(fromMs: number): void {
    const { ramp, canaryTasks = 1, stableTasks = 3 } = this.#world;
    if (ramp === undefined) return;
    const grown = 1 + (ramp.times - 1) * Math.min(1, fromMs / (ramp.seconds * 1000));
    const now = this.#tasks.length - canaryTasks;
    if (Math.round(stableTasks * grown) > now) this.#add('stable', now + 1, fromMs, fromMs);
  }

  /** Lets messages that kill come to any of the tasks. */
  #strike(fromMs: number): void {
    const { crashMessages } = this.#world;
    if (crashMessages === undefined) return;
    const toMs = fromMs + reportMs;
    for (; this.#deadlyMs < toMs; this.#deadlyMs += this.#random.exponential(crashMessages.every * 1000)) {
      for (let n = 0; n < crashMessages.deliveries; n += 1)
        this.#deadly.push(this.#deadlyMs + n * VISIBILITY_MS);
    }
    for (const atMs of this.#deadly) {
      if (atMs >= toMs) continue;
      const alive = this.#tasks.filter(({ bornMs, diesMs }) => bornMs <= atMs && diesMs > atMs);
      const hit = alive[Math.floor(this.#random.uniform() * alive.length)];
      if (hit !== undefined) hit.diesMs = atMs;
    }
    this.#deadly = this.#deadly.filter((atMs) => atMs >= toMs);
  }

  /** @param others tasks of average weight that take messages and do not report. */
  #block(fromMs: number, others: number): Block {
    const toMs = fromMs + reportMs;
    let weight = others;
    for (const task of this.#tasks)
      if (task.bornMs <= fromMs && task.diesMs > fromMs) weight += this.#weightOf(task);
    const canary: Cell[] = [];
    const stable: Cell[] = [];
    const crashes = { canary: { count: 0, taskSeconds: 0 }, stable: { count: 0, taskSeconds: 0 } };
    this.#balance(weight, fromMs);
    const average = this.#load.perSecond;
    for (const task of this.#tasks) {
      this.#load.perSecond = average * this.#weightOf(task);
      const cells = task.track === 'canary' ? canary : stable;
      const seen = crashes[task.track];
      while (task.diesMs < toMs) {
        const begins = Math.max(fromMs, task.bornMs);
        const cell = this.#lastCell(task, begins);
        if (cell !== undefined) cells.push(cell);
        seen.count += 1;
        seen.taskSeconds += (toMs - begins) / 1000;
        task.replace(task.diesMs + 1000 * this.#replacedAfter(task));
      }
      if (task.bornMs >= toMs) continue;
      const begins = Math.max(fromMs, task.bornMs);
      cells.push(this.#cell(task, begins, toMs));
      seen.taskSeconds += (toMs - begins) / 1000;
    }
    return { fromMs, toMs, canary, stable, starts: this.#takeStarts(canary), crashes };
  }

  #weightOf({ track }: Task): number {
    return track === 'canary' ? (this.#world.canaryWeight ?? 1) : 1;
  }

  #replacedAfter({ track }: Task): number {
    const { crashes, crashMessages, version } = this.#world;
    const own = track === 'canary' ? version?.crashes : undefined;
    return (own ?? crashes ?? crashMessages)!.replacedAfter;
  }

  /** As the controller takes them: those of the age of the oldest task of the canary, and each but once. */
  #takeStarts(canary: readonly Cell[]): readonly Cell[] {
    if (canary.length === 0) return [];
    let age = 0;
    for (const { ageMs } of canary) if (ageMs > age) age = ageMs;
    const index = Math.ceil(age / reportMs) - 1;
    const starts = this.#startsByAge[index];
    if (starts === undefined) return [];
    this.#startsByAge[index] = undefined;
    return starts;
  }

  #cell(task: Task, fromMs: number, toMs: number): Cell {
    const done: Done = { received: 0, finished: 0, failed: 0, dropped: 0, harmed: 0, saturated: true };
    if (task.track === 'canary' && fromMs - task.bornMs < reportsEachSecondMs) {
      this.#workBySecond(task, fromMs, toMs, done);
    } else task.work(fromMs, toMs, this.#load, done, this.#durations);
    this.harmed += done.harmed;
    return this.#cellOf(task, toMs, done, this.#durations !== undefined);
  }

  #workBySecond(task: Task, fromMs: number, toMs: number, done: Done): void {
    for (let at = fromMs; at < toMs; at += 1000) {
      const { received, finished, failed, harmed } = done;
      const endsMs = Math.min(toMs, at + 1000);
      task.work(at, endsMs, this.#load, done, this.#durations);
      const line: Done = {
        ...done,
        received: done.received - received,
        finished: done.finished - finished,
        failed: done.failed - failed,
      };
      const atMs = Math.ceil(endsMs / 1000) * 1000;
      this.#early.push({ atMs, cell: this.#cellOf(task, endsMs, line, false), harmed: done.harmed - harmed });
    }
  }

  #cellOf({ id, bornMs }: Task, toMs: number, done: Done, timed: boolean): Cell {
    const { received, finished, failed, dropped, saturated, types } = done;
    return {
      task: id,
      ageMs: toMs - bornMs,
      received,
      finished,
      failed,
      retried: 0,
      retriedFailed: 0,
      saturated: saturated && received > 0,
      ...(timed && { durations: this.#durations!.take() }),
      ...(types && { types: byName(types) }),
      ...(this.#world.counter && { counters: { done: finished - failed - dropped } }),
    };
  }

  /**
   * What is known of a task that dies: its lines so far, and one failure where the last of them had messages in hand. A
   * young task has written a line each second; what an old one did since the last interval nobody will know.
   */
  #lastCell(task: Task, fromMs: number): Cell | undefined {
    const { bornMs, diesMs, track } = task;
    const isYoung = fromMs - bornMs < reportsEachSecondMs;
    const seconds = isYoung ? Math.floor((diesMs - fromMs) / 1000) : 0;
    const reported = seconds > 0 ? this.#cell(task, fromMs, fromMs + seconds * 1000) : undefined;
    const inHand = this.#random.poisson(task.inHand(this.#load.perSecond));
    if (track === 'canary' && this.#world.version?.crashes !== undefined) this.harmed += inHand;
    const hasReported = reported !== undefined || fromMs > bornMs;
    if (inHand === 0 || !hasReported) return reported;
    const nothing = { received: 0, finished: 0, failed: 0, retried: 0, retriedFailed: 0 };
    const cell = reported ?? { task: task.id, ageMs: diesMs - bornMs, ...nothing };
    return { ...cell, finished: cell.finished + 1, failed: cell.failed + 1, saturated: false };
  }
}

/** Moments of an hour and of the past before it, about so many seconds apart. */
function moments(random: Random, everySeconds: number): number[] {
  const all: number[] = [];
  let at = -pastMs;
  for (;;) {
    at += random.exponential(everySeconds * 1000);
    if (at >= HORIZON_MS) return all;
    all.push(at);
  }
}

function byName(types: Int32Array): Record<string, readonly [number, number]> {
  const named: Record<string, readonly [number, number]> = {};
  for (let type = 0; 2 * type < types.length; type += 1) {
    const [finished, failed] = [types[2 * type]!, types[2 * type + 1]!];
    if (finished > 0) named[`type ${type + 1}`] = [finished, failed];
  }
  return named;
}
