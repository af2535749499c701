import { describe, expect, test } from 'vitest';
import { adopted, awaitingApproval, onCanary, policy, succeeded } from '../../test/release-stages.ts';
import { type Ages, imageOf, SimulatedWorld } from '../../test/simulated-world.ts';
import { outcomeOf, type ReleaseOutcome, renderOutcome } from './outcome.ts';

/** The outcome as somebody sees it who only looks; undefined while the release is open. */
function outcome(world: SimulatedWorld, id: string): ReleaseOutcome | undefined {
  const read = outcomeOf(world.observe(), world.policy, world.plan(), id, world.now);
  if (!read.known) throw new Error(read.problem);
  return read.value;
}

describe('the outcome of a release', () => {
  test('is open on the way to the canary and while the canary is judged', () => {
    const world = adopted();
    const id = world.push('v2');
    expect(outcome(world, id)).toBeUndefined();
    world.advance();
    world.advance();
    world.wake();
    expect(outcome(world, id)).toBeUndefined();
    world.finishRollout('canary');
    world.advance();
    world.wake();
    expect(outcome(world, id)).toBeUndefined();
  });

  test('is that a person is waited for, and after the approval that it is promoted', () => {
    const world = adopted();
    const id = awaitingApproval(world, 'v2');
    expect(outcome(world, id)).toMatchObject({
      outcome: 'waiting',
      reason: 'queue-canary approve promotes it, queue-canary reject ends it',
    });
    world.approve();
    expect(outcome(world, id)).toBeUndefined();
    expect(world.settle().phase).toBe('succeeded');
    expect(outcome(world, id)).toMatchObject({ outcome: 'promoted', commit: 'commit-v2' });
  });

  test('is not that a person is waited for while the controller answers the approval by itself', () => {
    const world = adopted({ approval: 'automatic' });
    const id = world.push('v1');
    const seen = new Set<string | undefined>();
    for (let round = 0; round < 40; round += 1) {
      world.wake();
      for (const track of ['canary', 'stable'] as const) world.finishRollout(track);
      world.advance();
      world.callJobs();
      seen.add(outcome(world, id)?.outcome);
      world.pass(60_000);
    }
    expect(seen).toEqual(new Set([undefined, 'promoted']));
  });

  test('is not that a person is waited for while the record may be an older answer than the approval', () => {
    const world = adopted({ approval: 'automatic' });
    const id = onCanary(world, 'v1');
    world.finishRollout('canary');
    world.advance();
    while (world.plan().phase !== 'awaitingApproval') {
      world.pass(10_000);
      world.callJobs();
    }
    const seen = (ages: Ages) => {
      const read = outcomeOf(
        world.observe(undefined, ages),
        world.policy,
        world.plan(undefined, ages),
        id,
        world.now,
      );
      return read.known ? read.value?.outcome : read.problem;
    };
    expect([seen({}), seen({ record: 1_000 })]).toEqual([undefined, undefined]);
  });

  test('stays promoted when another release has followed', () => {
    const world = adopted();
    const id = succeeded(world, 'v2');
    succeeded(world, 'v3');
    expect(outcome(world, id)?.outcome).toBe('promoted');
  });

  test('is rolled back once both services are back, with who ended it and why', () => {
    const world = adopted();
    const id = awaitingApproval(world, 'v2');
    world.reject();
    world.wake();
    expect(outcome(world, id)).toBeUndefined();
    expect(world.settle().phase).toBe('aborted');
    const ended = outcome(world, id);
    expect(ended).toMatchObject({ outcome: 'rolledBack', by: 'person' });
    expect(renderOutcome(ended!)).toMatch(
      /^rolled back by a person: commit commit-v2: .*rejected by a person/,
    );
  });

  test('stays rolled back when another release has been promoted since', () => {
    const world = adopted();
    const id = awaitingApproval(world, 'v2');
    world.reject();
    world.settle();
    succeeded(world, 'v3');
    expect(outcome(world, id)?.outcome).toBe('rolledBack');
  });

  test('is superseded when a newer one waits for the canary', () => {
    const world = adopted();
    const id = awaitingApproval(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    while (world.record().decision?.restoredAt === undefined) {
      world.wake();
      world.finishRollout('canary');
      world.pass(1_000);
    }
    expect(outcome(world, id)).toMatchObject({
      outcome: 'superseded',
      reason: `a newer commit is ready for the canary (execution ${newer}, commit commit-v3)`,
    });
  });

  test('is superseded by a newer one on the way to the canary', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    awaitingApproval(world, 'v2');
    const id = world.push('v3');
    world.advance();
    world.advance();
    world.pass(1_000);
    world.push('v4');
    world.advance();
    world.advance();
    expect(outcome(world, id)).toMatchObject({
      outcome: 'superseded',
      reason: 'a newer execution took its place',
    });
  });

  test('is that another release, which a person decides, is waited for', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    awaitingApproval(world, 'v2');
    const id = world.push('v3');
    expect(outcome(world, id)).toBeUndefined();
    world.advance();
    world.advance();
    world.wake();
    expect(outcome(world, id)).toMatchObject({
      outcome: 'waiting',
      reason: expect.stringMatching(/is before it and waits for a person/),
    });
  });

  test('is not released where its source failed: nothing was changed', () => {
    const world = new SimulatedWorld(policy, 20 * 60_000, true, false);
    world.wake();
    const id = world.push('v2');
    const run = world.runs.find(({ executionId }) => executionId === id)!;
    run.status = 'Failed';
    run.summary = 'The object does not exist.';
    world.executions.find((execution) => execution.id === id)!.status = 'Failed';
    const ended = outcome(world, id)!;
    expect(ended).toMatchObject({
      outcome: 'notReleased',
      reason: 'Source failed: The object does not exist.',
    });
    expect(renderOutcome(ended)).toBe(
      `not released: execution ${id}: Source failed: The object does not exist.`,
    );
  });

  test('names the image where the pipeline builds nothing', () => {
    const world = new SimulatedWorld(policy, 20 * 60_000, true, false);
    world.wake();
    world.pass(60_000);
    const id = awaitingApproval(world, 'v2');
    expect(renderOutcome(outcome(world, id)!)).toBe(
      `waiting for a person: ${imageOf('v2')}: queue-canary approve promotes it, queue-canary reject ends it`,
    );
  });

  test('is unknown while the pipeline or the record cannot be read, or does not list the execution yet', () => {
    const world = adopted();
    const id = onCanary(world, 'v2');
    world.unreadable = 'pipeline';
    expect(outcomeOf(world.observe(), world.policy, world.plan(), id, world.now)).toMatchObject({
      known: false,
    });
    world.unreadable = 'none';
    expect(outcomeOf(world.observe(), world.policy, world.plan(), 'another', world.now)).toEqual({
      known: false,
      problem: 'the pipeline does not list execution another',
    });
  });
});
