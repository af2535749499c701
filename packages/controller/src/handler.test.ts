import { defaultReleasePolicy, type ReleasePolicy, stages, type Track } from '@queue-canary/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { TaskLines, type Work } from '../../core/test/task-lines.ts';
import { FakeGateways, imageOf } from '../test/fake-gateways.ts';
import { createHandler, type LogLine } from './handler.ts';

const start = Date.UTC(2026, 0, 1);
const policy = { ...defaultReleasePolicy, bakeMs: 60_000, watchMs: 60_000 };
const alarmEvent = { source: 'aws.cloudwatch', 'detail-type': 'CloudWatch Alarm State Change', detail: {} };

/** After so long what AWS answers about a change can be told from old answers. */
const settledMs = 15_000;

let fake: FakeGateways;
let now: number;
let lines: LogLine[];
let handle: ReturnType<typeof createHandler>;

beforeEach(() => {
  fake = new FakeGateways();
  now = start;
  lines = [];
  handle = handlerWith(policy);
});

function handlerWith(rules: ReleasePolicy): ReturnType<typeof createHandler> {
  return createHandler({
    gateways: fake,
    policy: rules,
    nowMs: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    log: (line) => lines.push(line),
  });
}

function run(
  step: { readonly stage: string; readonly action: string },
  status: 'InProgress' | 'Succeeded',
): void {
  fake.actions = [
    ...fake.actions.filter((r) => r.action !== step.action),
    {
      executionId: 'e1',
      ...step,
      status,
      startedAt: now,
      updatedAt: now,
      ...(step === stages.build && { variables: { IMAGE_DIGEST: `sha256:${'b'.repeat(64)}` } }),
    },
  ];
}

/** Release e1 of image b, waiting for approval, over the recorded image a. */
async function awaitApproval(): Promise<void> {
  await handle({});
  fake.executions = [{ id: 'e1', status: 'InProgress', startedAt: now, updatedAt: now, commit: 'c2' }];
  fake.images['canary:2'] = imageOf('b');
  fake.taskDefinitions.canary = 'canary:2';
  run(stages.build, 'Succeeded');
  run(stages.canary, 'Succeeded');
  run(stages.judge, 'Succeeded');
  run(stages.approval, 'InProgress');
  fake.approval = { executionId: 'e1', ...stages.approval, token: 'secret-token' };
  await handle({});
  now += 60_000;
  fake.changes.length = 0;
  lines.length = 0;
}

/** The same release on both services, in the Record stage. */
async function promoted(): Promise<void> {
  await awaitApproval();
  run(stages.approval, 'Succeeded');
  fake.approval = undefined;
  fake.images['stable:2'] = imageOf('b');
  fake.taskDefinitions.stable = 'stable:2';
  run(stages.stable, 'Succeeded');
  run(stages.record, 'InProgress');
  fake.openJobs.add('j1');
}

/** A task of the canary has reported that it failed the last delivery of a message. */
function deadLettered(): void {
  const { written } = new TaskLines({ task: 'c', track: 'canary', startedAt: start }).failLast(
    start + 30_000,
    1,
  );
  fake.reported = { canary: written, stable: [], starts: [] };
}

const job = (userParameters?: string) => ({
  'CodePipeline.job': {
    id: 'j1',
    accountId: '123456789012',
    data: {
      actionConfiguration: {
        configuration: {
          FunctionName: 'controller',
          ...(userParameters !== undefined && { UserParameters: userParameters }),
        },
      },
      inputArtifacts: [],
      outputArtifacts: [],
      continuationToken: 'watching',
    },
  },
});

