import type { Phase, Track } from '@queue-canary/core';
import { sleep } from '@queue-canary/engine';
import type { ReleaseStatus } from '../commands/release.ts';
import type { Context } from '../context.ts';
import { seconds } from '../terminal.ts';
import { CliError } from '../user-error.ts';
import type { OutcomeTally } from './outcomes.ts';
import type { ReleaseReport } from './report.ts';
import type { Traffic } from './traffic.ts';

const FINAL_PHASES: readonly Phase[] = ['succeeded', 'rolledBack', 'aborted', 'halted'];

/** Phases of which a person wants to know why. */
const EXPLAINED_PHASES: readonly Phase[] = ['rolledBack', 'aborted', 'drifted', 'halted'];

/** Longest wait for any single step; the demo fails rather than hangs. */
const STEP_LIMIT_MS = 180_000;

/** Looks at release and outcomes again and again, showing where things are. */
export class Watcher {
  readonly tally: OutcomeTally;
  readonly #context: Context;
  readonly #read: () => Promise<ReleaseStatus>;
  readonly #traffic: Traffic;
  readonly #startedAtMs: number;
  readonly #known = new Set<string>();

  constructor(
    context: Context,
    read: () => Promise<ReleaseStatus>,
    tally: OutcomeTally,
    traffic: Traffic,
    startedAtMs: number,
  ) {
    this.#context = context;
    this.#read = read;
    this.tally = tally;
    this.#traffic = traffic;
    this.#startedAtMs = startedAtMs;
  }

  async look(): Promise<ReleaseStatus> {
    const [status] = await Promise.all([this.#read(), this.tally.update()]);
    const { terminal, clock } = this.#context;
    const count = (track: Track) =>
      this.tally
        .all()
        .filter((outcome) => outcome.track === track)
        .map(
          ({ version, succeeded, failed }) =>
            `v${version} ${succeeded}${failed > 0 ? ` (${failed} failed)` : ''}`,
        )
        .join(' ');
    const stage = status.view.stages.find((candidate) => candidate.status === 'running')?.name;
    terminal.live(
      `  ${seconds(clock.nowMs() - this.#startedAtMs)}  ${status.view.phase}${stage ? ` (${stage})` : ''}  sent ${this.#traffic.counts().sent}  canary ${count('canary')}  stable ${count('stable')}  dead ${status.view.deadLetterDepth ?? 0}`,
    );
    return status;
  }

  /** Looks until `holds`, whatever becomes of releases meanwhile; an error says what was waited for. */
  async until(holds: () => boolean, what: string): Promise<void> {
    const { clock, signal } = this.#context;
    const limit = clock.nowMs() + STEP_LIMIT_MS;
    for (await this.look(); !holds(); await this.look()) {
      if (signal.aborted) throw new CliError('interrupted');
      if (clock.nowMs() > limit)
        throw new CliError(`gave up after ${seconds(STEP_LIMIT_MS)} waiting for ${what}`);
      await sleep(clock, 300, signal);
    }
  }

  /** Follows the next release that has not been followed yet. */
  release(version: string): FollowedRelease {
    const startedAt = this.#context.clock.nowMs();
    return new FollowedRelease(this, this.#context, version, startedAt, this.#known, this.#startedAtMs);
  }
}

/** One release, from the moment when it is first seen. */
export class FollowedRelease {
  readonly #watcher: Watcher;
  readonly #context: Context;
  readonly #version: string;
  readonly #startedAt: number;
  readonly #known: Set<string>;
  readonly #demoStartedAt: number;
  readonly #phases: Array<{ phase: Phase; at: number }> = [];
  #executionId: string | undefined;
  #commit = '';
  #last: ReleaseStatus | undefined;
  /** Whether the judge was seen to pass it. What it says later is about the promotion. */
  #hasPassed = false;

  constructor(
    watcher: Watcher,
    context: Context,
    version: string,
    startedAt: number,
    known: Set<string>,
    demoStartedAt: number,
  ) {
    this.#watcher = watcher;
    this.#context = context;
    this.#version = version;
    this.#startedAt = startedAt;
    this.#known = known;
    this.#demoStartedAt = demoStartedAt;
  }

  commit(): string {
    return this.#commit;
  }

  /** Looks until `holds` for this release; an error after three minutes says what was waited for. */
  async until(holds: (status: ReleaseStatus) => boolean, what: string): Promise<ReleaseStatus> {
    const { clock, signal, terminal } = this.#context;
    const limit = clock.nowMs() + STEP_LIMIT_MS;
    for (;;) {
      if (signal.aborted) throw new CliError('interrupted');
      const status = await this.#watcher.look();
      const { release, phase, reasons } = status.view;
      if (release && this.#executionId === undefined && !this.#known.has(release.executionId)) {
        this.#executionId = release.executionId;
        this.#known.add(release.executionId);
      }
      if (release?.executionId === this.#executionId && this.#executionId !== undefined) {
        this.#last = status;
        this.#hasPassed ||= status.view.verdict?.kind === 'pass';
        this.#commit = release?.commit ?? this.#commit;
        if (this.#phases.at(-1)?.phase !== phase) {
          this.#phases.push({ phase, at: clock.nowMs() });
          terminal.line(
            `  ${seconds(clock.nowMs() - this.#demoStartedAt).padStart(7)}  version ${this.#version}: ${phase}${EXPLAINED_PHASES.includes(phase) ? ` (${reasons.join('; ')})` : ''}`,
          );
        }
        if (phase === 'halted') throw new CliError(`the release halted: ${reasons.join('; ')}`);
        if (holds(status)) return status;
        if (FINAL_PHASES.includes(phase) && this.#phases.length > 0 && what !== 'the release to end') {
          throw new CliError(
            `version ${this.#version} ended (${phase}: ${reasons.join('; ')}) while the demo waited for ${what}`,
          );
        }
      }
      if (clock.nowMs() > limit)
        throw new CliError(`gave up after ${seconds(STEP_LIMIT_MS)} waiting for ${what}`);
      await sleep(clock, 300, signal);
    }
  }

  end(): Promise<ReleaseStatus> {
    return this.until(({ view }) => FINAL_PHASES.includes(view.phase), 'the release to end');
  }

  report(): ReleaseReport {
    return {
      version: this.#version,
      commit: this.#commit,
      executionId: this.#executionId ?? '',
      phases: this.#phases,
      outcome: this.#phases.at(-1)?.phase ?? 'idle',
      startedAt: this.#startedAt,
      endedAt: this.#phases.at(-1)?.at ?? this.#startedAt,
      reasons: this.#last?.view.reasons ?? [],
      ...this.#decided(),
    };
  }

  /** Who or what decided about it, and how many units the canary had failed by then. */
  #decided(): Pick<ReleaseReport, 'decidedBy' | 'canaryFailures' | 'canaryUnits' | 'evidence'> {
    const { decision, verdict } = this.#last?.view ?? {};
    const ended = decision?.executionId === this.#executionId ? decision : undefined;
    return {
      decidedBy: ended?.by ?? (this.#hasPassed ? 'judge' : 'person'),
      ...(verdict && {
        canaryFailures: verdict.canaryFailed,
        canaryUnits: verdict.canaryUnits,
        evidence: verdict.summary,
      }),
    };
  }
}
