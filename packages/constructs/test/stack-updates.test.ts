import { Duration } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as logs from 'aws-cdk-lib/aws-logs';
import { describe, expect, test } from 'vitest';
import type { PipelineStackProps, WorkerCapacityProps } from '../src/index.ts';
import { DeployedStacks, IMAGE_STACK, PIPELINE_STACK } from './deployed-stacks.ts';
import { resources, synthesize } from './synthesize.ts';

type Props = Omit<PipelineStackProps, 'image'>;

const BEFORE: Props = { stableTasksMin: 1, stableTasksMax: 2, memoryLimitMiB: 1024 };

/** Whose update no test has brought to its end yet. */
type Unseen = 'secrets' | 'sidecars' | 'healthCheck' | 'enableExecuteCommand' | 'propagateTags';

/** Another value than the default of every property that can change a service or a task definition. */
const CAPACITY = {
  canaryTasks: 2,
  stableTasksMin: 2,
  stableTasksMax: 3,
  backlogPerTask: 50,
  cpu: 512,
  memoryLimitMiB: 2048,
  spot: false,
  containerInsights: true,
  protectTasks: 'stable',
  user: '1001',
  readonlyRootFilesystem: false,
  egressPorts: [443, 5432],
  stopTimeout: Duration.seconds(20),
  minHealthyPercent: 50,
  maxHealthyPercent: 150,
  environment: { RETRY_DELAY_SECONDS: '2' },
  logRetention: logs.RetentionDays.ONE_WEEK,
  canaryEnvironment: { LOG_LEVEL: 'debug' },
  stableEnvironment: { LOG_LEVEL: 'info' },
} satisfies Required<Omit<WorkerCapacityProps, Unseen>>;
const OTHERS: Props = {
  natGateways: 1,
  appName: 'Renamed',
  visibilityTimeout: Duration.seconds(40),
  maxReceiveCount: 4,
  approval: 'automatic',
  tags: { team: 'blue' },
};

