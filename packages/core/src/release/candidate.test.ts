import { describe, expect, test } from 'vitest';
import { digestOf, imageOf, SimulatedWorld } from '../../test/simulated-world.ts';
import { type Approval, defaultReleasePolicy } from '../policy/policy.ts';
import { renderStatus } from '../view/render.ts';
import { viewRelease } from '../view/view.ts';

const policy = { ...defaultReleasePolicy, bakeMs: 120_000, watchMs: 120_000 };
const work = { perSecond: 8, takesMs: 0 };

/** A world whose first image has been adopted as the last good release. */
function adopted(approval: Approval = 'manual'): SimulatedWorld {
  const world = new SimulatedWorld({ ...policy, approval });
  world.wake();
  world.pass(60_000);
  return world;
}

/** A release of `version` that has come as far as its canary deployment. */
function onCanary(world: SimulatedWorld, ...pushed: Parameters<SimulatedWorld['push']>): string {
  const id = world.push(...pushed);
  world.advance();
  world.advance();
  world.pass(1_000);
  return id;
}

function expectEnded(world: SimulatedWorld, id: string, reason: string): void {
  expect(world.record().decision).toMatchObject({ executionId: id, by: 'pipeline', kind: 'rollback' });
  expect(world.record().decision?.reason).toContain(reason);
  expect(world.status(id)).toBe('Stopped');
  expect(world.settle().phase).toBe('rolledBack');
  expect([world.digestOn('canary'), world.digestOn('stable')]).toEqual([digestOf('v1'), digestOf('v1')]);
  expect(world.record().lastGood?.executionId).toBe('initial');
  expect(world.violations).toEqual([]);
}

describe('a version that cannot start', () => {
  test.each([true, false])('ends its release when ECS gives up (and goes back: %s)', (goesBack) => {
    const world = adopted();
    const id = onCanary(world, 'v2');
    expect(world.wake().phase).toBe('deploying');
    world.failRollout('canary', goesBack);
    expect(world.wake()).toMatchObject({ phase: 'rollingBack', undecided: { phase: 'deploying' } });
    expectEnded(world, id, 'canary cannot start the candidate');
  });

  test('ends its release when its tasks run and exit, which ECS does not count', () => {
    const world = adopted();
    const id = onCanary(world, 'v2');
    world.report({ canary: work, stable: work });
    for (let exits = 1; exits <= 3; exits += 1) {
      expect(world.wake().phase).toBe('deploying');
      world.pass(20_000);
      world.tasks.crash('canary', world.now);
    }
    world.wake();
    expectEnded(
      world,
      id,
      '3 of its tasks ran and ended by themselves. The last task ended so: it exited with 1',
    );
  });

  test('goes on while messages end the tasks of stable as well', () => {
    const world = adopted();
    onCanary(world, 'v2');
    world.report({ canary: work, stable: work });
    for (let exits = 1; exits <= 4; exits += 1) {
      world.pass(20_000);
      world.tasks.crash('canary', world.now);
      world.tasks.crash('stable', world.now);
      expect(world.wake().phase).toBe('deploying');
    }
  });

  test('ends its release on stable as well', () => {
    const world = adopted();
    const id = world.push('v2');
    expect(world.settle().phase).toBe('awaitingApproval');
    world.approve();
    expect(world.wake().phase).toBe('promoting');
    world.failRollout('stable', true);
    world.wake();
    expectEnded(world, id, 'stable cannot start the candidate');
  });
});

describe('what the release is about', () => {
  test('is not the last good image because ECS has gone back to it', () => {
    const world = adopted('automatic');
    const id = onCanary(world, 'v2');
    world.failRollout('canary', true);
    world.finishRollout('canary');
    world.lookedSinceCanary = true;
    world.succeedAnyway();
    world.wake();
    // For a moment ECS's answer may be an old one.
    expect(world.record().decision).toBeUndefined();
    world.pass(15_000);
    world.wake();
    expectEnded(world, id, `canary runs ${imageOf('v1')} instead of the candidate ${digestOf('v2')}`);
  });

  test('passes as unchanged when its build says that it is the last good image', () => {
    const world = adopted('automatic');
    const id = onCanary(world, 'again', {
      exports: { IMAGE_DIGEST: digestOf('v1') },
      deploys: imageOf('v1'),
    });
    expect(world.settle().phase).toBe('succeeded');
    expect(world.record()).toMatchObject({ verdict: { code: 'unchanged' }, lastGood: { executionId: id } });
  });

  test('is refused from another repository, before its tasks need have started', () => {
    const world = adopted('automatic');
    const deploys = `public.example/anything@${digestOf('v2')}`;
    const id = onCanary(world, 'v2', { deploys });
    world.wake();
    expectEnded(world, id, `canary runs ${deploys} instead of the candidate ${digestOf('v2')}`);
    expect(world.runs.some(({ action }) => action === 'DeployStable')).toBe(false);
  });

  test('is refused from another repository also when nothing of it could start', () => {
    const world = adopted();
    const deploys = `public.example/anything@${digestOf('v2')}`;
    const id = onCanary(world, 'v2', { deploys });
    world.failRollout('canary', false);
    world.wake();
    expectEnded(world, id, `canary runs ${deploys} instead of the candidate`);
  });

  test('is refused when the canary is set to run another digest than the build pushed', () => {
    const world = adopted('automatic');
    const id = onCanary(world, 'v2', { deploys: imageOf('other') });
    world.wake();
    expectEnded(world, id, `canary runs ${imageOf('other')} instead of the candidate`);
  });

  test.each([[{}], [{ IMAGE_DIGEST: 'latest' }]])('is refused when the build exports %j', (exports) => {
    const world = adopted();
    const id = onCanary(world, 'v2', { exports });
    world.wake();
    expectEnded(world, id, 'Add "env: exported-variables: [IMAGE_DIGEST]" to buildspec.yml');
  });

  test('is waited for while the list of actions does not show the end of the build yet', () => {
    const world = adopted();
    onCanary(world, 'v2');
    const build = world.runs.find(({ action }) => action === 'Build');
    build!.status = 'InProgress';
    expect(world.wake().phase).toBe('deploying');
  });
});

