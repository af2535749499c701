import { describe, expect, it } from 'vitest';
import { deploymentTimeoutMs, digestOf, imageOf, SimulatedWorld } from '../../test/simulated-world.ts';
import { defaultReleasePolicy } from '../policy/policy.ts';
import { known, type Observed, unknown } from './observed.ts';
import { plan } from './plan.ts';

const policy = { ...defaultReleasePolicy, bakeMs: 120_000, watchMs: 120_000 };

/** A world whose first image has been adopted as the last good release. */
function adopted(overrides: Partial<typeof policy> = {}): SimulatedWorld {
  const world = new SimulatedWorld({ ...policy, ...overrides });
  world.wake();
  world.pass(60_000);
  return world;
}

/** A release of `version` that has come as far as its canary deployment. */
function onCanary(world: SimulatedWorld, version: string): string {
  const id = world.push(version);
  world.advance();
  world.advance();
  world.wake();
  return id;
}

/** A release of `version` that waits for approval. */
function awaitingApproval(world: SimulatedWorld, version: string): string {
  const id = world.push(version);
  const { phase } = world.settle();
  expect(phase).toBe('awaitingApproval');
  return id;
}

/** A release of `version` whose deployment to stable has begun. */
function onStable(world: SimulatedWorld, version: string): string {
  const id = awaitingApproval(world, version);
  world.approve();
  expect(world.wake().phase).toBe('promoting');
  expect(world.digestOn('stable')).toBe(digestOf(version));
  return id;
}

/** A release of `version` that has been deployed everywhere and is watched. */
function watched(world: SimulatedWorld, version: string): string {
  const id = onStable(world, version);
  world.finishRollout('stable');
  world.advance();
  expect(world.openJobs.size).toBe(1);
  return id;
}

function succeeded(world: SimulatedWorld, version: string): string {
  const id = awaitingApproval(world, version);
  world.approve();
  expect(world.settle().phase).toBe('succeeded');
  return id;
}

function expectBothOn(world: SimulatedWorld, version: string): void {
  expect({ canary: world.digestOn('canary'), stable: world.digestOn('stable') }).toEqual({
    canary: digestOf(version),
    stable: digestOf(version),
  });
  expect(world.isSteady('canary') && world.isSteady('stable')).toBe(true);
  expect(world.violations).toEqual([]);
}

