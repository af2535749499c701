import { SQS } from '@aws-sdk/client-sqs';
import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { expect, test } from 'vitest';
import { ImageStack, QueueCanary } from '../src/index.ts';
import { DeployedStacks, IMAGE_STACK, PIPELINE_STACK } from './deployed-stacks.ts';
import { quickApp } from './quick-app.ts';

/** A team's own network, cluster and queue in one stack, and in another a canary for them. */
function synthesized() {
  const app = quickApp();
  const { image } = new ImageStack(app, IMAGE_STACK);
  const own = new Stack(app, 'Own');
  const vpc = new ec2.Vpc(own, 'Vpc', { natGateways: 1, maxAzs: 2, restrictDefaultSecurityGroup: false });
  const cluster = new ecs.Cluster(own, 'Cluster', { vpc: vpc as ec2.IVpc });
  const queue = new sqs.Queue(own, 'Orders', {
    fifo: true,
    deadLetterQueue: { queue: new sqs.Queue(own, 'Dead', { fifo: true }), maxReceiveCount: 4 },
  });
  const stack = new Stack(app, PIPELINE_STACK);
  new QueueCanary(stack, 'Default', { image, queue, cluster: cluster as ecs.ICluster, stableTasksMin: 1 });
  return [IMAGE_STACK, 'Own', PIPELINE_STACK].map(
    (name) => [name, Template.fromStack(app.node.findChild(name) as Stack)] as const,
  );
}

test('a canary is deployed next to the queue, cluster and network that a team has, which stay as they are', async () => {
  const stacks = await DeployedStacks.start({ pace: 60 });
  const [image, own, canary] = synthesized();
  await stacks.deployStack(...image!);
  const uri = await stacks.image('one');
  await stacks.write(await stacks.output(IMAGE_STACK, 'ImageParameterName'), uri);
  await stacks.deployStack(...own!);
  const before = await stacks.world.resources('Own');
  const client = new SQS(stacks.world.engine.client);
  const { QueueUrls = [] } = await client.listQueues({});
  const url = QueueUrls.find((each) => each.includes('Orders'))!;
  await client.sendMessage({
    QueueUrl: url,
    MessageBody: 'kept',
    MessageGroupId: 'a',
    MessageDeduplicationId: '1',
  });

  expect((await stacks.deployStack(...canary!)).StackStatus).toBe('CREATE_COMPLETE');
  await stacks.running(uri);
  expect(await stacks.output(PIPELINE_STACK, 'QueueUrl')).toBe(url);
  for (const { clusterArn, launchType, networkConfiguration } of await stacks.services()) {
    expect(clusterArn).toContain('cluster/Own-');
    expect(launchType).toBe('FARGATE');
    expect(networkConfiguration?.awsvpcConfiguration).toMatchObject({ assignPublicIp: 'DISABLED' });
  }

  await stacks.world.delete(PIPELINE_STACK);
  expect(await stacks.world.resources('Own')).toEqual(before);
  const { Messages } = await client.receiveMessage({ QueueUrl: url });
  expect(Messages).toMatchObject([{ Body: 'kept' }]);
});
