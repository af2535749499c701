import { describe, expect, test } from 'vitest';
import { digestOf, imageOf, SimulatedWorld } from '../../test/simulated-world.ts';
import { defaultReleasePolicy } from '../policy/policy.ts';
import type { Execution } from '../release/observed.ts';
import { renderStatus } from './render.ts';
import { type ReleaseView, viewRelease } from './view.ts';

function world(): SimulatedWorld {
  const created = new SimulatedWorld({ ...defaultReleasePolicy, bakeMs: 60_000, watchMs: 60_000 });
  created.wake();
  return created;
}

function viewOf(of: SimulatedWorld): ReleaseView {
  return viewRelease(of.observe(), of.plan());
}

describe('viewRelease', () => {
  test('shows the candidate on the canary and the last good version on stable while a person decides', () => {
    const w = world();
    const id = w.push('v2');
    w.settle();
    const view = viewOf(w);
    expect(view).toMatchObject({
      phase: 'awaitingApproval',
      release: { executionId: id, commit: 'commit-v2', deadLetters: 0 },
      approvalPending: true,
      tracks: [
        { track: 'canary', runs: 'candidate', commit: 'commit-v2', imageDigest: digestOf('v2') },
        { track: 'stable', runs: 'lastGood', imageDigest: digestOf('v1') },
      ],
      lastGood: { executionId: 'initial' },
    });
    expect(view.stages.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'Source succeeded',
      'Build succeeded',
      'Canary succeeded',
      'Verdict succeeded',
      'Approval running',
      'Stable waiting',
      'Record waiting',
    ]);
  });

  test('shows which track was changed from outside, and until the next release that it was', () => {
    const w = world();
    w.push('v2');
    w.settle();
    w.approve();
    w.settle();
    w.updateService('stable');
    w.pass(20_000);
    w.finishRollout('stable');
    const drifted = viewOf(w);
    expect(drifted).toMatchObject({
      phase: 'drifted',
      tracks: [
        { track: 'canary', runs: 'lastGood' },
        { track: 'stable', runs: 'other', imageDigest: digestOf('v1') },
      ],
    });
    expect(renderStatus(drifted, w.now)[0]).toContain('changed from outside, being restored');
    w.settle();
    const view = viewOf(w);
    expect(view).toMatchObject({ phase: 'succeeded', drift: { stable: { imageDigest: digestOf('v1') } } });
    expect(view.reasons.join()).toContain(`stable ran the image ${digestOf('v1')}`);
    w.push('v3');
    w.settle();
    w.approve();
    w.settle();
    expect(viewOf(w).reasons).toEqual([]);
  });

  test('never carries the approval token', () => {
    const w = world();
    w.push('v2');
    w.settle();
    const observed = w.observe();
    const token = observed.pipeline.known ? observed.pipeline.value.approval?.token : undefined;
    expect(token).toMatch(/^token-/);
    expect(JSON.stringify(viewOf(w))).not.toContain(token);
  });

  test('follows the newest execution before the first release', () => {
    const w = world();
    w.push('v2');
    w.advance();
    expect(viewOf(w)).toMatchObject({
      phase: 'idle',
      stages: [
        { name: 'Source', status: 'succeeded' },
        { name: 'Build', status: 'running' },
        {},
        {},
        {},
        {},
        {},
      ],
      building: [{ commit: 'commit-v2' }],
    });
  });

  test('reports the newest commit when it failed before the canary, until there is a newer one', () => {
    const w = world();
    w.push('v2');
    w.settle();
    const observed = w.observe();
    if (!observed.pipeline.known) throw new Error('the pipeline is known');
    const pipeline = observed.pipeline.value;
    const { executions, actions } = pipeline;
    const at = { startedAt: 1, updatedAt: 2 };
    const failed = { id: 'e3', status: 'Failed', commit: 'commit-v3', ...at } as const;
    const run = { executionId: 'e3', stage: 'Build', action: 'Build', status: 'Failed', ...at } as const;
    const view = (list: readonly Execution[]) => {
      const value = {
        ...pipeline,
        executions: list,
        actions: [...actions, { ...run, summary: 'exit\nstatus 3' }],
      };
      return viewRelease({ ...observed, pipeline: { known: true, value } }, w.plan());
    };
    const shown = view([failed, ...executions]);
    expect(shown.failedBuild).toEqual({
      executionId: 'e3',
      commit: 'commit-v3',
      stage: 'Build',
      note: 'exit\nstatus 3',
    });
    expect(renderStatus(shown, w.now)).toContain(
      'Not built     commit-v  Build failed: exit status 3; its log: queue-canary logs build',
    );
    const newer = { id: 'e4', status: 'InProgress', ...at } as const;
    expect(view([newer, failed, ...executions]).failedBuild).toBeUndefined();
    expect(view(executions).failedBuild).toBeUndefined();
  });

  test('distinguishes executions that wait for the canary from those that are building', () => {
    const w = world();
    w.push('v2');
    w.settle();
    w.push('v3');
    w.advance();
    expect(viewOf(w)).toMatchObject({ waiting: [], building: [{ commit: 'commit-v3' }] });
    w.advance();
    expect(viewOf(w)).toMatchObject({ waiting: [{ commit: 'commit-v3' }], building: [] });
  });

  test('shows what is known when the pipeline cannot be read', () => {
    const w = world();
    w.unreadable = 'pipeline';
    expect(viewOf(w)).toMatchObject({
      phase: 'halted',
      stages: [],
      tracks: [{ runs: 'lastGood' }, { runs: 'lastGood' }],
      problems: ['there is no pipeline'],
    });
  });
});