describe('before the first release', () => {
  it('adopts the image that both services were created with', () => {
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

  it('adopts nothing while a service is still being created', () => {
    const world = new SimulatedWorld(policy);
    world.services.stable.primary.rolloutState = 'IN_PROGRESS';
    expect(world.wake().effects).toEqual([]);
    expect(world.record().lastGood).toBeUndefined();
    world.finishRollout('stable');
    world.wake();
    expect(world.record().lastGood?.imageDigest).toBe(digestOf('v1'));
  });

  it('adopts nothing that stable does not run once a release has touched the canary', () => {
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

  it('lets the execution that AWS starts with the pipeline pass source and build undisturbed', () => {
    const world = new SimulatedWorld(policy);
    const first = world.push('v1');
    expect(world.wake().phase).toBe('idle');
    world.advance();
    expect(world.wake().effects).toEqual([]);
    expect(world.status(first)).toBe('InProgress');
  });

  it('rolls nothing back for an alarm', () => {
    const world = adopted();
    world.setAlarm('ALARM');
    expect(world.wake()).toMatchObject({ phase: 'idle', effects: [] });
  });
});

describe('a good release', () => {
  it('goes through every phase and becomes the last good release', () => {
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

  it('says how long it bakes and is watched', () => {
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

  it('is not recorded before both services are steady, however long that takes', () => {
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

  it('is not recorded while nothing can be measured', () => {
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

  it('is completed when the controller dies between the record and the answer to the job', () => {
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

  it('stays good when its execution ends badly after it was recorded', () => {
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

  it('is recorded again when somebody has reset the record', () => {
    const world = adopted();
    const id = succeeded(world, 'v2');
    world.recordText = '{"version":1}';
    world.recordVersion += 1;
    expect(world.settle().phase).toBe('succeeded');
    expect(world.record().lastGood).toMatchObject({ executionId: id, imageDigest: digestOf('v2') });
  });

  it('writes nothing when the record has changed since it was observed', () => {
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

describe('a bad release', () => {
  it('is stopped while its canary is being deployed', () => {
    const world = adopted();
    const id = onCanary(world, 'bad');
    world.ruin();
    world.wake();
    expect(world.status(id)).toBe('Stopped');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('is stopped while it waits for approval, and only the canary is touched', () => {
    const world = adopted();
    const stableBefore = world.services.stable.primary;
    const id = awaitingApproval(world, 'bad');
    world.ruin();
    const { effects } = world.wake();
    expect(effects.map(({ kind }) => kind)).toEqual([
      'recordDecision',
      'notify',
      'stopExecution',
      'restoreService',
    ]);
    expect(world.status(id)).toBe('Stopped');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
    expect(world.services.stable.primary).toBe(stableBefore);
  });

  it('is found by what it dead-lettered before its canary deployment was retried', () => {
    const world = adopted();
    const id = world.push('bad');
    world.advance();
    world.advance();
    world.pass(1000);
    world.deadLetterOn('canary', 1);
    world.failRollout('canary', false);
    // The controller was away all this time.
    world.lookedSinceCanary = true;
    world.pass(deploymentTimeoutMs);
    world.advance();
    expect(world.status(id)).toBe('Failed');
    world.pass(200_000);
    world.retry(id);
    expect(world.wake().phase).toBe('deploying');
    world.pass(60_000);
    expect(world.wake()).toMatchObject({ phase: 'rollingBack', release: { executionId: id } });
    expect(world.record().decision?.by).toBe('health');
  });

  it('is not restored before the older deployment has lost its tasks', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.ruin();
    world.wake();
    const { canary } = world.services;
    canary.primary.rolloutState = 'COMPLETED';
    world.pass(15_000);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.record().decision?.restoredAt).toBeUndefined();
    canary.others = [];
    expect(world.wake().phase).toBe('rolledBack');
    expect(world.record().decision?.restoredAt).toBeDefined();
  });

  it('is undone on both services while stable is being deployed, although ECS goes on after the stop', () => {
    const world = adopted();
    const id = onStable(world, 'bad');
    world.ruin();
    const { effects } = world.plan();
    const stop = effects.filter(({ kind }) => kind === 'recordDecision' || kind === 'stopExecution');
    world.applyAll(stop);
    expect(world.status(id)).toBe('Stopped');
    expect(world.digestOn('stable')).toBe(digestOf('bad'));
    world.finishRollout('stable');
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('is undone on both services in its watch period, and its job fails', () => {
    const world = adopted();
    const id = watched(world, 'bad');
    world.ruin();
    world.callJobs();
    expect(world.jobResults.at(-1)).toBe(`${id} Failed`);
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
    expect(world.image).toBe(imageOf('v1'));
  });

  it('is undone in its watch period by an ordinary wake as well', () => {
    const world = adopted();
    const id = watched(world, 'bad');
    world.ruin();
    world.wake();
    expect(world.status(id)).toBe('Stopped');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('is found although dead letters of an earlier release lie in the queue', () => {
    const world = adopted();
    awaitingApproval(world, 'bad1');
    world.deadLetter(20);
    world.ruin();
    world.settle();
    awaitingApproval(world, 'bad2');
    world.ruin();
    const { reasons } = world.wake();
    expect(reasons[0]).toBe(
      '1 message reached the dead-letter queue since the canary deployment began (0 allowed)',
    );
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('is found although a purge hides its dead letters', () => {
    const world = adopted();
    world.deadLetter(10);
    awaitingApproval(world, 'bad');
    world.ruin();
    world.deadLetters = 0;
    expect(world.settle().phase).toBe('rolledBack');
  });

  it('goes on being rolled back when its dead letters cannot be seen any more', () => {
    const world = adopted();
    onStable(world, 'bad');
    world.ruin();
    const { effects } = world.plan();
    world.applyAll(effects.slice(0, 1));
    world.outcomesProblem = 'the log cannot be read';
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('is not touched before the decision is durable', () => {
    const world = adopted();
    const id = awaitingApproval(world, 'bad');
    world.ruin();
    const { effects } = world.plan();
    world.recordVersion += 1;
    expect(world.applyAll(effects)).toEqual(['conflict', 'skipped', 'skipped', 'skipped']);
    expect(world.status(id)).toBe('InProgress');
    expect(world.digestOn('canary')).toBe(digestOf('bad'));
    expect(world.settle().phase).toBe('rolledBack');
  });

  it('tells people once that it is rolled back and once that both services are restored', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.ruin();
    world.settle();
    world.settle();
    expect(world.notifications).toHaveLength(2);
  });

  it('stays within the policy with as many dead letters as it allows', () => {
    const world = adopted({ alarmThreshold: 3 });
    awaitingApproval(world, 'v2');
    world.pass(1000);
    world.deadLetterOn('canary', 2);
    expect(world.settle().phase).toBe('awaitingApproval');
    world.deadLetterOn('canary', 1);
    expect(world.settle().phase).toBe('rolledBack');
  });
});

describe('a dead letter of the canary', () => {
  it('hits the release under test when the newest execution is still building', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    const bad = awaitingApproval(world, 'bad');
    const newer = world.push('v3');
    world.ruin();
    world.wake();
    expect(world.status(bad)).toBe('Stopped');
    expect(world.status(newer)).toBe('InProgress');
    expect(world.settle().phase).toBe('awaitingApproval');
    expect(world.digestOn('canary')).toBe(digestOf('v3'));
  });
});

describe('the alarm of the dead-letter queue', () => {
  it('fails no release by itself', () => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    world.setAlarm('ALARM');
    const { phase, reasons } = world.settle();
    expect(phase).toBe('awaitingApproval');
    expect(reasons.join('\n')).toMatch(/alarm dead-letters went off during the release/);
  });

  it('fails no release when it has been in ALARM since an earlier one', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.setAlarm('ALARM');
    world.deadLetter(20);
    world.ruin();
    world.settle();
    succeeded(world, 'v2');
    expectBothOn(world, 'v2');
  });

  it('rolls nothing back after success', () => {
    const world = adopted();
    succeeded(world, 'v2');
    world.setAlarm('ALARM');
    world.deadLetter(5);
    const after = world.wake();
    expect(after).toMatchObject({ phase: 'succeeded', effects: [] });
    expect(after.reasons).toContain(
      'alarm dead-letters is in ALARM, but no release is under way: nothing is rolled back',
    );
  });
});

describe('the very first release without a last good one', () => {
  it('is ended and halted without touching the services', () => {
    const world = new SimulatedWorld(policy);
    world.services.stable.running = 2;
    const id = awaitingApproval(world, 'bad');
    const canary = world.services.canary.primary;
    world.ruin();
    const halted = world.wake();
    expect(halted.phase).toBe('halted');
    expect(halted.reasons.join()).toContain('there is no last good release to return to');
    expect(world.status(id)).toBe('Stopped');
    expect(world.settle().phase).toBe('halted');
    expect(world.services.canary.primary).toBe(canary);
    expect(world.violations).toEqual([]);
  });

  it('makes way for a fix, which becomes the first last good release', () => {
    const world = new SimulatedWorld(policy);
    world.services.stable.running = 2;
    awaitingApproval(world, 'bad');
    world.ruin();
    world.settle();
    world.services.stable.running = 3;
    succeeded(world, 'v2');
    expectBothOn(world, 'v2');
  });
});

describe('a release that ends by itself or by a person', () => {
  it.each([
    ['a rejection', (world: SimulatedWorld) => world.reject(), 'aborted'],
    [
      'a stop in the console during approval',
      (world: SimulatedWorld) => world.stopByPerson(world.activeReleases()[0]!),
      'aborted',
    ],
    ['a rollback through the controller', (world: SimulatedWorld) => world.requestRollback(), 'rolledBack'],
  ])('restores both services after %s', (_what, end, phase) => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    end(world);
    expect(world.settle().phase).toBe(phase);
    expectBothOn(world, 'v1');
  });

  it.each([
    ['canary', true],
    ['canary', false],
  ] as const)(
    'restores both services when the %s deployment fails (circuit breaker goes back: %s)',
    (track, goesBack) => {
      const world = adopted();
      onCanary(world, 'v2');
      world.failRollout(track, goesBack);
      world.advance();
      expect(world.settle().phase).toBe('rolledBack');
      expectBothOn(world, 'v1');
    },
  );

  it.each([true, false])(
    'restores both services when the stable deployment fails (circuit breaker goes back: %s)',
    (goesBack) => {
      const world = adopted();
      const id = onStable(world, 'v2');
      world.failRollout('stable', goesBack);
      world.advance();
      expect(world.status(id)).toBe('InProgress');
      const settled = world.settle();
      expect(settled.phase).toBe('rolledBack');
      expect(settled.reasons[0]).toContain('stable cannot start the candidate');
      expect(world.status(id)).toBe('Stopped');
      expectBothOn(world, 'v1');
    },
  );

  it.each([true, false])(
    'restores both services when a person stops the promotion (abandon: %s)',
    (abandon) => {
      const world = adopted();
      const id = onStable(world, 'v2');
      world.stopByPerson(id, abandon);
      expect(world.settle().phase).toBe('rolledBack');
      expect(world.status(id)).toBe('Stopped');
      expectBothOn(world, 'v1');
    },
  );

  it('is restored at once when a person stops it and CodePipeline waits for its actions', () => {
    const world = adopted();
    const id = onStable(world, 'v2');
    world.stopByPerson(id, false);
    expect(world.status(id)).toBe('Stopping');
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.digestOn('stable')).toBe(digestOf('v1'));
  });

  it('is told to people even when ECS has restored the service by itself', () => {
    const world = adopted();
    const id = onCanary(world, 'v2');
    world.failRollout('canary', true);
    world.finishRollout('canary');
    world.advance();
    world.settle();
    expect(world.record().decision).toMatchObject({ executionId: id, by: 'pipeline' });
    expect(world.notifications).toHaveLength(2);
  });

  it('is never promoted by a retry once its end was decided', () => {
    const world = adopted();
    const id = onStable(world, 'bad');
    world.ruin();
    world.settle();
    world.retry(id);
    expect(world.status(id)).toBe('InProgress');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('is restored again when the circuit breaker undoes the restoration', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.ruin();
    world.wake();
    world.failRollout('canary', true);
    expect(world.digestOn('canary')).toBe(digestOf('bad'));
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('stays ended when a task comes and goes after both services were restored', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.ruin();
    expect(world.settle().phase).toBe('rolledBack');
    world.services.stable.running -= 1;
    expect(world.wake()).toMatchObject({ phase: 'rolledBack', effects: [] });
  });

  it('deploys the recorded version anew when its deployment failed', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.ruin();
    world.wake();
    world.failRollout('canary', false);
    expect(world.wake().effects).toContainEqual(
      expect.objectContaining({ kind: 'restoreService', track: 'canary', forceNew: true }),
    );
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('gets its image back when the recorded task definition has been deregistered', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    const { lastGood } = world.record();
    world.taskDefinitions.get(lastGood!.canaryTaskDefinitionArn!)!.active = false;
    world.ruin();
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
    expect(world.record().lastGood).toMatchObject({
      canaryTaskDefinitionArn: world.services.canary.primary.taskDefinitionArn,
    });
  });
});

describe('a rollback that a person asks for', () => {
  it('is refused for an execution that is not the current release', () => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    expect(world.requestRollback('another')).toBe(false);
    expect(world.wake().phase).toBe('awaitingApproval');
  });

  it('is refused after success, since nothing better is recorded', () => {
    const world = adopted();
    const id = succeeded(world, 'v2');
    expect(world.requestRollback(id)).toBe(false);
    expect(world.wake()).toMatchObject({ phase: 'succeeded', effects: [] });
  });

  it('is refused before any release', () => {
    expect(adopted().requestRollback()).toBe(false);
  });

  it('changes nothing the second time', () => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    world.requestRollback();
    const version = world.recordVersion;
    expect(world.requestRollback()).toBe(true);
    expect(world.recordVersion).toBe(version);
  });
});

describe('a newer commit', () => {
  it('supersedes a release that waits for approval, which is restored before the newer one begins', () => {
    const world = adopted();
    const older = awaitingApproval(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    expect(world.wake().reasons[0]).toContain(`a newer commit is ready for the canary (execution ${newer}`);
    expect(world.status(older)).toBe('Stopped');
    expect(world.digestOn('canary')).toBe(digestOf('v1'));
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: newer } });
    expect(world.digestOn('canary')).toBe(digestOf('v3'));
    expect(world.digestOn('stable')).toBe(digestOf('v1'));
    expect(world.record().decision).toMatchObject({ executionId: older, kind: 'abort', by: 'newerCommit' });
  });

  it('waits in front of the canary under the policy that says so', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    const older = awaitingApproval(world, 'v2');
    const newer = world.push('v3');
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: older } });
    expect(world.digestOn('canary')).toBe(digestOf('v2'));
    world.approve();
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: newer } });
    expect(world.record().lastGood?.executionId).toBe(older);
  });

  it('never disturbs a promotion', () => {
    const world = adopted();
    const older = onStable(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    world.wake();
    expect(world.activeReleases()).toEqual([older]);
    expect(world.settle()).toMatchObject({ release: { executionId: newer } });
    expect(world.status(older)).toBe('Succeeded');
  });

  it('waits until a rollback has reached a steady state', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    onStable(world, 'bad');
    world.ruin();
    world.push('v3');
    world.wake();
    for (let i = 0; i < 4; i += 1) {
      world.advance();
      world.wake();
    }
    expect(world.activeReleases()).toEqual([]);
    world.pass(15_000);
    world.finishRollout('stable');
    world.finishRollout('canary');
    world.wake();
    world.wake();
    expect(world.activeReleases()).toHaveLength(1);
  });

  it('is ended when a person lets it past a release that is being promoted, and nothing untested stays', () => {
    const world = adopted();
    const older = onStable(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    world.gate = { enabled: true };
    world.advance();
    expect(world.activeReleases()).toContain(newer);
    world.pass(15_000);
    world.wake();
    expect(world.status(newer)).toBe('Stopped');
    expect(world.settle().phase).toBe('aborted');
    expect(world.status(older)).not.toBe('Succeeded');
    expectBothOn(world, 'v1');
  });

  it('cannot slip in when a release is ended at the first look', () => {
    const world = adopted();
    const bad = world.push('bad');
    world.advance();
    world.advance();
    world.push('v3');
    world.pass(200_000);
    world.ruin();
    for (let i = 0; i < 3; i += 1) world.advance();
    world.wake();
    expect(world.status(bad)).toBe('Stopped');
    expect(world.activeReleases()).toEqual([]);
    expect(world.digestOn('canary')).toBe(digestOf('v1'));
  });

  it('replaces a waiting release when a person lets it in', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    const older = awaitingApproval(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    world.gate = { enabled: true };
    world.advance();
    expect(world.activeReleases()).toEqual([older, newer]);
    world.pass(15_000);
    expect(world.wake()).toMatchObject({ phase: 'deploying', release: { executionId: newer } });
    expect(world.status(older)).toBe('Stopped');
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: newer } });
  });

  it('leaves no canary behind when it was let in and then stopped', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    const older = awaitingApproval(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    world.gate = { enabled: true };
    world.advance();
    world.stopByPerson(newer);
    world.settle();
    expect(world.status(older)).toBe('Stopped');
    expectBothOn(world, 'v1');
  });

  it('does not keep stable on a bad version whose rollback it has overtaken', () => {
    const world = adopted();
    onStable(world, 'bad');
    world.finishRollout('stable');
    world.ruin();
    const { effects } = world.plan();
    world.push('v3');
    world.advance();
    world.advance();
    world.gate = { enabled: true };
    world.applyAll(effects.filter(({ kind }) => kind === 'recordDecision' || kind === 'stopExecution'));
    world.pass(15_000);
    world.advance();
    world.wake();
    expect(world.digestOn('stable')).toBe(digestOf('v1'));
    expect(world.violations).toEqual([]);
  });

  it('is stopped itself when it waits for approval, and so is the release that is being promoted', () => {
    const world = adopted();
    const older = onStable(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    world.gate = { enabled: true };
    world.advance();
    world.lookedSinceCanary = true;
    world.finishRollout('canary');
    world.advance();
    // Somebody else has answered the judge's job.
    for (const jobId of world.openJobs.keys())
      world.apply({ kind: 'completeJob', jobId, executionId: newer });
    world.pass(15_000);
    world.wake();
    expect(world.status(older)).toBe('Stopped');
    expect(world.status(newer)).toBe('Stopped');
    world.settle();
    expectBothOn(world, 'v1');
  });

  it.each([
    ['its action is not listed yet', (_stage: string) => true],
    ['the pipeline was read a moment before it entered', (stage: string) => stage !== 'Canary'],
  ])('is not undone as residue of the release before it when %s', (_when, shows) => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.reject();
    expect(world.settle().phase).toBe('aborted');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    expect(world.digestOn('canary')).toBe(digestOf('v3'));
    const observed = world.observe();
    if (!observed.pipeline.known) throw new Error('the world hides its pipeline');
    const { stages, actions, ...pipeline } = observed.pipeline.value;
    const lagging = known({
      ...pipeline,
      actions: actions.filter((run) => run.executionId !== newer || run.stage !== 'Canary'),
      stages: stages.map((stage) => {
        const { latestExecutionId: _, ...rest } = stage;
        return shows(stage.name) ? stage : rest;
      }),
    });
    const { effects } = plan({ ...observed, pipeline: lagging }, policy, world.now);
    expect(effects).toEqual([]);
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: newer } });
  });

  it('is what supersedes: an older execution that was retried only waits', () => {
    const world = adopted();
    const older = world.push('v2');
    world.advance();
    world.stopByPerson(older);
    world.pass(1000);
    const newer = awaitingApproval(world, 'v3');
    world.retry(older);
    world.advance();
    world.advance();
    expect(world.wake()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: newer } });
  });

  it('leaves alone a transition that a person disabled', () => {
    const world = adopted();
    world.gate = { enabled: false, reason: 'freeze until Monday' };
    world.push('v2');
    world.settle();
    expect(world.gate).toEqual({ enabled: false, reason: 'freeze until Monday' });
  });
});

describe('a change of configuration alone', () => {
  it('is no deviation from the last good release, and the record follows it', () => {
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

  it('of stable, while a release waits for approval, changes what stable would return to', () => {
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

  it('while a release waits for approval ends it, since the canary no longer runs the candidate', () => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    world.changeConfiguration();
    const settled = world.settle();
    expect(settled.phase).toBe('rolledBack');
    expect(settled.reasons[0]).toContain('instead of the candidate');
    expectBothOn(world, 'v1');
  });

  it('in the middle of a promotion fails the release, since the canary is no longer on the candidate', () => {
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

describe('jobs', () => {
  it('answers a job of an unknown release by asking to be called again', () => {
    const world = adopted();
    expect(world.plan({ id: 'stray' }).effects).toEqual([{ kind: 'continueJob', jobId: 'stray' }]);
  });

  it('fails a job whose named execution has ended', () => {
    const world = adopted();
    const id = awaitingApproval(world, 'v2');
    world.reject();
    world.settle();
    expect(world.plan({ id: 'late', executionId: id }).effects).toEqual([
      expect.objectContaining({ kind: 'failJob', jobId: 'late' }),
    ]);
  });

  it('answers every job exactly once, whatever the phase', () => {
    const world = adopted();
    const jobEffects = () => world.plan({ id: 'any' }).effects.filter((effect) => 'jobId' in effect).length;
    expect(jobEffects()).toBe(1);
    onCanary(world, 'v2');
    expect(jobEffects()).toBe(1);
    world.ruin();
    expect(jobEffects()).toBe(1);
    world.unreadable = 'pipeline';
    expect(jobEffects()).toBe(1);
  });
});

describe('what cannot be seen', () => {
  const seen = (): Observed => adopted().observe();
  const cases: readonly (readonly [
    string,
    Partial<Pick<Observed, 'pipeline' | 'canary' | 'stable' | 'record'>>,
  ])[] = [
    ['the pipeline', { pipeline: unknown('there is no pipeline p') }],
    ['the canary', { canary: unknown('there is no canary service c') }],
    ['stable', { stable: unknown('there is no stable service s') }],
    ['the record', { record: unknown('the record is not JSON') }],
  ];

  it.each(cases)('halts without touching anything when %s cannot be read', (_what, blind) => {
    const halted = plan({ ...seen(), ...blind }, policy, 0);
    const [problem] = Object.values(blind);
    // It is only written down, where it can be.
    const effects = 'record' in blind ? [] : [expect.objectContaining({ kind: 'recordHalt' })];
    expect(halted).toEqual({
      phase: 'halted',
      effects,
      reasons: [problem !== undefined && 'problem' in problem ? problem.problem : ''],
    });
  });

  it('goes on rolling back when only the signals cannot be read', () => {
    const world = adopted();
    onStable(world, 'bad');
    world.ruin();
    world.applyAll(world.plan().effects.slice(0, 1));
    world.alarmsReadable = false;
    world.deadLettersReadable = false;
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('adopts nothing from images named by tag', () => {
    const world = new SimulatedWorld(policy);
    const observed = world.observe();
    if (!observed.canary.known || !observed.stable.known) throw new Error('the world hides its services');
    const { imageDigest: _c, ...canary } = observed.canary.value;
    const { imageDigest: _s, ...stable } = observed.stable.value;
    expect(plan({ ...observed, canary: known(canary), stable: known(stable) }, policy, 0).effects).toEqual(
      [],
    );
  });
});