describe('what a release is about whose pipeline builds nothing', () => {
  /** A world whose releases are asked for by naming an image. */
  function requested(approval: Approval = 'automatic'): SimulatedWorld {
    const world = new SimulatedWorld({ ...policy, approval }, 20 * 60_000, true, false);
    world.wake();
    world.pass(60_000);
    return world;
  }

  /** A release that has come as far as its canary deployment. */
  function asked(world: SimulatedWorld, ...pushed: Parameters<SimulatedWorld['push']>): string {
    const id = world.push(...pushed);
    world.advance();
    world.pass(1_000);
    return id;
  }

  test('is the image that its request names, as far as to its promotion', () => {
    const world = requested('manual');
    const id = asked(world, 'v2');
    expect(world.plan().release?.image).toBe(imageOf('v2'));
    expect(world.settle().phase).toBe('awaitingApproval');
    world.approve();
    expect(world.settle().phase).toBe('succeeded');
    expect(world.record().lastGood).toMatchObject({ executionId: id, imageUri: imageOf('v2') });
    expect(world.image).toBe(imageOf('v2'));
    expect(world.violations).toEqual([]);
  });

  test('passes as unchanged when the request names the last good image', () => {
    const world = requested();
    asked(world, 'v1');
    expect(world.settle().phase).toBe('succeeded');
    expect(world.record().verdict?.code).toBe('unchanged');
  });

  test.each([
    ['an image of another repository', `public.example/anything@${digestOf('v2')}`],
    ['an image of a repository whose name begins alike', `${imageOf('v2').replace('@', '-2@')}`],
    ['a tag', imageOf('v2').replace(/@.*/, ':v2')],
    ['half a digest', imageOf('v2').slice(0, -1)],
    ['nothing, so that S3 says its version', 'Amazon S3 version id: 3sL4kqtJlcpXroDTDmJ'],
  ])('is refused when the request names %s', (_what, requests) => {
    const world = requested();
    const id = asked(world, 'v2', { requests });
    world.wake();
    expectEnded(
      world,
      id,
      `the release request names "${requests}", which is no image of the application's repository by its digest`,
    );
    expect(world.record().decision?.reason).not.toContain('build');
    expect(world.runs.some(({ action }) => action === 'DeployStable')).toBe(false);
  });

  test('is refused when the canary is set to run another image than the request names', () => {
    const world = requested();
    const id = asked(world, 'v2', { deploys: imageOf('other') });
    world.wake();
    expectEnded(
      world,
      id,
      `canary runs ${imageOf('other')} instead of the candidate ${digestOf('v2')}, which its release request names`,
    );
  });

  test('is waited for while the list of executions does not show the request yet', () => {
    const world = requested();
    asked(world, 'v2');
    expect(world.wake(undefined, { executions: 1_000 }).phase).toBe('deploying');
    expect(world.record().decision).toBeUndefined();
  });

  test('gives way to a newer request, and says so', () => {
    const world = requested('manual');
    const id = asked(world, 'v2');
    expect(world.settle().phase).toBe('awaitingApproval');
    asked(world, 'v3');
    world.wake();
    expect(world.record().decision).toMatchObject({ executionId: id, by: 'newerCommit' });
    expect(world.record().decision?.reason).toMatch(/^a newer image is ready for the canary \(execution /);
  });

  test('is what a person sees, without a word of builds', () => {
    const world = requested('manual');
    asked(world, 'v2');
    world.wake();
    const view = viewRelease(world.observe(), world.plan());
    expect(view.stages.map(({ name }) => name)).not.toContain('Build');
    const text = renderStatus(view, world.now).join('\n');
    expect(text).toContain(`worker@${digestOf('v2').slice(0, 15)}`);
    expect(text).not.toMatch(/build/i);
  });
});

describe('who only looks', () => {
  const phaseSeen = (world: SimulatedWorld) => viewRelease(world.observe(), world.plan()).phase;

  test('sees a release as ended once that is decided, and never as undecided again', () => {
    const world = adopted();
    onCanary(world, 'v2');
    world.finishRollout('canary');
    world.wake();
    world.advance();
    world.pass(200_000);
    world.ruin();
    expect(world.plan().phase).toBe('rollingBack');
    expect(phaseSeen(world)).toBe('baking');
    world.wake();
    expect(phaseSeen(world)).toBe('rollingBack');
  });
});
