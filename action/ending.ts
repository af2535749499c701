import { outcomeTitle, type ReleaseOutcome, type ReleaseView, renderOutcome } from '@queue-canary/core';
import {
  type EndedRelease,
  EXIT_STATUS,
  INTERRUPTED_STATUS,
} from '../packages/cli/src/commands/release-follow.ts';
import type { StartedRelease } from '../packages/cli/src/commands/release-start.ts';
import { explain } from '../packages/cli/src/user-error.ts';
import type { DeploymentState } from './deployment.ts';
import type { Level } from './workflow-text.ts';

/** How the action ends, and what it says of it everywhere. */
export interface Ending {
  /** The output `outcome`; empty where the release was not followed to one. */
  readonly outcome: string;
  readonly status: number;
  readonly level: Level;
  /** Of the deployment on GitHub. */
  readonly state: DeploymentState;
  readonly title: string;
  /** One line that says it all. */
  readonly line: string;
  readonly reason: string;
  /** What a person has to do, in Markdown. */
  readonly todo: string;
  /** The image that was released, where it is known. */
  readonly image?: string;
  /** What was seen of the release at its end; absent where it is another release that is seen. */
  readonly view?: ReleaseView;
}

type Kind = Pick<Ending, 'level' | 'state' | 'todo'>;

/** The ending of a release that was followed until it was decided or a person was asked. */
export function endingOf({ outcome: ended, view }: EndedRelease, app: string): Ending {
  const kinds: Readonly<Record<ReleaseOutcome['outcome'], Kind>> = {
    promoted: { level: 'notice', state: 'success', todo: 'Nothing is left to do.' },
    rolledBack: {
      level: 'error',
      state: 'failure',
      todo: 'Both services run the last good release. Mend the version, and release the new image.',
    },
    notReleased: {
      level: 'error',
      state: 'failure',
      todo: 'Nothing was changed. Remove the cause, and run the workflow again.',
    },
    superseded: { level: 'warning', state: 'inactive', todo: 'Nothing: the newer release goes on.' },
    waiting: {
      level: 'warning',
      state: 'pending',
      todo: `${command('approve', app)} promotes it and ${command('reject', app)} ends it; so does the page of the pipeline. With \`execution-id: ${ended.executionId}\` instead of an image, this action follows it further.`,
    },
  };
  return {
    ...kinds[ended.outcome],
    outcome: ended.outcome.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    status: EXIT_STATUS[ended.outcome],
    title: outcomeTitle(ended),
    line: renderOutcome(ended),
    reason: ended.reason,
    ...(ended.image !== undefined && { image: ended.image }),
    ...(view.release?.executionId === ended.executionId && { view }),
  };
}

/** The ending of a release that is not followed, or not to its end. */
export function unfollowed(
  why: 'started' | 'cancelled' | { readonly problem: unknown },
  { executionId, image }: StartedRelease,
  app: string,
): Ending {
  const goesOn = `${command('release watch', app)} shows it, and ${command('rollback', app)} ends it.`;
  const kind = (title: string, reason: string, rest: Pick<Ending, 'status' | 'level' | 'state'>): Ending => ({
    ...rest,
    outcome: '',
    title,
    line: `${title}: ${image ?? `execution ${executionId}`}: ${reason}`,
    reason,
    todo: goesOn,
    ...(image !== undefined && { image }),
  });
  if (why === 'started') {
    const reason = 'it is not waited for';
    return kind('started', reason, { status: 0, level: 'notice', state: 'in_progress' });
  }
  if (why === 'cancelled') {
    const reason = `the workflow was cancelled and the release goes on; to end it: queue-canary rollback --aws --app-name ${app}`;
    return kind('not followed any more', reason, {
      status: INTERRUPTED_STATUS,
      level: 'warning',
      state: 'in_progress',
    });
  }
  return kind('unknown', explain(why.problem), { status: 1, level: 'error', state: 'error' });
}

function command(words: string, app: string): string {
  return `\`npx queue-canary ${words} --aws --app-name ${app}\``;
}
