import { beforeAll, describe, expect, test } from 'vitest';
import {
  ensureControllerBundle,
  resource,
  resources,
  type Synthesized,
  statementsOf,
  synthesize,
} from '../test/synthesize.ts';

let usual: Synthesized;
let judged: Synthesized;

beforeAll(async () => {
  await ensureControllerBundle();
  usual = synthesize();
  judged = synthesize({ judgeConfiguration: true });
});

/** What must be in place before a resource is touched, directly or by way of others. */
function before({ pipeline }: Synthesized, logicalId: string): Set<string> {
  const all = new Map(resources(pipeline).map((each) => [each.logicalId, each]));
  const found = new Set<string>();
  const add = (id: string) => {
    for (const next of all.get(id)?.dependsOn ?? []) {
      if (found.has(next)) continue;
      found.add(next);
      add(next);
    }
  };
  add(logicalId);
  return found;
}

function service({ pipeline }: Synthesized, track: 'Canary' | 'Stable'): string {
  return resources(pipeline, 'AWS::ECS::Service').find(({ logicalId }) => logicalId.includes(track))!
    .logicalId;
}

describe('a stack update', () => {
  test('reaches the canary before stable, with or without a judge', () => {
    for (const stacks of [usual, judged]) {
      expect(before(stacks, service(stacks, 'Stable'))).toContain(service(stacks, 'Canary'));
    }
  });

  test('asks before the canary is changed, and before stable is', () => {
    const hold = resource(judged.pipeline, 'Custom::CanaryHold').logicalId;
    const verdict = resource(judged.pipeline, 'Custom::CanaryVerdict').logicalId;
    expect(before(judged, service(judged, 'Canary'))).toContain(hold);
    expect(before(judged, verdict)).toContain(service(judged, 'Canary'));
    expect(before(judged, service(judged, 'Stable'))).toContain(verdict);
  });

  test('asks whenever the task definition of the canary is another one, and waits for an hour', () => {
    const taskDefinition = resource(judged.pipeline, 'AWS::ECS::Service', 'ServicesCanary').properties
      .TaskDefinition;
    for (const type of ['Custom::CanaryHold', 'Custom::CanaryVerdict']) {
      expect(resource(judged.pipeline, type).properties).toMatchObject({
        TaskDefinition: taskDefinition,
        ServiceTimeout: '3600',
      });
    }
  });

  test('asks nobody unless that is wanted', () => {
    expect(resources(usual.pipeline).filter(({ type }) => type.startsWith('Custom::Canary'))).toEqual([]);
  });
});

test('who asks may read and write its parameter and read the status of its own stack, and no more', () => {
  const statements = statementsOf(
    judged.pipeline,
    resource(judged.pipeline, 'AWS::IAM::Role', 'ConfigurationRole').logicalId,
  );
  expect(statements.flatMap(({ Action }) => Action).sort()).toEqual([
    'cloudformation:DescribeStacks',
    'logs:CreateLogStream',
    'logs:PutLogEvents',
    'ssm:GetParameter',
    'ssm:PutParameter',
  ]);
  expect(JSON.stringify(statements)).not.toContain('"*"');
});