describe('a wake', () => {
  test('makes a rollback durable before it touches anything', async () => {
    await awaitApproval();
    deadLettered();
    const answer = await handle(alarmEvent);
    expect(answer).toMatchObject({ phase: 'rollingBack', executionId: 'e1' });
    expect(fake.changes).toEqual(['record', 'notify', 'stop', 'restore canary']);
    expect(fake.taskDefinitions).toEqual({ canary: 'canary:1', stable: 'stable:1' });
  });

  test('changes nothing when it comes twice', async () => {
    await awaitApproval();
    deadLettered();
    await handle(alarmEvent);
    await handle(alarmEvent);
    fake.changes.length = 0;
    expect(await handle(alarmEvent)).toMatchObject({ phase: 'rolledBack', effects: [] });
    expect(fake.changes).toEqual([]);
  });

  test('looks again when somebody else was faster, and does what is left to do', async () => {
    await awaitApproval();
    deadLettered();
    let raced = false;
    fake.before = (change) => {
      if (change !== 'record' || raced) return;
      raced = true;
      fake.recordVersion += 1;
    };
    expect(await handle(alarmEvent)).toMatchObject({ phase: 'rollingBack' });
    expect(fake.changes).toEqual(['record: conflict', 'record', 'notify', 'stop', 'restore canary']);
  });

  test('restores a service that was changed from outside, and reports it once', async () => {
    await handle({});
    fake.changes.length = 0;
    now += settledMs;
    fake.images['stable:9'] = imageOf('c');
    fake.taskDefinitions.stable = 'stable:9';
    expect(await handle({})).toMatchObject({ phase: 'drifted' });
    expect(fake.changes).toEqual(['record', 'notify', 'restore stable', 'close']);
    expect(fake.taskDefinitions.stable).toBe('stable:1');
    expect(await handle({})).toMatchObject({ phase: 'idle' });
    expect(await handle({})).toMatchObject({ phase: 'idle', effects: [] });
    expect(fake.changes.slice(4)).toEqual(['record', 'open']);
    expect(lines.map(({ level }) => level)).toEqual(['info', 'warn', 'info', 'info']);
  });

  test('reports once that a service was changed, also when its restoration is refused', async () => {
    await handle({});
    now += settledMs;
    fake.images['stable:9'] = imageOf('c');
    fake.taskDefinitions.stable = 'stable:9';
    fake.broken.add('restore stable');
    await expect(handle({})).rejects.toThrow('restore stable is refused');
    fake.broken.clear();
    await handle({});
    expect(fake.changes.filter((change) => change === 'notify')).toHaveLength(1);
    expect(fake.taskDefinitions.stable).toBe('stable:1');
  });

  test('leaves old answers the time to pass before it gives up', async () => {
    await awaitApproval();
    deadLettered();
    const old = await fake.record.read();
    fake.recordVersion += 1;
    const { read } = fake.record;
    const until = now + 5_000;
    fake.record.read = async () => (now < until ? old : read());
    await handle(alarmEvent);
    expect(fake.taskDefinitions.canary).toBe('canary:1');
  });

  test('gives up loudly when the record never stands still', async () => {
    await awaitApproval();
    deadLettered();
    fake.before = (change) => {
      if (change === 'record') fake.recordVersion += 1;
    };
    await expect(handle(alarmEvent)).rejects.toThrow('3 times in a row');
    expect(fake.taskDefinitions.canary).toBe('canary:2');
  });

  test('restores the services although the pipeline refuses, and fails so that it is retried', async () => {
    await awaitApproval();
    deadLettered();
    fake.broken.add('stop');
    fake.broken.add('notify');
    await expect(handle(alarmEvent)).rejects.toThrow('notify is refused; stop is refused');
    expect(fake.changes).toEqual(['record', 'restore canary']);
    expect(lines.at(-1)).toMatchObject({ level: 'error', phase: 'rollingBack' });
  });

  test('touches nothing when the decision cannot be written', async () => {
    await awaitApproval();
    deadLettered();
    fake.broken.add('record');
    await expect(handle(alarmEvent)).rejects.toThrow('record is refused');
    expect(fake.changes).toEqual([]);
  });

  test('halts without touching anything when the record is unreadable', async () => {
    await awaitApproval();
    fake.recordText = '{"version":1,"lastGood":{}}';
    deadLettered();
    await expect(handle(alarmEvent)).rejects.toThrow('lastGood.executionId is missing');
    expect(lines[0]).toMatchObject({ level: 'warn', phase: 'halted' });
    expect(fake.changes).toEqual([]);
  });

  test('logs phase, reasons and effects, and never the approval token', async () => {
    await awaitApproval();
    deadLettered();
    await handle(alarmEvent);
    expect(lines[0]).toMatchObject({
      level: 'info',
      request: 'aws.cloudwatch: CloudWatch Alarm State Change',
      phase: 'rollingBack',
      executionId: 'e1',
      effects: [
        { kind: 'recordDecision', outcome: 'done', target: 'e1' },
        { kind: 'notify', outcome: 'done' },
        { kind: 'stopExecution', outcome: 'done', target: 'e1' },
        { kind: 'restoreService', outcome: 'done', target: `canary to ${imageOf('a')}` },
      ],
    });
    expect(JSON.stringify(lines)).not.toContain('secret-token');
  });
});

