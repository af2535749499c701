import type { ReleaseOutcome, ReleaseView } from '@queue-canary/core';
import { describe, expect, test } from 'vitest';
import { endingOf, unfollowed } from './ending.ts';
import { summaryOf } from './summary.ts';

const id = '6f9619ff-8b86-d011-b42d-00cf4fc964ff';

/** What is seen while an execution is released. */
const viewOf = (executionId: string): ReleaseView => ({
  phase: 'succeeded',
  release: { executionId, startedAt: 0 },
  stages: [],
  tracks: [],
  alarms: [],
  approvalPending: false,
  waiting: [],
  building: [],
  reasons: ['because | of\n<b>this</b>'],
  problems: [],
});

const ended = (outcome: ReleaseOutcome['outcome'], executionId = id) =>
  endingOf({ outcome: { executionId, outcome, reason: 'so it is' }, view: viewOf(id) }, 'Orders');

const summary = (ending: Parameters<typeof summaryOf>[0]) =>
  summaryOf(ending, { executionId: id, app: 'Orders', region: 'eu-west-1', pipeline: 'a b' }, 0);

describe('the ending of a release', () => {
  test.each([
    ['promoted', 'promoted', 0, 'notice', 'success'],
    ['rolledBack', 'rolled-back', 2, 'error', 'failure'],
    ['notReleased', 'not-released', 2, 'error', 'failure'],
    ['waiting', 'waiting', 3, 'warning', 'pending'],
    ['superseded', 'superseded', 4, 'warning', 'inactive'],
  ] as const)(
    'that is %s has the exit status of the command, and a state on GitHub',
    (given, outcome, status, level, state) => {
      expect(ended(given)).toMatchObject({ outcome, status, level, state });
    },
  );

  test('that nobody knows fails the step, and says how to look', () => {
    const ending = unfollowed({ problem: new Error('no permission') }, { executionId: id }, 'Orders');
    expect(ending).toMatchObject({ outcome: '', status: 1, level: 'error', state: 'error' });
    expect(ending.line).toBe(`unknown: execution ${id}: no permission`);
    expect(ending.todo).toContain('`npx queue-canary release watch --aws --app-name Orders` shows it');
  });
});

describe('the summary', () => {
  test('shows the evidence as plain text in a table, and links the pipeline', () => {
    const text = summary(ended('promoted'));
    expect(text).toContain('| Because | because \\| of \\<b\\>this\\</b\\> |');
    expect(text).toContain(
      '[a b](https://eu-west-1.console.aws.amazon.com/codesuite/codepipeline/pipelines/a%20b/view?region=eu-west-1)',
    );
  });

  test('shows no evidence of another release', () => {
    expect(summary(ended('superseded', 'another'))).not.toContain('Because');
  });
});
