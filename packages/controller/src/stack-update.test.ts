import {
  defaultReleasePolicy,
  type ReleasePolicy,
  type StackUpdate,
  stages,
  type Track,
} from '@queue-canary/core';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Work } from '../../core/test/task-lines.ts';
import { FakeGateways, imageOf } from '../test/fake-gateways.ts';
import { createHandler } from './handler.ts';

const start = Date.UTC(2026, 0, 1);
const bakeMs = 60_000;
const minuteMs = 60_000;
const usual: ReleasePolicy = {
  ...defaultReleasePolicy,
  bakeMs,
  judge: { ...defaultReleasePolicy.judge, warmUpMs: bakeMs },
};

let fake: FakeGateways;
let now: number;
let policy: ReleasePolicy;

const look = () =>
  createHandler({
    gateways: fake,
    policy,
    nowMs: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    log: () => {},
  })({});

/** Both services run image a, and the record says so. */
beforeEach(async () => {
  fake = new FakeGateways();
  policy = usual;
  now = start;
  await look();
  fake.changes.length = 0;
});

function ask(step: StackUpdate['step'], taskDefinitionArn = 'canary:2'): void {
  fake.update = {
    step,
    requestId: `request ${now}`,
    stackId: 'stack',
    logicalResourceId: 'resource',
    physicalResourceId: 'resource',
    responseUrl: 'https://answers.example/secret',
    taskDefinitionArn,
    askedAt: new Date(now).toISOString(),
  };
}

/** The canary runs the update's task definition, and CloudFormation asks for the verdict while both tracks work. */
async function judging(work: Readonly<Record<Track, Work>>): Promise<void> {
  ask('hold');
  await look();
  await look();
  fake.taskDefinitions.canary = 'canary:2';
  fake.images['canary:2'] = imageOf('a');
  now += minuteMs;
  fake.work(work, () => now);
  ask('verdict');
  fake.answer = undefined;
  fake.changes.length = 0;
}

/** Looks each ten seconds, as a schedule and ECS's events have it, until CloudFormation is answered. */
async function untilAnswered(): Promise<number> {
  const began = now;
  while (fake.answer === undefined && now - began < 2 * 60 * minuteMs) {
    await look();
    now += 10_000;
  }
  return now - began;
}

