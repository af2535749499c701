import { type ReleaseOutcome, type ReleaseView, renderOutcome } from '@queue-canary/core';
import { sleep } from '@queue-canary/engine';
import type { Context, ReleaseContext } from '../context.ts';
import { CliError } from '../user-error.ts';
import { type ReleaseStatus, releaseReader, statusPrinter, watchPauseMs } from './release.ts';

/** Exit statuses by what became of a release. 1 is that it could not be found out, as with every command. */
export const EXIT_STATUS: Readonly<Record<ReleaseOutcome['outcome'], number>> = {
  promoted: 0,
  rolledBack: 2,
  notReleased: 2,
  waiting: 3,
  superseded: 4,
};

/** As a shell has it for a program that Ctrl-C ended. */
export const INTERRUPTED_STATUS = 130;

/** For how long a release is followed without an answer that says anything of it. */
const UNKNOWN_MS_MAX = 5 * 60_000;

/** A release that is followed. */
export interface FollowedRelease {
  /** Without it, the newest execution of the pipeline. */
  readonly executionId?: string;
  /** The image that was asked for: the execution of another one is somebody else's release. */
  readonly image?: string;
}

/**
 * Shows a release until it is decided or a person is asked. The last line says what became of it, or all that is printed
 * is the outcome as JSON. Resolves with the exit status.
 */
export async function reportOutcome(
  context: Context,
  release: FollowedRelease,
  json: boolean,
): Promise<number> {
  const ended = await followRelease(context, release, json ? () => {} : statusPrinter(context));
  if (ended === undefined) {
    context.terminal.line('interrupted: the release goes on; queue-canary release watch shows it');
    return INTERRUPTED_STATUS;
  }
  context.print(json ? JSON.stringify(ended.outcome, null, 2) : renderOutcome(ended.outcome));
  return EXIT_STATUS[ended.outcome.outcome];
}

/** What became of a release, and what was seen of it then. */
export interface EndedRelease {
  readonly outcome: ReleaseOutcome;
  readonly view: ReleaseView;
}

/**
 * Looks at a release until it is decided or a person is asked, and gives `show` what is seen. Resolves with undefined
 * when it is interrupted.
 */
export async function followRelease(
  context: ReleaseContext,
  release: FollowedRelease,
  show: (status: ReleaseStatus) => void,
): Promise<EndedRelease | undefined> {
  const { clock, signal } = context;
  const read = await releaseReader(context);
  let { executionId } = release;
  let knownAtMs = clock.nowMs();
  while (!signal.aborted) {
    const status = await read();
    executionId ??= newestOf(status);
    show(status);
    const outcome = status.outcomeOf(executionId);
    if (outcome.known) knownAtMs = clock.nowMs();
    else if (clock.nowMs() - knownAtMs >= UNKNOWN_MS_MAX) {
      throw new CliError(`what became of the release cannot be found out: ${outcome.problem}`);
    }
    const ended = outcome.known ? (replaced(status, executionId, release.image) ?? outcome.value) : undefined;
    if (ended !== undefined) return { outcome: ended, view: status.view };
    await sleep(clock, watchPauseMs(context.target.kind, status.plan), signal);
  }
  return undefined;
}

function newestOf({ observed: { pipeline } }: ReleaseStatus): string {
  if (!pipeline.known) throw new CliError(pipeline.problem);
  const [newest] = pipeline.value.executions;
  if (newest === undefined)
    throw new CliError('the pipeline has not run yet, so there is no release to follow');
  return newest.id;
}

/** That another request was written between this one and the start of its execution, which takes the newest. */
function replaced(
  { observed: { pipeline } }: ReleaseStatus,
  executionId: string,
  asked: string | undefined,
): ReleaseOutcome | undefined {
  const execution = pipeline.known
    ? pipeline.value.executions.find(({ id }) => id === executionId)
    : undefined;
  if (asked === undefined || execution?.image === undefined || execution.image === asked) return undefined;
  return {
    executionId,
    image: asked,
    outcome: 'superseded',
    reason: `another request was written meanwhile, so the execution releases ${execution.image}`,
  };
}
