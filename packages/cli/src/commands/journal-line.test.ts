import { expect, test } from 'vitest';
import { journalLine } from './journal-line.ts';

const entry = (source: string, type: string, detail: Record<string, unknown>) =>
  journalLine({ seq: 1, atMs: 0, source, type, detail });

test('identities are shortened, and what went wrong is told to its end', () => {
  const reason = 'because '.repeat(60).trim();
  expect(entry('codebuild', 'build.failed', { reason: 'if true; then\n  false\nfi\n' })).toBe(
    'codebuild build.failed reason=if true; then false fi',
  );
  expect(
    entry('codepipeline', 'action.failed', {
      executionId: '1c10939f-adc8-4b8f-903b-bc407e731bb0',
      commit: 'f8a3fad45c0b7ffbe76c923d55b61cea0a310bb5',
      role: 'arn:aws:iam::000000000000:role/worker',
      image: 'r@sha256:ed72ca214fdecf3df62e4ca16bde0d8b3cda159dc3c8f687610c424ae8e8778f',
      reason,
    }),
  ).toBe(
    `codepipeline action.failed executionId=1c10939f commit=f8a3fad4 role=worker image=r@sha256:ed72ca21 reason=${reason}`,
  );
});

test('of the resources of a stack only those that failed are told', () => {
  const change = { stack: 'S', logicalId: 'Q', type: 'AWS::SQS::Queue' };
  expect(entry('cloudformation', 'resource.changed', { ...change, status: 'CREATE_COMPLETE' })).toBe(
    undefined,
  );
  expect(
    entry('cloudformation', 'resource.changed', { ...change, status: 'CREATE_FAILED', reason: 'no' }),
  ).toBe(
    'cloudformation resource.changed stack=S logicalId=Q type=AWS::SQS::Queue status=CREATE_FAILED reason=no',
  );
  expect(entry('cloudformation', 'stack.changed', { stack: 'S', status: 'CREATE_COMPLETE' })).toBe(
    'cloudformation stack.changed stack=S status=CREATE_COMPLETE',
  );
});
