import { defaultReleasePolicy, type Track, tracks } from '../src/index.ts';
import { bakeMs, good } from './judged-world.ts';
import { sequence } from './random-lines.ts';
import type { TracksWork } from './simulated-tasks.ts';
import { type Ages, type Answer, SimulatedWorld } from './simulated-world.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const stepMs = 15_000;

/** While a burst of poison lasts, one first delivery in 25 fails, on whatever track it is, and its message is never done. */
const poison = { perSecond: 2.5, failing: 0.04, recovering: false };
const poisoned = { canary: poison, stable: poison } satisfies TracksWork;

/** How likely each of these begins in a step of fifteen seconds. */
const CHANCES = { burst: 1 / 80, look: 1 / 20, stackUpdate: 1 / 80, old: 1 / 2 };

/**
 * An application as people use it: poison comes in bursts, and goes to the dead-letter queue a minute later; somebody looks into that queue; stable is scaled by a stack update between releases; AWS's answers are up to 15 s old.
 */
export class DisturbedApplication {
  readonly world = new SimulatedWorld({
    ...defaultReleasePolicy,
    approval: 'automatic',
    bakeMs,
    watchMs: 5 * minute,
    judge: { ...defaultReleasePolicy.judge, bakeMsMin: bakeMs },
  });
  readonly #random: () => number;
  #burstSteps = 0;
  /** Dead letters that are to come, by the step. */
  readonly #dying: number[] = [];
  #step = 0;

  constructor(seed: number) {
    this.#random = sequence(seed);
    this.world.wake();
  }

  /** A day without a release passes, of which poison can be told from a bad version later. */
  passDay(): void {
    for (const untilMs = this.world.now + day; this.world.now < untilMs; ) this.pass();
  }

  /** A quarter of a minute passes. */
  pass(): void {
    const { world } = this;
    this.#step += 1;
    if (this.#comes('burst')) this.#burstSteps = 1 + Math.floor(this.#random() * 2);
    world.pass(stepMs);
    if (this.#burstSteps > 0) this.#fail();
    else world.report(good);
    this.#burstSteps -= 1;
    for (let dying = this.#dying[this.#step] ?? 0; dying > 0; dying -= 1) {
      // The last delivery is to a task of stable in three of four cases, as it has three of four tasks.
      world.deadLetterOn(this.#random() < 0.75 ? 'stable' : 'canary', 1);
    }
    const hidden = this.#comes('look') ? Math.floor(this.#random() * 11) : 0;
    world.depth = { visible: Math.max(0, world.deadLetters - hidden), hidden };
    for (const track of tracks) this.#finishRollout(track);
  }

  /** Releases a good version; how it ended. */
  release(version: string): string {
    const { world } = this;
    if (this.#comes('stackUpdate')) world.changeConfiguration(['stable']);
    const id = world.push(version);
    for (let step = 0; step < 480; step += 1) {
      this.pass();
      world.advance();
      world.callJobs(this.#ages());
      const { phase, release } = world.wake(undefined, this.#ages());
      if (release?.executionId !== id) continue;
      // Where the judge cannot tell, a person is asked, and has nothing against a good release.
      if (phase === 'awaitingApproval') world.approve();
      if (phase === 'rolledBack' || phase === 'aborted') return world.record().decision?.by ?? phase;
      if (phase === 'succeeded') return phase;
    }
    return world.plan().phase;
  }

  /** What fails in this step has failed for the last time in a minute or so. */
  #fail(): void {
    const before = this.#failed();
    this.world.report(poisoned);
    for (let failed = this.#failed() - before; failed > 0; failed -= 1) {
      const step = this.#step + 4 + Math.floor(this.#random() * 3);
      this.#dying[step] = (this.#dying[step] ?? 0) + 1;
    }
  }

  #failed(): number {
    return tracks.reduce((sum, track) => sum + this.world.tasks.failed(track), 0);
  }

  #comes(what: keyof typeof CHANCES): boolean {
    return this.#random() < CHANCES[what];
  }

  #ages(): Ages {
    const answers: Answer[] = ['stages', 'executions', 'actions', 'canary', 'stable', 'record'];
    return Object.fromEntries(
      answers.filter(() => this.#comes('old')).map((answer) => [answer, Math.floor(this.#random() * 14_999)]),
    );
  }

  #finishRollout(track: Track): void {
    const { primary } = this.world.services[track];
    if (this.world.now - primary.createdAt >= 30_000) this.world.finishRollout(track);
  }
}
