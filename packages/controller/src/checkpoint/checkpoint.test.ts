import { parseStackUpdates } from '@queue-canary/core';
import { expect, test } from 'vitest';
import { createCheckpoint } from './checkpoint.ts';

const question = {
  RequestId: 'request',
  ResponseURL: 'https://answers.example/secret',
  StackId: 'stack',
  LogicalResourceId: 'Hold',
  PhysicalResourceId: 'hold-1',
  ResourceProperties: { Step: 'hold', TaskDefinition: 'canary:2' },
};

function world(status: string) {
  const kept: string[] = [];
  const answers: unknown[] = [];
  const checkpoint = createCheckpoint({
    statusOf: async () => status,
    recall: async () => kept.at(-1) ?? '{}',
    remember: async (text) => void kept.push(text),
    put: async (_url, body) => {
      answers.push(JSON.parse(new TextDecoder().decode(body)));
      return new Response();
    },
    nowMs: () => 0,
  });
  return { checkpoint, kept, answers };
}

test('an update waits for the controller, who finds all that an answer needs', async () => {
  const { checkpoint, kept, answers } = world('UPDATE_IN_PROGRESS');
  await checkpoint({ ...question, RequestType: 'Update' });
  expect(answers).toEqual([]);
  expect(kept.map(parseStackUpdates)).toEqual([
    {
      ok: true,
      update: {
        step: 'hold',
        requestId: 'request',
        stackId: 'stack',
        logicalResourceId: 'Hold',
        physicalResourceId: 'hold-1',
        responseUrl: 'https://answers.example/secret',
        taskDefinitionArn: 'canary:2',
        askedAt: '1970-01-01T00:00:00.000Z',
      },
      earlier: [],
    },
  ]);
});

test('a question that Lambda hands over again takes no place of a newer one, nor its own again', async () => {
  const { checkpoint, kept } = world('UPDATE_IN_PROGRESS');
  const verdict = {
    ...question,
    RequestId: 'later',
    ResourceProperties: { Step: 'verdict', TaskDefinition: 'canary:2' },
  };
  for (const asked of [question, question, verdict, question, verdict]) {
    await checkpoint({ ...asked, RequestType: 'Update' });
  }
  expect(kept.map((text) => parseStackUpdates(text))).toMatchObject([
    { update: { requestId: 'request' }, earlier: [] },
    { update: { requestId: 'later' }, earlier: ['request'] },
  ]);
});

test.each([
  ['Create', 'CREATE_IN_PROGRESS'],
  ['Delete', 'DELETE_IN_PROGRESS'],
  ['Update', 'UPDATE_ROLLBACK_IN_PROGRESS'],
  ['Delete', 'ROLLBACK_IN_PROGRESS'],
])('%s while the stack is %s waits for nobody', async (RequestType, status) => {
  const { checkpoint, kept, answers } = world(status);
  await checkpoint({ ...question, RequestType });
  expect(kept).toEqual([]);
  expect(answers).toEqual([
    {
      Status: 'SUCCESS',
      Reason: 'nothing waits',
      PhysicalResourceId: 'hold-1',
      StackId: 'stack',
      RequestId: 'request',
      LogicalResourceId: 'Hold',
    },
  ]);
});

test('an answer that CloudFormation does not take fails the function, which Lambda calls again', async () => {
  const { checkpoint } = world('CREATE_IN_PROGRESS');
  const refusing = createCheckpoint({
    statusOf: async () => 'CREATE_IN_PROGRESS',
    recall: async () => '{}',
    remember: async () => {},
    put: async () => new Response('', { status: 403 }),
    nowMs: () => 0,
  });
  await expect(checkpoint({ ...question, RequestType: 'Create' })).resolves.toBeUndefined();
  await expect(refusing({ ...question, RequestType: 'Create' })).rejects.toThrow(
    /did not take the answer about Hold/,
  );
});

test.each([
  ['nothing', {}],
  ['another step', { Step: 'wait', TaskDefinition: 'canary:2' }],
])('a question with %s is refused', async (_name, ResourceProperties) => {
  const { checkpoint } = world('UPDATE_IN_PROGRESS');
  await expect(checkpoint({ ...question, RequestType: 'Update', ResourceProperties })).rejects.toThrow(
    'only the stack itself asks here',
  );
});

test.each(['', '[]x', '"text"', '{"step":"hold"}', '{"step":1}'])('%j is no stack update', (text) => {
  expect(parseStackUpdates(text).ok).toBe(false);
});