describe('a stack update after a promotion', () => {
  test('changes no image and replaces no service, whatever property it changes', {
    timeout: 900_000,
  }, async () => {
    const stacks = await DeployedStacks.start({ pace: 60 });
    await firstImage(stacks);
    let props = BEFORE;
    expect((await stacks.deploy(props)).StackStatus).toBe('CREATE_COMPLETE');
    const arns = (await stacks.services()).map(({ serviceArn }) => serviceArn);
    const strayed: string[] = [];
    for (const [name, value] of Object.entries({ ...CAPACITY, ...OTHERS })) {
      const promoted = await stacks.image(name);
      await stacks.promote(promoted);
      const before = templates(props);
      props = { ...props, [name]: value };
      expect(templates(props), `${name} changes nothing`).not.toBe(before);
      expect([name, (await stacks.deploy(props)).StackStatus]).toEqual([name, 'UPDATE_COMPLETE']);
      const images = await stacks.images();
      if (images.some((image) => image !== promoted)) strayed.push(name);
      if (
        JSON.stringify((await stacks.services()).map(({ serviceArn }) => serviceArn)) !== JSON.stringify(arns)
      )
        strayed.push(`${name} replaced`);
    }
    expect(strayed).toEqual([]);
  });

  test('moves stable to and from Spot with the image that it runs, and deploys it again for nothing else', {
    timeout: 600_000,
  }, async () => {
    const stacks = await DeployedStacks.start({ pace: 60 });
    await firstImage(stacks);
    await stacks.deploy(BEFORE);
    const promoted = await stacks.image('promoted');
    await stacks.promote(promoted);
    // The first update after a promotion deploys the same image once more.
    await stacks.deploy(BEFORE);
    const arns = (await stacks.services()).map(({ serviceArn }) => serviceArn);
    const deployed = [await deployments()];
    for (const props of [{ maxHealthyPercent: 150 }, { spot: false }, { spot: true }]) {
      expect((await stacks.deploy({ ...BEFORE, ...props })).StackStatus).toBe('UPDATE_COMPLETE');
      deployed.push(await deployments());
    }
    const [first] = deployed;
    expect(deployed.map(({ canary }) => canary)).toEqual([1, 2, 3, 4].map(() => first?.canary));
    expect(deployed.map(({ stable }) => stable.providers)).toEqual([
      ['FARGATE', 'FARGATE_SPOT'],
      ['FARGATE', 'FARGATE_SPOT'],
      ['FARGATE'],
      ['FARGATE', 'FARGATE_SPOT'],
    ]);
    const ids = deployed.map(({ stable }) => stable.deployment);
    expect(ids[1]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(3);

    async function deployments() {
      expect(await stacks.images()).toEqual([promoted, promoted]);
      const services = await stacks.services();
      expect(services.map(({ serviceArn }) => serviceArn)).toEqual(arns);
      const [canary, stable] = services.map(({ deployments: [newest] = [] }) => ({
        deployment: newest?.id,
        providers: newest?.capacityProviderStrategy?.map(({ capacityProvider }) => capacityProvider),
      }));
      return { canary: canary!, stable: stable! };
    }
  });
});

describe('what a stack update does to the services after a promotion is undone by the controller', () => {
  test('when it fails, and its rollback puts the first image back', { timeout: 600_000 }, async () => {
    const { stacks, first, promoted } = await promotedStacks();
    const { pipeline } = synthesize({ ...BEFORE, memoryLimitMiB: 2048 });
    const { StackStatus } = await stacks.deployStack(PIPELINE_STACK, failingLast(pipeline));
    expect(StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(await stacks.imagesOfTheStack()).toEqual([first, first]);
    await stacks.running(promoted);
  });

  test('when it reads that there is no image, and stops all tasks', { timeout: 600_000 }, async () => {
    const { stacks, promoted } = await promotedStacks();
    await stacks.write(await stacks.output(IMAGE_STACK, 'ImageParameterName'), 'none');
    expect((await stacks.deploy({ ...BEFORE, memoryLimitMiB: 2048 })).StackStatus).toBe('UPDATE_COMPLETE');
    expect(await stacks.imagesOfTheStack()).toEqual(['none', 'none']);
    await stacks.running(promoted);
  });

  async function promotedStacks() {
    const stacks = await DeployedStacks.start({ pace: 60 });
    await firstImage(stacks);
    await stacks.deploy(BEFORE);
    const [first] = await stacks.images();
    const promoted = await stacks.image('promoted');
    await stacks.promote(promoted);
    return { stacks, first, promoted };
  }
});

test('refuses another architecture in both stacks until it is asked for by the parameter', {
  timeout: 600_000,
}, async () => {
  const stacks = await DeployedStacks.start({ pace: 60 });
  await firstImage(stacks);
  expect((await stacks.deploy(BEFORE)).StackStatus).toBe('CREATE_COMPLETE');
  const other = synthesize(BEFORE, { architecture: ecs.CpuArchitecture.X86_64 });
  const inTwoSteps = /changed in two steps: .* with --parameters Architecture=X86_64/;
  await expect(stacks.deployStack(IMAGE_STACK, other.image)).rejects.toThrow(inTwoSteps);
  await expect(stacks.deployStack(PIPELINE_STACK, other.pipeline)).rejects.toThrow(inTwoSteps);
  const asked = { Parameters: [{ ParameterKey: 'Architecture', ParameterValue: 'X86_64' }] };
  expect((await stacks.deployStack(IMAGE_STACK, other.image, asked)).StackStatus).toBe('UPDATE_COMPLETE');
  expect((await stacks.deployStack(PIPELINE_STACK, other.pipeline, asked)).StackStatus).toBe(
    'UPDATE_COMPLETE',
  );
});

/** The same, but for a resource that fails once both services are updated. */
function failingLast(template: Template): Template {
  const json = template.toJSON() as { Resources: Record<string, object> };
  const services = resources(template, 'AWS::ECS::Service').map(({ logicalId }) => logicalId);
  const Failing = { Type: 'AWS::SQS::Queue', DependsOn: services, Properties: { VisibilityTimeout: 99_999 } };
  return Template.fromJSON({ ...json, Resources: { ...json.Resources, Failing } });
}

/** What CloudFormation gets to see of the properties. */
function templates(props: Props): string {
  const { image, pipeline, pipelineStack } = synthesize(props);
  return JSON.stringify([image.toJSON(), pipeline.toJSON(), pipelineStack.tags.tagValues()]);
}

/** The image stack and an image that new services start with. */
async function firstImage(stacks: DeployedStacks): Promise<void> {
  await stacks.deployStack(IMAGE_STACK, synthesize(BEFORE).image);
  await stacks.write(await stacks.output(IMAGE_STACK, 'ImageParameterName'), await stacks.image('first'));
}
