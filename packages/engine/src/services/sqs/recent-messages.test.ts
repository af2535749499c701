import { expect, test } from 'vitest';
import type { MessageRow } from './message-row.ts';
import { RecentMessages } from './recent-messages.ts';

function message(seq: number, body = 'x'): MessageRow {
  return {
    seq,
    id: `00000000-0000-4000-a000-${String(seq).padStart(12, '0')}`,
    body,
    attributes: null,
    sender: '000000000000',
    sentAtMs: 0,
    visibleFromMs: 0,
    groupId: null,
    deduplicationId: null,
    traceHeader: null,
    sourceArn: null,
    receives: 0,
    receivesHere: 0,
    firstReceivedAtMs: 0,
  };
}

test('a message is given once', () => {
  const recent = new RecentMessages();
  recent.add(message(1));
  expect(recent.take(1)?.seq).toBe(1);
  expect(recent.take(1)).toBeUndefined();
});

test('the oldest make room for the newest, by number and by size', () => {
  const recent = new RecentMessages();
  for (let seq = 1; seq <= 1_001; seq++) recent.add(message(seq));
  expect(recent.take(1)).toBeUndefined();
  expect(recent.take(2)?.seq).toBe(2);
  recent.add(message(2_000, 'y'.repeat(499_999)));
  expect(recent.take(1_000)).toBeUndefined();
  expect(recent.take(1_001)?.seq).toBe(1_001);
  expect(recent.take(2_000)?.seq).toBe(2_000);
});

test('a message larger than all the room is not kept, and room taken is given back', () => {
  const recent = new RecentMessages();
  recent.add(message(1, 'y'.repeat(500_001)));
  expect(recent.take(1)).toBeUndefined();
  recent.add(message(2, 'y'.repeat(500_000)));
  expect(recent.take(2)?.seq).toBe(2);
});
