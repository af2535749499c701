import { describe, expect, test } from 'vitest';
import { good, judgedMs, judging, observed, promoted } from '../../test/judged-world.ts';
import { known } from './observed.ts';
import { plan } from './plan.ts';

const minute = 60_000;

describe('a release whose pipeline does not ask for its answer', () => {
  test('says so of the verdict, since when, and what to do', () => {
    const { world } = judging('automatic');
    world.pass(judgedMs);
    world.report(good);
    world.wake();
    expect(world.wake().reasons.join('\n')).not.toMatch(/has not asked/);
    world.pass(3 * minute);
    world.report(good);
    expect(world.wake().reasons.join('\n')).toMatch(
      /the Judge action has not asked the controller for its answer for 3 min: .* queue-canary rollback/,
    );
  });

  test('says so of the end of its watch', () => {
    const { world } = promoted();
    world.pass(8 * minute);
    world.report(good);
    expect(world.wake().reasons.join('\n')).toMatch(/the Record action has not asked .* for 3 min/);
  });

  test('says nothing while it is asked', () => {
    const { world } = judging('automatic');
    observed(world, judgedMs, good);
    expect(world.wake().reasons.join('\n')).not.toMatch(/has not asked/);
  });
});

describe('a stage that a person has closed', () => {
  test.each([
    ['a reason', { transitionDisabledReason: 'freeze' }, ' ("freeze")'],
    ['no reason', {}, ''],
  ])('is named with what to do, where %s is given, and who waits in front of it', (_what, given, shown) => {
    const { world, id } = judging('automatic');
    const seen = world.observe();
    if (!seen.pipeline.known) throw new Error('the pipeline is known');
    const pipeline = seen.pipeline.value;
    const reasons = (waiting: { readonly inboundExecutionIds: readonly string[] }) => {
      const closed = { transitionEnabled: false, ...given, ...waiting };
      const stages = pipeline.stages.map((stage) =>
        stage.name === 'Stable' ? { ...stage, ...closed } : stage,
      );
      return plan({ ...seen, pipeline: known({ ...pipeline, stages }) }, world.policy, world.now).reasons;
    };
    expect(reasons({ inboundExecutionIds: [id] })).toContain(
      `execution ${id} waits in front of stage Stable, whose transition somebody has disabled${shown}: aws codepipeline enable-stage-transition --pipeline-name pipeline --stage-name Stable --transition-type Inbound`,
    );
    expect(reasons({ inboundExecutionIds: [] }).join('\n')).not.toMatch(/waits in front/);
  });

  test('by the controller itself is not mentioned', () => {
    const { world } = judging('automatic');
    world.push('v3');
    world.advance();
    world.advance();
    expect(world.gate.enabled).toBe(false);
    expect(world.wake().reasons.join('\n')).not.toMatch(/somebody has disabled/);
  });
});
