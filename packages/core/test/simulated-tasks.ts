import {
  currentRelease,
  type FailedBefore,
  failedBeforeMs,
  isActive,
  type Line,
  type Measurement,
  measuredFrom,
  type PipelineState,
  pastMs,
  reportMs,
  startsMs,
  type TaskLife,
  type Track,
  type TrackMeasurement,
  tracks,
} from '../src/index.ts';
import { TaskLines, type WorkByAge } from './task-lines.ts';

/** What the tasks of each track do: all the same, or each its own. Those of a track that is left out report nothing. */
export type TracksWork = Partial<Record<Track, WorkByAge | readonly WorkByAge[]>>;

interface Task {
  readonly deployment: string;
  /** Position among the tasks of its deployment. */
  readonly index: number;
  readonly lines: TaskLines;
  life: TaskLife & { readonly startedAt: number };
}

/** The tasks of both services: what ECS remembers of them, and what they have written to their logs. */
export class SimulatedTasks {
  /** Whether the log still has what stable's tasks did in their first minutes. */
  startsKept = true;
  readonly #tasks: Record<Track, Task[]> = { canary: [], stable: [] };
  #serial = 0;

  /** A deployment starts its tasks; those of older ones go on. */
  start(track: Track, deployment: string, count: number, atMs: number): void {
    for (let index = 0; index < count; index += 1) {
      this.#serial += 1;
      const id = `${track}-${this.#serial}`;
      const lines = new TaskLines({ task: id, track, startedAt: atMs });
      this.#tasks[track].push({
        deployment,
        index,
        lines,
        life: { id, startedAt: atMs, deploymentId: deployment },
      });
    }
  }

  /** Tasks of all deployments but one are asked to stop, and have drained by then. */
  keepOnly(track: Track, deployment: string, atMs: number): void {
    this.#stop(track, atMs, (task) => task.deployment !== deployment);
  }

  /** Tasks of a deployment that ECS gives up stop. */
  giveUp(track: Track, deployment: string, atMs: number): void {
    this.#stop(track, atMs, (task) => task.deployment === deployment);
  }

  /** The track's youngest task ends by its own fault, and ECS starts another in its place. */
  crash(track: Track, atMs: number): void {
    const task = this.#running(track).at(-1);
    if (task === undefined) throw new Error(`no task of ${track} runs`);
    const reason = 'it exited with 1';
    task.life = { ...task.life, stoppedAt: atMs, crash: reason, end: { ran: true, reason } };
    this.start(track, task.deployment, 1, atMs);
  }

  /** Every task has done this since it last reported, until now or until it stopped. */
  report(work: TracksWork, nowMs: number): void {
    for (const track of tracks) {
      const works = [work[track] ?? []].flat();
      if (works.length === 0) continue;
      for (const { index, life, lines } of this.#tasks[track]) {
        const { stoppedAt = nowMs + 1, crash } = life;
        const does = works[index % works.length]!;
        if (stoppedAt > nowMs || crash !== undefined) lines.work(Math.min(stoppedAt, nowMs), does);
        else lines.drain(stoppedAt, does);
      }
    }
  }

  /** The track's youngest task reports that the last deliveries of so many messages failed. */
  deadLetter(track: Track, count: number, nowMs: number): void {
    const task = this.#running(track).at(-1);
    if (task === undefined) throw new Error(`no task of ${track} runs`);
    task.lines.failLast(nowMs, count);
  }

  /** What ECS knows of a track's tasks. */
  lives(track: Track): readonly TaskLife[] {
    return this.#tasks[track].map(({ life }) => life);
  }

  /** What a track's tasks have written to their logs, all in all. */
  lines(track: Track): readonly Line[] {
    return this.#tasks[track].flatMap(({ lines }) => lines.written);
  }

  /** First deliveries that have failed on a track's tasks, all in all. */
  failed(track: Track): number {
    return this.#tasks[track].reduce((sum, { lines }) => sum + lines.failed, 0);
  }

  /** What the controller measures of the current release; undefined without one, or when nothing was ever reported. */
  measurement(pipeline: PipelineState, nowMs: number): Measurement | undefined {
    const release = currentRelease(pipeline);
    if (release === undefined || !isActive(release.execution)) return undefined;
    if (tracks.every((track) => this.#tasks[track].every(({ lines }) => lines.written.length === 0))) {
      return undefined;
    }
    const fromMs = measuredFrom(release);
    return {
      fromMs,
      toMs: Math.floor(nowMs / reportMs) * reportMs,
      canary: this.#track('canary', fromMs - pastMs),
      stable: this.#track('stable', fromMs - pastMs),
      starts: this.startsKept ? this.#starts(fromMs) : [],
      ...(release.stable && { before: this.#failedBefore(release.stable.startedAt) }),
    };
  }

  #track(track: Track, fromMs: number): TrackMeasurement {
    return {
      lines: this.#tasks[track].flatMap((task) => since(task, fromMs)),
      tasks: this.#tasks[track].map(({ life }) => life),
    };
  }

  #failedBefore(promotedAt: number): FailedBefore {
    const fromMs = promotedAt - failedBeforeMs;
    const failing = this.#tasks.stable.flatMap(({ lines }) => lines.failing);
    return { fromMs, lines: failing.filter(({ toMs }) => toMs > fromMs && toMs <= promotedAt) };
  }

  /** The first minutes of stable's tasks that are older than the release and have reported since it began. */
  #starts(fromMs: number): Line[] {
    return this.#tasks.stable.flatMap(({ life, lines: { written } }) => {
      if (life.startedAt >= fromMs || !((written.at(-1)?.toMs ?? 0) > fromMs)) return [];
      return written.slice(0, firstAfter(written, life.startedAt + startsMs));
    });
  }

  #stop(track: Track, atMs: number, which: (task: Task) => boolean): void {
    for (const task of this.#running(track).filter(which)) {
      task.life = { ...task.life, stoppingAt: atMs, stoppedAt: atMs };
    }
  }

  #running(track: Track): Task[] {
    return this.#tasks[track].filter(({ life }) => life.stoppedAt === undefined);
  }
}

/** A task's lines of intervals that end after an instant. */
function since({ lines: { written } }: Task, fromMs: number): readonly Line[] {
  return written.slice(firstAfter(written, fromMs));
}

/** Position of the first line that ends after an instant: a task writes its lines in their order. */
function firstAfter(written: readonly Line[], ms: number): number {
  let [low, high] = [0, written.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (written[middle]!.toMs > ms) high = middle;
    else low = middle + 1;
  }
  return low;
}