describe('renderStatus', () => {
  test('reports a release that waits for approval', () => {
    const w = world();
    w.pass(3_600_000);
    w.push('v2');
    w.settle();
    expect(renderStatus(viewOf(w), w.now)).toEqual([
      expect.stringMatching(/^Release {7}commit-v {2}awaiting approval {2}for \d+ min$/),
      expect.stringMatching(
        /^Stages {8}✓ Source .* {2}✓ Build .* {2}✓ Canary .* {2}✓ Verdict .* {2}▸ Approval .* {2}· Stable {2}· Record$/,
      ),
      'Canary        commit-v  candidate  1/1 tasks  steady',
      `Stable        ${imageOf('v1').split('/')[1]!.slice(0, 22)}  last good  3/3 tasks  steady`,
      expect.stringMatching(/^Alarm {9}dead-letters {2}OK {2}for \d+ d/),
      'Dead letters  0  0 during this release',
      `Last good     as created  ${imageOf('v1').split('/')[1]!.slice(0, 22)}`,
      'Approval      pending: queue-canary approve, or queue-canary reject',
      'Because       a person decides whether to promote',
    ]);
  });

  test('says why a release was rolled back, and which service still deploys', () => {
    const w = world();
    w.push('bad');
    w.settle();
    w.ruin();
    w.wake();
    const lines = renderStatus(viewOf(w), w.now).join('\n');
    expect(lines).toContain('rolling back');
    expect(lines).toContain('Dead letters  1  1 during this release');
    expect(lines).toContain('Because       1 message reached the dead-letter queue since');
    expect(lines).toMatch(/Canary .* last good {2}1\/1 tasks {2}deploying/);
  });

  test('dresses text by its meaning without changing the text', () => {
    const w = world();
    w.push('v2');
    w.settle();
    const view = viewOf(w);
    const dressed = renderStatus(view, w.now, (tone, text) => `<${tone}>${text}</${tone}>`);
    expect(dressed.join('\n')).toContain('<strong>awaiting approval</strong>');
    expect(dressed.map((line) => line.replaceAll(/<\/?\w+>/g, ''))).toEqual(renderStatus(view, w.now));
  });

  test('reports an empty pipeline and an unreadable world in words', () => {
    const w = new SimulatedWorld(defaultReleasePolicy);
    w.alarmsReadable = false;
    const lines = renderStatus(viewOf(w), w.now);
    expect(lines).toContain('Last good     none recorded yet');
    expect(lines).toContain('Unknown       the alarms cannot be read');
  });

  test.each([
    [45_000, '45 s'],
    [200_000, '3 min 20 s'],
    [7_500_000, '2 h 5 min'],
    [7_200_000, '2 h'],
    [349_200_000, '4 d 1 h'],
    [-5, '0 s'],
  ])('gives %i ms as %s', (elapsed, text) => {
    const view: ReleaseView = {
      phase: 'succeeded',
      since: 0,
      stages: [],
      tracks: [],
      alarms: [],
      approvalPending: false,
      waiting: [],
      building: [],
      reasons: [],
      problems: [],
    };
    expect(renderStatus(view, elapsed)[0]).toBe(`Release       succeeded  for ${text}`);
  });
});