describe('a stack update', () => {
  test('that changes no more than the image is let through at once', async () => {
    ask('hold', 'canary:1');
    expect((await look()).phase).toBe('updating');
    expect(fake.answer?.success).toBe(true);
    expect(fake.update).toBeUndefined();
    ask('verdict', 'canary:1');
    await look();
    expect(fake.answer?.success).toBe(true);
  });

  test('that changes the configuration gets the canary once no release can come', async () => {
    ask('hold');
    await look();
    expect(fake.changes).toEqual(['close']);
    await look();
    expect(fake.changes).toEqual(['close', 'answer hold']);
    expect(fake.answer?.success).toBe(true);
    await look();
    expect(fake.transition.enabled).toBe(false);
  });

  test('waits for the release that has the canary, and fails before CloudFormation gives up', async () => {
    fake.executions = [{ id: 'e1', status: 'InProgress', startedAt: now, updatedAt: now }];
    const variables = { IMAGE_DIGEST: `sha256:${'a'.repeat(64)}` };
    const run = { executionId: 'e1', startedAt: now, updatedAt: now } as const;
    fake.actions = [
      { ...run, ...stages.build, status: 'Succeeded', variables },
      { ...run, ...stages.canary, status: 'InProgress' },
    ];
    ask('hold');
    const answer = await look();
    expect(answer).toMatchObject({ phase: 'deploying' });
    expect(answer.reasons).toContain('a stack update waits until the canary is free');
    expect(fake.answer).toBeUndefined();
    now += 56 * minuteMs;
    await look();
    expect(fake.answer).toMatchObject({
      success: false,
      reason: expect.stringContaining('a release is under way'),
    });
    expect(fake.update).toBeUndefined();
  });

  test('is refused with what the judge says when its configuration fails messages, and the canary is kept until it is put back', async () => {
    await judging({ canary: { perSecond: 1, failing: 0.5 }, stable: { perSecond: 3 } });
    expect(await untilAnswered()).toBeLessThan(5 * minuteMs);
    expect(fake.answer).toEqual({ success: false, reason: expect.stringMatching(/^Fail, on /) });
    expect(fake.changes).toContain('notify');
    await look();
    expect(fake.transition.enabled).toBe(false);
    fake.taskDefinitions.canary = 'canary:1';
    await look();
    expect(fake.update).toBeUndefined();
    expect((await look()).phase).toBe('idle');
    expect(fake.transition.enabled).toBe(true);
    expect(fake.written().lastGood?.canaryTaskDefinitionArn).toBe('canary:1');
  });

  test('goes on to stable when the judge has passed its configuration', async () => {
    await judging({ canary: { perSecond: 2 }, stable: { perSecond: 6 } });
    expect(await untilAnswered()).toBeGreaterThanOrEqual(bakeMs);
    expect(fake.answer).toEqual({ success: true, reason: expect.stringMatching(/^Pass: /) });
    await look();
    expect(fake.written().lastGood?.canaryTaskDefinitionArn).toBe('canary:2');
    expect(fake.transition.enabled).toBe(true);
  });

  test('is refused when nothing can be judged in the time that CloudFormation waits', async () => {
    await judging({ canary: {}, stable: {} });
    const tookMs = await untilAnswered();
    expect(tookMs).toBeGreaterThan(50 * minuteMs);
    expect(tookMs).toBeLessThan(60 * minuteMs);
    expect(fake.answer).toEqual({
      success: false,
      reason: expect.stringMatching(/^the configuration could not be judged within 55 min: /),
    });
  });

  test.each([
    ['would have passed', { canary: { perSecond: 2 }, stable: { perSecond: 6 } }],
    ['would have failed', { canary: { perSecond: 1, failing: 0.5 }, stable: { perSecond: 3 } }],
  ])('goes on in a dry run, and says what the judge %s', async (says, work) => {
    policy = { ...policy, judge: { ...policy.judge, dryRun: true } };
    await judging(work);
    expect(await untilAnswered()).toBeGreaterThanOrEqual(bakeMs);
    expect(fake.answer).toEqual({
      success: true,
      reason: expect.stringMatching(new RegExp(`^Dry run: the judge ${says}`)),
    });
  });

  test('is refused when somebody else has changed the canary meanwhile', async () => {
    await judging({ canary: { perSecond: 2 }, stable: { perSecond: 6 } });
    fake.taskDefinitions.canary = 'canary:3';
    fake.images['canary:3'] = imageOf('a');
    expect(await untilAnswered()).toBeLessThan(minuteMs);
    expect(fake.answer).toMatchObject({ success: false, reason: expect.stringContaining('canary:3') });
  });

  test('that never comes to the canary after it was let to frees it again', async () => {
    ask('hold');
    await look();
    await look();
    now += 4 * minuteMs;
    await look();
    expect(fake.update).toBeDefined();
    now += 2 * minuteMs;
    await look();
    expect(fake.update).toBeUndefined();
    await look();
    expect(fake.transition.enabled).toBe(true);
  });

  test('that nobody could answer is forgotten, and releases go on', async () => {
    ask('hold');
    now += 4 * 60 * minuteMs;
    const { phase, reasons } = await look();
    expect(phase).toBe('idle');
    expect(reasons).not.toContain('a stack update waits until the canary is free');
    expect(fake.answer).toBeUndefined();
  });

  test('whose parameter cannot be read halts the controller, which says what to do', async () => {
    fake.stackUpdates.read = () => Promise.reject(new Error('write {} to it'));
    const { phase, reasons } = await look();
    expect(phase).toBe('halted');
    expect(reasons).toEqual(['the stack update cannot be read: write {} to it']);
  });

  test('is not answered twice when CloudFormation did not take the answer', async () => {
    ask('hold', 'canary:1');
    fake.broken.add('answer hold');
    await expect(look()).rejects.toThrow('answer hold is refused');
    expect(fake.update).toBeDefined();
    fake.broken.clear();
    await look();
    expect(fake.answer?.success).toBe(true);
  });
});
