import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateRepositoryCommand, ECRClient } from '@aws-sdk/client-ecr';
import { expect, test } from 'vitest';
import { Cdk } from './cdk-cli.ts';
import { CloudFormationWorld, type StackTemplate } from './cloudformation-world.ts';
import { pushImage } from './push-image.ts';

/** Stacks of the app that deploy here from their template alone. */
const DEPLOYED = [
  ...[
    'Alarms',
    'Arm',
    'Cron',
    'DefaultVpc',
    'EcrLifecycle',
    'EventsToSqs',
    'Fifo',
    'HealthCheck',
    'LambdaPython',
  ],
  ...['LogFilter', 'QueueKms', 'QueueProcessing', 'QueueProcessingBreaker', 'QueueSse', 'S3ToSqs', 'Scaling'],
  ...['SecretInContainer', 'SnsToSqs', 'SsmInContainer', 'VpcEndpoints'],
];

/** Those whose functions are assets, which the CDK's command uploads. */
const WITH_ASSETS = ['AwsCustom', 'BucketAutoDelete', 'LogRetention'];

const unknown = (type: string) => `Unrecognized resource types: [${type}]`;
const extraneous = (property: string) => `extraneous key [${property}] is not permitted`;

/** What is said of the others before anything is made. */
const REFUSED = {
  CloudMap: unknown('AWS::ServiceDiscovery::PrivateDnsNamespace, AWS::ServiceDiscovery::Service'),
  CompositeAlarm: unknown('AWS::CloudWatch::CompositeAlarm'),
  Dynamo: unknown('AWS::DynamoDB::Table'),
  Ec2Service: 'the local engine does not support UpdatePolicy',
  EventBus: unknown('AWS::Events::EventBus'),
  LambdaSqs: unknown('AWS::Lambda::EventSourceMapping'),
  LambdaUrlAlias: unknown('AWS::Lambda::Url'),
  Nested: unknown('AWS::CloudFormation::Stack'),
  ScheduledTask: extraneous('EcsParameters'),
  Scheduler: unknown('AWS::Scheduler::Schedule'),
  StepFunctions: unknown('AWS::StepFunctions::StateMachine'),
};

/** What is said when the resource is to be made, after which the stack is rolled back. */
const FAILED = {
  GithubPipeline: 'ActionType Source/AWS/CodeStarSourceConnection/1 is not available in the local engine',
  S3Pipeline: 'PollForSourceChanges must be false: the local engine does not poll',
  Sidecar: 'the local engine runs one container per task; this definition has 2: worker, side',
  Volume: 'the local engine does not support volumes',
};

const APP = join(import.meta.dirname, 'constructs-app.mjs');

test('stacks of the constructs around ECS, queues and functions deploy, or are refused by name', async () => {
  const world = await CloudFormationWorld.start({ pace: 600 });
  await new ECRClient(world.engine.client).send(
    new CreateRepositoryCommand({ repositoryName: 'constructs' }),
  );
  await pushImage(world.engine, 'constructs', 'latest', { files: { none: '' }, command: ['node'] });
  const cdk = new Cdk(world, [APP]);
  const { output } = await cdk.run('deploy', ...WITH_ASSETS, '--concurrency', '3');
  for (const name of WITH_ASSETS) expect(output).toContain(`✅  ${name}`);
  const template = (name: string) =>
    JSON.parse(readFileSync(join(cdk.assembly, `${name}.template.json`), 'utf8')) as StackTemplate;
  const create = (name: string) => world.create(name, template(name), { Capabilities: ['CAPABILITY_IAM'] });
  await Promise.all(
    DEPLOYED.map(async (name) =>
      expect(await create(name)).toMatchObject({ StackName: name, StackStatus: 'CREATE_COMPLETE' }),
    ),
  );
  for (const [name, message] of Object.entries(REFUSED)) await expect(create(name)).rejects.toThrow(message);
  for (const [name, message] of Object.entries(FAILED)) {
    expect(await create(name)).toMatchObject({ StackStatus: 'ROLLBACK_COMPLETE' });
    const failures = world.engine.journal
      .read()
      .filter(({ detail }) => detail.stack === name && detail.status === 'CREATE_FAILED');
    expect(failures.map(({ detail }) => detail.reason).join('\n')).toContain(message);
  }
});
