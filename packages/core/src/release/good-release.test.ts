import { describe, expect, test } from 'vitest';
import {
  adopted,
  awaitingApproval,
  expectBothOn,
  onCanary,
  policy,
  succeeded,
  watched,
} from '../../test/release-stages.ts';
import { digestOf, imageOf, SimulatedWorld } from '../../test/simulated-world.ts';

describe('before the first release', () => {
  test('adopts the image that both services were created with', () => {
    const world = new SimulatedWorld(policy);
    expect(world.wake().phase).toBe('idle');
    expect(world.record().lastGood).toMatchObject({
      executionId: 'initial',
      imageDigest: digestOf('v1'),
      imageUri: imageOf('v1'),
    });
    expect(world.record().lastGood).not.toHaveProperty('commit');
    expect(world.plan().effects).toEqual([]);
  });

  test('adopts nothing while a service is still being created', () => {
    const world = new SimulatedWorld(policy);
    world.services.stable.primary.rolloutState = 'IN_PROGRESS';
    expect(world.wake().effects).toEqual([]);
    expect(world.record().lastGood).toBeUndefined();
    world.finishRollout('stable');
    world.wake();
    expect(world.record().lastGood?.imageDigest).toBe(digestOf('v1'));
  });

  test('adopts nothing that stable does not run once a release has touched the canary', () => {
    const world = new SimulatedWorld(policy);
    world.image = imageOf('v0');
    world.push('v1');
    world.advance();
    world.advance();
    world.finishRollout('canary');
    world.wake();
    world.advance();
    expect(world.digestOn('canary')).toBe(world.digestOn('stable'));
    world.wake();
    expect(world.record().lastGood).toBeUndefined();
  });

  test('lets the execution that AWS starts with the pipeline pass source and build undisturbed', () => {
    const world = new SimulatedWorld(policy);
    const first = world.push('v1');
    expect(world.wake().phase).toBe('idle');
    world.advance();
    expect(world.wake().effects).toEqual([]);
    expect(world.status(first)).toBe('InProgress');
  });

  test('rolls nothing back for an alarm', () => {
    const world = adopted();
    world.setAlarm('ALARM');
    expect(world.wake()).toMatchObject({ phase: 'idle', effects: [] });
  });
});

