import { join } from 'node:path';
import {
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  ECSClient,
  ListClustersCommand,
} from '@aws-sdk/client-ecs';
import { GetQueueAttributesCommand, ListQueuesCommand } from '@aws-sdk/client-sqs';
import { GetParameterCommand, PutParameterCommand } from '@aws-sdk/client-ssm';
import { CfnOutput, CfnResource, CustomResource, Duration, type Stack } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { CfnQueue, Queue } from 'aws-cdk-lib/aws-sqs';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import { Provider } from 'aws-cdk-lib/custom-resources';
import { expect, test } from 'vitest';
import { Cdk } from './cdk-cli.ts';
import { CloudFormationWorld } from './cloudformation-world.ts';
import { pushImage } from './push-image.ts';

test('cdk deploys, changes and destroys a stack, with the roles of a bootstrapped account', async () => {
  const world = await CloudFormationWorld.start();
  const app = new Cdk(world);
  const body = (seconds: number) => (stack: Stack) => {
    const dead = new Queue(stack, 'Dead');
    const queue = new Queue(stack, 'Queue', {
      visibilityTimeout: Duration.seconds(seconds),
      deadLetterQueue: { queue: dead, maxReceiveCount: 3 },
    });
    const note = new StringParameter(stack, 'Note', { stringValue: queue.queueName });
    new CfnOutput(stack, 'Url', { value: queue.queueUrl });
    new CfnOutput(stack, 'NoteName', { value: note.parameterName });
  };

  app.define(body(20));
  const created = await app.run('deploy');
  expect(created.output).toContain('CREATE_COMPLETE');
  expect(created.status).toBe(0);
  const { Url, NoteName } = app.outputs().Small!;
  const note = await world.ssm.send(new GetParameterCommand({ Name: NoteName! }));
  expect(Url!.endsWith(note.Parameter!.Value!)).toBe(true);
  const stack = await world.describe('Small');
  expect(stack.RoleARN).toBe(
    'arn:aws:iam::000000000000:role/cdk-hnb659fds-cfn-exec-role-000000000000-us-east-1',
  );

  const same = await app.run('deploy');
  expect(same.output).toContain('(no changes)');

  app.define(body(25));
  expect((await app.run('deploy')).status).toBe(0);
  const { Attributes } = await world.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: Url!, AttributeNames: ['VisibilityTimeout'] }),
  );
  expect(Attributes!.VisibilityTimeout).toBe('25');

  const destroyed = await app.run('destroy');
  expect(destroyed.status).toBe(0);
  expect((await world.sqs.send(new ListQueuesCommand({}))).QueueUrls ?? []).toEqual([]);
});

test('cdk bootstrap finds its stack and brings it up to date, twice; and another one with a key of its own', async () => {
  const world = await CloudFormationWorld.start();
  const app = new Cdk(world);
  app.define((stack) => new Queue(stack, 'Queue'));
  expect(await world.describe('CDKToolkit')).toMatchObject({ StackStatus: 'CREATE_COMPLETE' });
  const environment = `aws://${world.engine.accountId}/${world.engine.region}`;
  const first = await app.run('bootstrap', environment);
  expect(first.output).toContain(`Environment ${environment} bootstrapped.`);
  expect(first.status).toBe(0);
  expect((await app.run('bootstrap', environment)).output).toContain('bootstrapped (no changes)');
  const outputs = (await world.describe('CDKToolkit')).Outputs!.map(({ OutputKey }) => OutputKey);
  expect(outputs.sort()).toEqual([
    'BootstrapVersion',
    'BucketDomainName',
    'BucketName',
    'FileAssetKeyArn',
    'ImageRepositoryName',
  ]);
  expect((await app.run('deploy')).status).toBe(0);
  const own = ['--qualifier', 'own', '--toolkit-stack-name', 'Own', '--bootstrap-customer-key'];
  const second = await app.run('bootstrap', environment, ...own);
  expect(second.status).toBe(0);
  const key = (await world.describe('Own')).Outputs!.find(({ OutputKey }) => OutputKey === 'FileAssetKeyArn');
  expect(key?.OutputValue).toMatch(/^arn:aws:kms:us-east-1:000000000000:key\/[0-9a-f-]{36}$/);
});

test('cdk looks up the default VPC, and one of a stack, with their subnets and gateways', async () => {
  const world = await CloudFormationWorld.start();
  const app = new Cdk(world);
  const network = `
    const { aws_ec2: ec2 } = cdk;
    const env = { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION };
    const net = new cdk.Stack(app, 'Net', { env });
    new ec2.Vpc(net, 'Vpc', { vpcName: 'mine', maxAzs: 2, natGateways: 1, restrictDefaultSecurityGroup: false });`;
  app.write(network);
  expect((await app.run('deploy', 'Net')).status).toBe(0);
  app.write(`${network}
    const look = new cdk.Stack(app, 'Look', { env });
    new cdk.aws_sqs.Queue(look, 'Queue');
    const show = (name, vpc) => new cdk.CfnOutput(look, name, { value: [
      vpc.vpcCidrBlock, vpc.publicSubnets.length, vpc.privateSubnets.length, vpc.isolatedSubnets.length,
      ec2.SecurityGroup.fromLookupByName(look, name + 'Group', 'default', vpc).securityGroupId.slice(0, 3),
    ].join(' ') });
    show('Usual', ec2.Vpc.fromLookup(look, 'D', { isDefault: true }));
    show('Mine', ec2.Vpc.fromLookup(look, 'M', { vpcName: 'mine' }));`);
  const looked = await app.run('deploy', 'Look');
  expect(looked.status).toBe(0);
  expect(app.outputs().Look).toEqual({
    Usual: '172.31.0.0/16 3 0 0 sg-',
    Mine: '10.0.0.0/16 2 2 0 sg-',
  });
});