describe('a job of the Judge action', () => {
  const judgeJob = job('{"executionId":"e1","action":"Judge"}');
  const judged: ReleasePolicy = {
    ...policy,
    approval: 'automatic',
    judge: { ...policy.judge, warmUpMs: policy.bakeMs },
  };

  /** Release e1 on the canary, whose judge waits, while one task of each track works. */
  async function judging(work: Readonly<Record<Track, Work>>): Promise<void> {
    await handle({});
    fake.executions = [{ id: 'e1', status: 'InProgress', startedAt: now, updatedAt: now, commit: 'c2' }];
    fake.images['canary:2'] = imageOf('b');
    fake.taskDefinitions.canary = 'canary:2';
    run(stages.build, 'Succeeded');
    run(stages.canary, 'Succeeded');
    run(stages.judge, 'InProgress');
    fake.openJobs.add('j1');
    fake.work(work, () => now);
    handle = handlerWith(judged);
    await handle({});
    fake.changes.length = 0;
  }

  const idle = { canary: {}, stable: { perSecond: 0.2 } };

  test('looks every five seconds until the judge has failed it, and rolls back at once', async () => {
    await judging({ canary: { perSecond: 1, failing: 1 }, stable: { perSecond: 3 } });
    const began = now;
    const answer = await handle(judgeJob);
    expect(answer).toMatchObject({
      phase: 'rollingBack',
      verdict: expect.stringMatching(/^Fail, on failing nearly everything/),
    });
    expect(fake.changes).toEqual(['record', 'notify', 'fail', 'restore canary']);
    expect(now - began).toBeLessThanOrEqual(12_000);
  });

  test('is completed with the verdict and the evidence, and the approval answered, when it passes', async () => {
    await judging({ canary: { perSecond: 2 }, stable: { perSecond: 6 } });
    await handle(judgeJob);
    expect(fake.changes.slice(-2)).toEqual(['record', 'complete']);
    expect(fake.outputs).toEqual({
      Verdict: 'pass',
      Message: expect.stringMatching(/^Pass: the canary failed 0 of .* nothing is asked of you\.$/),
    });
    expect(fake.outputs?.Message?.length).toBeLessThanOrEqual(1000);
    run(stages.judge, 'Succeeded');
    run(stages.approval, 'InProgress');
    fake.approval = { executionId: 'e1', ...stages.approval, token: 'secret-token' };
    await handle({ source: 'aws.codepipeline' });
    expect(fake.changes.at(-1)).toBe('approve');
  });

  test.each(['close', 'record'])('keeps its job alive although %s is refused meanwhile', async (change) => {
    await judging(idle);
    fake.transition = { enabled: true };
    fake.recordText = JSON.stringify({ ...fake.written(), baseline: undefined });
    fake.broken.add(change);
    await expect(handle(judgeJob)).rejects.toThrow(`${change} is refused`);
    expect(fake.changes.at(-1)).toBe('continue');
  });

  test('keeps its job alive when the record never stands still', async () => {
    await judging(idle);
    fake.recordText = JSON.stringify({ ...fake.written(), baseline: undefined });
    fake.before = (change) => {
      if (change === 'record') fake.recordVersion += 1;
    };
    await expect(handle(judgeJob)).rejects.toThrow('3 times in a row');
    expect(fake.changes.at(-1)).toBe('continue');
  });

  test('asks to be called again in time when every look is slow', async () => {
    await judging(idle);
    const { read } = fake.pipeline;
    fake.pipeline.read = async () => {
      now += 50_000;
      return read();
    };
    const began = now;
    await handle(judgeJob);
    expect(fake.changes).toEqual(['continue']);
    // The function has five minutes.
    expect(now - began).toBeLessThan(295_000);
  });

  test('is failed, and not left waiting for an hour, when its user parameters cannot be read', async () => {
    await judging(idle);
    await handle(job('nonsense'));
    expect(fake.changes).toEqual(['fail']);
  });

  test('keeps the job open while nothing is decided, and asks to be called again', async () => {
    await judging(idle);
    await handle(judgeJob);
    expect(fake.changes).toEqual(['continue']);
  });
});