describe('a good release', () => {
  test('goes through every phase and becomes the last good release', () => {
    const world = adopted();
    const phases = new Set<string>();
    const look = () => phases.add(world.wake().phase);
    const id = onCanary(world, 'v2');
    look();
    world.finishRollout('canary');
    world.advance();
    look();
    world.callJobs();
    world.pass(policy.bakeMs);
    world.callJobs();
    look();
    world.approve();
    look();
    world.finishRollout('stable');
    world.advance();
    world.callJobs();
    look();
    expect(world.record().lastGood?.executionId).toBe('initial');
    world.pass(policy.watchMs);
    world.callJobs();
    look();
    expect([...phases]).toEqual(['deploying', 'baking', 'awaitingApproval', 'promoting', 'succeeded']);
    expect(world.status(id)).toBe('Succeeded');
    expect(world.record().lastGood).toMatchObject({
      executionId: id,
      commit: 'commit-v2',
      imageDigest: digestOf('v2'),
      canaryTaskDefinitionArn: world.services.canary.primary.taskDefinitionArn,
      stableTaskDefinitionArn: world.services.stable.primary.taskDefinitionArn,
    });
    expect(world.image).toBe(imageOf('v2'));
    expectBothOn(world, 'v2');
  });

  test('says how long it bakes and is watched', () => {
    const world = adopted();
    onCanary(world, 'v2');
    world.finishRollout('canary');
    world.advance();
    world.pass(50_000);
    expect(world.wake()).toMatchObject({
      phase: 'baking',
      reasons: expect.arrayContaining(['the canary is observed for 70 s more']),
    });
    world.pass(69_500);
    expect(world.wake()).toMatchObject({ phase: 'baking', nextWakeMs: 500 });
  });

  test('is not recorded before both services are steady, however long that takes', () => {
    const world = adopted();
    watched(world, 'v2');
    world.services.stable.running = 2;
    world.pass(policy.watchMs * 10);
    world.callJobs();
    expect(world.record().lastGood?.executionId).toBe('initial');
    world.services.stable.running = 3;
    world.callJobs();
    expect(world.record().lastGood?.imageDigest).toBe(digestOf('v2'));
  });

  test('is not recorded while nothing can be measured', () => {
    const world = adopted();
    watched(world, 'v2');
    world.alarmsReadable = false;
    world.pass(policy.watchMs);
    world.callJobs();
    expect(world.record().lastGood?.executionId).toBe('initial');
    expect(world.plan().reasons).toContain('not measured: the alarms cannot be read');
    world.alarmsReadable = true;
    world.callJobs();
    expect(world.record().lastGood?.imageDigest).toBe(digestOf('v2'));
  });

  test('is completed when the controller dies between the record and the answer to the job', () => {
    const world = adopted();
    const id = watched(world, 'v2');
    world.pass(policy.watchMs);
    const [job = ''] = world.openJobs.keys();
    const [first, ...rest] = world.plan({ id: job }).effects;
    expect(first?.kind).toBe('recordLastGood');
    world.applyAll([first!]);
    expect(rest.length).toBeGreaterThan(0);
    world.callJobs();
    expect(world.settle().phase).toBe('succeeded');
    expect(world.status(id)).toBe('Succeeded');
    expect(world.image).toBe(imageOf('v2'));
  });

  test('stays good when its execution ends badly after it was recorded', () => {
    const world = adopted();
    const id = watched(world, 'v2');
    world.pass(policy.watchMs);
    const [job = ''] = world.openJobs.keys();
    world.applyAll(world.plan({ id: job }).effects.slice(0, 1));
    world.stopByPerson(id);
    expect(world.settle().phase).toBe('succeeded');
    expect(world.image).toBe(imageOf('v2'));
    expectBothOn(world, 'v2');
  });

  test('is recorded again when somebody has reset the record', () => {
    const world = adopted();
    const id = succeeded(world, 'v2');
    world.recordText = '{"version":1}';
    world.recordVersion += 1;
    expect(world.settle().phase).toBe('succeeded');
    expect(world.record().lastGood).toMatchObject({ executionId: id, imageDigest: digestOf('v2') });
  });

  test('writes nothing when the record has changed since it was observed', () => {
    const world = adopted();
    watched(world, 'v2');
    world.pass(policy.watchMs);
    const [job = ''] = world.openJobs.keys();
    const { effects } = world.plan({ id: job });
    expect(world.requestRollback()).toBe(true);
    expect(new Set(world.applyAll(effects).slice(1))).toEqual(new Set(['skipped']));
    expect(world.openJobs.size).toBe(1);
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });
});

describe('a change of configuration alone', () => {
  test('is no deviation from the last good release, and the record follows it', () => {
    const world = adopted();
    succeeded(world, 'v2');
    const id = world.record().lastGood?.executionId;
    world.changeConfiguration();
    world.settle();
    expectBothOn(world, 'v2');
    expect(world.record().lastGood).toMatchObject({
      executionId: id,
      canaryTaskDefinitionArn: world.services.canary.primary.taskDefinitionArn,
      stableTaskDefinitionArn: world.services.stable.primary.taskDefinitionArn,
    });
    awaitingApproval(world, 'bad');
    world.ruin();
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v2');
  });

  test('of stable, while a release waits for approval, changes what stable would return to', () => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    world.changeConfiguration(['stable']);
    world.settle();
    world.approve();
    world.finishRollout('stable');
    world.ruin();
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('while a release waits for approval ends it, since the canary no longer runs the candidate', () => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    world.changeConfiguration();
    const settled = world.settle();
    expect(settled.phase).toBe('rolledBack');
    expect(settled.reasons[0]).toContain('instead of the candidate');
    expectBothOn(world, 'v1');
  });

  test('in the middle of a promotion fails the release, since the canary is no longer on the candidate', () => {
    const world = adopted();
    watched(world, 'v2');
    world.changeConfiguration();
    world.services.stable.primary = {
      ...world.services.stable.primary,
      taskDefinitionArn: world.services.stable.others.at(-1)!.taskDefinitionArn,
    };
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });
});