test('cdk for another region ends with a line that names the region of the engine', async () => {
  const world = await CloudFormationWorld.start();
  const app = new Cdk(world, undefined, 'us-west-2');
  app.define((stack) => new Queue(stack, 'Queue'));
  const { output, status } = await app.run('deploy');
  expect(status).toBe(1);
  expect(output).toContain('the local engine is us-east-1, and the request was signed for us-west-2');
});

test('a custom resource of CDK’s Provider framework is made and deleted by its handler', async () => {
  const world = await CloudFormationWorld.start({ pace: 600 });
  const app = new Cdk(world);
  const code =
    'exports.handler = async ({ RequestType }) => ({ PhysicalResourceId: "thing", Data: { Said: RequestType } })';
  app.define((stack) => {
    const onEventHandler = new lambda.Function(stack, 'OnEvent', {
      runtime: lambda.Runtime.NODEJS_24_X,
      handler: 'index.handler',
      code: lambda.Code.fromInline(code),
    });
    const { serviceToken } = new Provider(stack, 'Provider', { onEventHandler });
    const thing = new CustomResource(stack, 'Thing', { serviceToken });
    new CfnOutput(stack, 'Said', { value: thing.getAttString('Said') });
  });
  const { output } = await app.run('deploy');
  expect(output).toContain('✅');
  expect(app.outputs().Small).toEqual({ Said: 'Create' });
  const { StackId } = await world.describe('Small');
  await world.delete('Small');
  expect((await world.describe(StackId!)).StackStatus).toBe('DELETE_COMPLETE');
});

test('cdk reports an unknown type and a failed resource in words that say what to do', async () => {
  const world = await CloudFormationWorld.start();
  const app = new Cdk(world);
  app.define((stack) => new CfnResource(stack, 'Rocket', { type: 'AWS::Rocket::Launcher' }));
  const unknown = await app.run('deploy');
  expect(unknown.status).not.toBe(0);
  expect(unknown.output).toContain('Unrecognized resource types: [AWS::Rocket::Launcher]');
  expect(unknown.output).toContain('leave it out');

  app.define((stack) => new CfnQueue(stack, 'Queue', { visibilityTimeout: 99999999 }));
  const failed = await app.run('deploy');
  expect(failed.status).not.toBe(0);
  expect(failed.output).toContain('VisibilityTimeout');
  expect((await world.describe('Small')).StackStatus).toBe('ROLLBACK_COMPLETE');
});

test('both stacks of the example app deploy, run their tasks, and go away without a trace', async () => {
  const world = await CloudFormationWorld.start();
  const repository = join(import.meta.dirname, '../../..');
  const cdk = new Cdk(world, ['--conditions=@queue-canary/source', join(repository, 'examples/app/app.ts')]);
  // The default keeps queues, code and images.
  const removal = ['-c', 'removal=destroy'];
  const image = await cdk.run('deploy', 'QueueCanaryImage', ...removal);
  expect(image.output).toContain('QueueCanaryImage | 8/8');
  expect(image.status).toBe(0);
  const { ImageRepositoryUri, ImageParameterName } = cdk.outputs().QueueCanaryImage!;
  const pushed = await pushImage(
    world.engine,
    ImageRepositoryUri!.slice(ImageRepositoryUri!.indexOf('/') + 1),
    'v1',
    {
      files: {
        'worker.mjs':
          "import { createServer } from 'node:net'; process.on('SIGTERM', () => process.exit(0)); createServer().listen(0);",
      },
      command: ['node', 'worker.mjs'],
    },
  );
  await world.ssm.send(
    new PutParameterCommand({ Name: ImageParameterName!, Value: pushed, Overwrite: true }),
  );

  const pipeline = await cdk.run('deploy', 'QueueCanaryPipeline', '--exclusively', ...removal);
  expect(pipeline.output).toContain('✅  QueueCanaryPipeline');
  expect(pipeline.status).toBe(0);
  const outputs = cdk.outputs().QueueCanaryPipeline!;
  const ecs = new ECSClient(world.engine.client);
  const { services } = await ecs.send(
    new DescribeServicesCommand({
      cluster: outputs.ClusterName,
      services: [outputs.CanaryServiceName!, outputs.StableServiceName!],
    }),
  );
  for (const service of services!) {
    const { taskDefinition } = await ecs.send(
      new DescribeTaskDefinitionCommand({ taskDefinition: service.taskDefinition }),
    );
    expect(taskDefinition!.containerDefinitions![0]!.image).toBe(pushed);
    expect(service.runningCount).toBe(service.desiredCount);
    expect(service.runningCount).toBeGreaterThan(0);
  }

  const destroyed = await cdk.run('destroy', '--all', ...removal);
  expect(destroyed.output).toContain('QueueCanaryImage: destroyed');
  expect(destroyed.status).toBe(0);
  expect((await world.sqs.send(new ListQueuesCommand({}))).QueueUrls ?? []).toEqual([]);
  const { clusterArns } = await ecs.send(new ListClustersCommand({}));
  expect(clusterArns ?? []).toEqual([]);
});
