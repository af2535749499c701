import { describe, expect, test } from 'vitest';
import {
  adopted,
  awaitingApproval,
  expectBothOn,
  onCanary,
  onStable,
  policy,
} from '../../test/release-stages.ts';
import { SimulatedWorld } from '../../test/simulated-world.ts';
import { known, type Observed, unknown } from './observed.ts';
import { plan } from './plan.ts';

describe('jobs', () => {
  test('answers a job of an unknown release by asking to be called again', () => {
    const world = adopted();
    expect(world.plan({ id: 'stray' }).effects).toEqual([{ kind: 'continueJob', jobId: 'stray' }]);
  });

  test('fails a job whose named execution has ended', () => {
    const world = adopted();
    const id = awaitingApproval(world, 'v2');
    world.reject();
    world.settle();
    expect(world.plan({ id: 'late', executionId: id }).effects).toEqual([
      expect.objectContaining({ kind: 'failJob', jobId: 'late' }),
    ]);
  });

  test('answers every job exactly once, whatever the phase', () => {
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

  test.each(cases)('halts without touching anything when %s cannot be read', (_what, blind) => {
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

  test('goes on rolling back when only the signals cannot be read', () => {
    const world = adopted();
    onStable(world, 'bad');
    world.ruin();
    world.applyAll(world.plan().effects.slice(0, 1));
    world.alarmsReadable = false;
    world.deadLettersReadable = false;
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('adopts nothing from images named by tag', () => {
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