describe('a job of the Record stage', () => {
  test.each([undefined, '', '{"executionId":"e1"}', '{"executionId":"e1","action":"Record"}'])(
    'waits for the end of the watch period, then records the release (user parameters %j)',
    async (userParameters) => {
      await promoted();
      const began = now;
      expect(await handle(job(userParameters))).toMatchObject({ phase: 'promoting' });
      expect(now - began).toBe(60_000);
      // The first record says which dead letters were put up with at the promotion.
      expect(fake.changes).toEqual(['record', 'record', 'image', 'notify', 'complete']);
      expect(fake.written().lastGood).toMatchObject({
        executionId: 'e1',
        commit: 'c2',
        imageUri: imageOf('b'),
        canaryTaskDefinitionArn: 'canary:2',
        stableTaskDefinitionArn: 'stable:2',
      });
      expect(fake.image).toBe(imageOf('b'));
    },
  );

  test('asks to be called again before its own time is up', async () => {
    await promoted();
    handle = handlerWith({ ...policy, watchMs: 600_000 });
    const began = now;
    await handle(job());
    expect(fake.changes.at(-1)).toBe('continue');
    expect(now - began).toBeLessThan(300_000);
    expect(fake.openJobs).toEqual(new Set(['j1']));
  });

  test('is not completed when the record cannot be written', async () => {
    await promoted();
    now += 60_000;
    fake.broken.add('record');
    await expect(handle(job())).rejects.toThrow('record is refused');
    expect(fake.openJobs).toEqual(new Set(['j1']));
  });

  test('fails when the release is being rolled back, and both services are restored', async () => {
    await promoted();
    deadLettered();
    await handle(job());
    expect(fake.changes).toEqual(['record', 'notify', 'fail', 'restore canary', 'restore stable']);
    expect(fake.taskDefinitions).toEqual({ canary: 'canary:1', stable: 'stable:1' });
  });

  test('takes one answer even when something else in the same look met a conflict', async () => {
    await promoted();
    deadLettered();
    let raced = false;
    fake.before = (change) => {
      if (change !== 'restore stable' || raced) return;
      raced = true;
      fake.images['stable:3'] = imageOf('c');
      fake.taskDefinitions.stable = 'stable:3';
    };
    fake.pipeline.failJob = async (jobId) => {
      fake.changes.push(fake.openJobs.delete(jobId) ? 'fail' : 'fail again');
      fake.end('e1', 'Failed');
      return { kind: 'done' };
    };
    await handle(job());
    expect(fake.changes.filter((change) => change.startsWith('fail'))).toEqual(['fail']);
    expect(fake.taskDefinitions.stable).toBe('stable:1');
  });

  test('is called again while the controller cannot see', async () => {
    await promoted();
    fake.recordText = 'garbage';
    await expect(handle(job())).rejects.toThrow('it is not JSON');
    expect(fake.changes).toEqual(['continue']);
  });
});

describe("a person's rollback", () => {
  test('is durable and carried out at once', async () => {
    await awaitApproval();
    const answer = await handle({ queueCanary: 'rollback', executionId: 'e1', reason: 'too slow' });
    expect(answer.phase).toBe('rollingBack');
    expect(fake.changes).toEqual(['request', 'record', 'notify', 'stop', 'restore canary']);
    expect(fake.written().decision).toMatchObject({ by: 'person', reason: 'too slow', kind: 'rollback' });
  });

  test('is asked for again while AWS may not show the release yet', async () => {
    await awaitApproval();
    const { executions, actions } = fake;
    fake.executions = [];
    fake.actions = [];
    const patient = createHandler({
      gateways: fake,
      policy,
      nowMs: () => now,
      sleep: async (ms) => {
        now += ms;
        Object.assign(fake, { executions, actions });
      },
      log: () => {},
    });
    const answer = await patient({ queueCanary: 'rollback', executionId: 'e1', reason: 'too slow' });
    expect(answer.phase).toBe('rollingBack');
  });

  test('fails where the release was promoted meanwhile', async () => {
    await promoted();
    now += policy.watchMs + settledMs;
    fake.before = (change) => {
      if (change !== 'request') return;
      fake.recordText = fake.recordText.replace('"initial"', '"e1"');
      fake.recordVersion += 1;
    };
    await expect(handle({ queueCanary: 'rollback', reason: 'too slow' })).rejects.toThrow(
      /release e1 is not rolled back: execution e1 is succeeded/,
    );
  });

  test('is refused with what to do when the execution is another one', async () => {
    await awaitApproval();
    await expect(handle({ queueCanary: 'rollback', executionId: 'e0' })).rejects.toThrow(
      'execution e0 is not the current release; that is e1',
    );
    expect(fake.changes).toEqual([]);
  });

  test('looks again when the record changed meanwhile', async () => {
    await awaitApproval();
    let raced = false;
    fake.before = (change) => {
      if (change !== 'record' || raced) return;
      raced = true;
      fake.recordVersion += 1;
    };
    await handle({ queueCanary: 'rollback' });
    expect(fake.written().decision).toMatchObject({ executionId: 'e1', by: 'person' });
  });
});
