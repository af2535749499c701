import { expect, test } from 'vitest';
import { State } from '../state/state.ts';
import { type StackRecord, StackStore } from './stack-store.ts';

const stack = (name: string, change: Partial<StackRecord> = {}): StackRecord => ({
  id: `arn:${name}`,
  name,
  status: 'CREATE_COMPLETE',
  statusReason: undefined,
  description: undefined,
  template: '{}',
  parameters: [],
  tags: {},
  capabilities: [],
  roleArn: undefined,
  createdAtMs: 0,
  updatedAtMs: undefined,
  deletedAtMs: undefined,
  outputs: [],
  imports: [],
  terminationProtection: false,
  disableRollback: false,
  notificationArns: [],
  operation: undefined,
  stuck: undefined,
  ...change,
});

const event = (atMs: number, logicalId: string) => ({
  id: `${logicalId}-${atMs}`,
  stackId: 'arn:app',
  stackName: 'app',
  logicalId,
  physicalId: undefined,
  type: 'AWS::SQS::Queue',
  atMs,
  status: 'CREATE_COMPLETE',
  reason: undefined,
  properties: undefined,
  clientRequestToken: undefined,
});

test('events of one millisecond keep their order in time, newest first, page by page', () => {
  const store = new StackStore(new State(':memory:'));
  for (const logicalId of ['A', 'B', 'C']) store.addEvent(event(1000, logicalId));
  store.addEvent(event(5000, 'D'));
  const all = store.events('arn:app');
  expect(all.map(({ event: { logicalId, atMs } }) => [logicalId, atMs])).toEqual([
    ['D', 5000],
    ['C', 1002],
    ['B', 1001],
    ['A', 1000],
  ]);
  const second = store.events('arn:app', all[1]!.seq, 1);
  expect(second.map((row) => row.event.logicalId)).toEqual(['B']);
});

test('a deleted stack is found by its id only, and forgotten after its time', () => {
  const store = new StackStore(new State(':memory:'));
  store.stacks.put('arn:old', stack('old', { status: 'DELETE_COMPLETE', deletedAtMs: 100 }));
  store.stacks.put('arn:app', stack('app', { status: 'DELETE_COMPLETE', deletedAtMs: 200 }));
  store.stacks.put('arn:live', stack('live'));
  store.addEvent(event(1, 'A'));
  expect(store.find('app')).toBeUndefined();
  expect(store.find('arn:app')!.name).toBe('app');
  store.forgetDeleted(200);
  expect([...store.stacks.keys()]).toEqual(['arn:app', 'arn:live']);
  expect(store.events('arn:app')).toHaveLength(1);
  store.forgetDeleted(201);
  expect([...store.stacks.keys()]).toEqual(['arn:live']);
  expect(store.events('arn:app')).toEqual([]);
});
