import { paginateDescribeStackEvents, type StackEvent } from '@aws-sdk/client-cloudformation';
import { Template } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/src/clock/virtual-clock.ts';
import type { StackTemplate } from '../../engine/test/cloudformation-world.ts';
import { DeployedStacks, IMAGE_STACK, PIPELINE_STACK } from './deployed-stacks.ts';
import { resources, synthesize } from './synthesize.ts';

/** What a failed attempt waits for before the next: SQS keeps the names of deleted queues for a minute. */
const QUEUE_NAME_MS = 60_000;

/**
 * `cdk deploy --all` on an empty account, with everything at its default, so that what `Retain` would keep of a failed
 * attempt is in the way of the next.
 */
test('can be repeated after a failure at any resource of either stack', { timeout: 600_000 }, async () => {
  const clock = new VirtualClock();
  const stacks = await DeployedStacks.start({ clock, pace: 1 });
  const { image, pipeline } = synthesize();
  for (const [name, template] of [
    [IMAGE_STACK, image],
    [PIPELINE_STACK, pipeline],
  ] as const) {
    for (const { logicalId } of resources(template)) {
      const failed = await stacks.deployStack(name, failingAfter(template, logicalId));
      expect([logicalId, failed.StackStatus]).toEqual([logicalId, 'ROLLBACK_COMPLETE']);
      expect(await failures(stacks, name)).toEqual([expect.stringMatching(/^Fault: .*\/missing/)]);
      expect((await stacks.world.delete(name)).StackStatus).toBe('DELETE_COMPLETE');
      await clock.advanceBy(QUEUE_NAME_MS);
    }
    expect((await stacks.deployStack(name, template)).StackStatus).toBe('CREATE_COMPLETE');
  }
  for (const { desiredCount, runningCount } of await stacks.services()) {
    expect([desiredCount, runningCount]).toEqual([0, 0]);
  }
});

/** What failed by itself in the attempt, and why. */
async function failures({ world }: DeployedStacks, name: string): Promise<string[]> {
  const events: StackEvent[] = [];
  const pages = paginateDescribeStackEvents({ client: world.cloudformation }, { StackName: name });
  for await (const { StackEvents = [] } of pages) events.push(...StackEvents);
  return events
    .filter(
      ({ ResourceStatus, ResourceStatusReason }) =>
        ResourceStatus === 'CREATE_FAILED' && ResourceStatusReason !== 'Resource creation cancelled',
    )
    .map(({ LogicalResourceId, ResourceStatusReason }) => `${LogicalResourceId}: ${ResourceStatusReason}`);
}

/** The template with one more resource, which fails as soon as another is there. */
function failingAfter(template: Template, logicalId: string): Template {
  const json = template.toJSON() as StackTemplate & { Resources: object };
  return Template.fromJSON({
    ...json,
    Resources: {
      ...json.Resources,
      Fault: {
        Type: 'AWS::SSM::Parameter',
        Properties: { Type: 'String', Value: '{{resolve:ssm:/missing}}' },
        DependsOn: logicalId,
      },
    },
  });
}
