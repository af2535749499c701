import {
  ContinueUpdateRollbackCommand,
  CreateChangeSetCommand,
  DeleteChangeSetCommand,
  DescribeStackResourceCommand,
  DescribeStackResourcesCommand,
  ExecuteChangeSetCommand,
  GetTemplateCommand,
  GetTemplateSummaryCommand,
  ListChangeSetsCommand,
  ListExportsCommand,
  ListImportsCommand,
  ListStacksCommand,
  UpdateTerminationProtectionCommand,
  ValidateTemplateCommand,
} from '@aws-sdk/client-cloudformation';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
} from '@aws-sdk/client-sqs';
import { GetParameterCommand, PutParameterCommand } from '@aws-sdk/client-ssm';
import { describe, expect, test } from 'vitest';
import { CloudFormationWorld } from './cloudformation-world.ts';

const queue = (properties: object = {}, attributes: object = {}) => ({
  Type: 'AWS::SQS::Queue',
  Properties: properties,
  ...attributes,
});
const parameter = (value: unknown, properties: object = {}) => ({
  Type: 'AWS::SSM::Parameter',
  Properties: { Type: 'String', Value: value, ...properties },
});
/** A queue that SQS refuses. */
const refusedQueue = (properties: object = {}) => queue({ VisibilityTimeout: 99_999_999, ...properties });

const queueCount = async (world: CloudFormationWorld) =>
  (await world.sqs.send(new ListQueuesCommand({}))).QueueUrls?.length ?? 0;

describe('creating', () => {
  test('resources come in dependency order, and outputs carry what they became', async () => {
    const world = await CloudFormationWorld.start();
    const stack = await world.create('app', {
      Resources: {
        Note: parameter({ 'Fn::GetAtt': ['Queue', 'QueueName'] }),
        Queue: queue({
          RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': ['Dead', 'Arn'] }, maxReceiveCount: 3 },
        }),
        Dead: queue(),
      },
      Outputs: {
        Url: { Value: { Ref: 'Queue' }, Description: 'where to send' },
        Name: { Value: { Ref: 'Note' } },
      },
    });
    expect(stack.StackStatus).toBe('CREATE_COMPLETE');
    const events = await world.events('app');
    const at = (event: string) => events.indexOf(event);
    expect(at('Dead CREATE_COMPLETE')).toBeLessThan(at('Queue CREATE_IN_PROGRESS'));
    expect(at('Queue CREATE_COMPLETE')).toBeLessThan(at('Note CREATE_IN_PROGRESS'));
    expect(events.at(-1)).toBe('app CREATE_COMPLETE');
    const outputs = Object.fromEntries(
      stack.Outputs!.map((output) => [output.OutputKey, output.OutputValue]),
    );
    const found = await world.ssm.send(new GetParameterCommand({ Name: outputs.Name! }));
    expect(found.Parameter!.Value).toMatch(/^app-Queue-[A-Z2-7]{12}$/);
    const attributes = await world.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: outputs.Url!, AttributeNames: ['RedrivePolicy'] }),
    );
    expect(JSON.parse(attributes.Attributes!.RedrivePolicy!).maxReceiveCount).toBe(3);
  });

  test('a failure rolls everything back and says why', async () => {
    const world = await CloudFormationWorld.start();
    const stack = await world.create('app', {
      Resources: { Good: queue(), Bad: { ...refusedQueue(), DependsOn: 'Good' } },
    });
    expect(stack.StackStatus).toBe('ROLLBACK_COMPLETE');
    expect(await world.reason('app', 'Bad', 'CREATE_FAILED')).toContain('VisibilityTimeout');
    expect(await world.reason('app', 'app', 'ROLLBACK_IN_PROGRESS')).toBe(
      'The following resource(s) failed to create: [Bad]. Rollback requested by user.',
    );
    expect(await world.events('app')).toContain('Good DELETE_COMPLETE');
    expect(await queueCount(world)).toBe(0);
    await expect(world.update('app', { Resources: { Good: queue() } })).rejects.toThrow(
      'is in ROLLBACK_COMPLETE state and can not be updated.',
    );
    await world.delete('app');
    await expect(world.describe('app')).rejects.toThrow('Stack with id app does not exist');
  });

  test('OnFailure DO_NOTHING keeps what was created', async () => {
    const world = await CloudFormationWorld.start();
    const stack = await world.create(
      'app',
      { Resources: { Good: queue(), Bad: { ...refusedQueue(), DependsOn: 'Good' } } },
      { OnFailure: 'DO_NOTHING' },
    );
    expect(stack.StackStatus).toBe('CREATE_FAILED');
    expect(await queueCount(world)).toBe(1);
    const fixed = await world.update('app', { Resources: { Good: queue(), Bad: queue() } });
    expect(fixed.StackStatus).toBe('UPDATE_COMPLETE');
    expect(await queueCount(world)).toBe(2);
  });

  test('two creations of one stack at once: one wins, the other is told', async () => {
    const world = await CloudFormationWorld.start();
    const template = { Resources: { Queue: queue() } };
    const results = await Promise.allSettled([world.create('app', template), world.create('app', template)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await queueCount(world)).toBe(1);
  });

  test('a name that is taken by something else fails, and that thing is left alone', async () => {
    const world = await CloudFormationWorld.start();
    await world.ssm.send(new PutParameterCommand({ Name: 'mine', Type: 'String', Value: 'precious' }));
    const stack = await world.create('app', { Resources: { Taken: parameter('other', { Name: 'mine' }) } });
    expect(stack.StackStatus).toBe('ROLLBACK_COMPLETE');
    expect(await world.reason('app', 'Taken', 'CREATE_FAILED')).toContain('mine already exists');
    const kept = await world.ssm.send(new GetParameterCommand({ Name: 'mine' }));
    expect(kept.Parameter!.Value).toBe('precious');
  });

  test('conditions leave resources, properties and outputs out', async () => {
    const world = await CloudFormationWorld.start();
    const template = {
      Parameters: { Stage: { Type: 'String', AllowedValues: ['dev', 'prod'], Default: 'dev' } },
      Conditions: { Prod: { 'Fn::Equals': [{ Ref: 'Stage' }, 'prod'] } },
      Resources: {
        Always: queue({ VisibilityTimeout: { 'Fn::If': ['Prod', 60, { Ref: 'AWS::NoValue' }] } }),
        Extra: queue({}, { Condition: 'Prod' }),
      },
      Outputs: { Extra: { Condition: 'Prod', Value: { Ref: 'Always' } } },
    };
    const dev = await world.create('app', template);
    expect(dev.Outputs ?? []).toEqual([]);
    expect([...(await world.resources('app')).keys()]).toEqual(['Always']);
    const prod = await world.update('app', template, {
      Parameters: [{ ParameterKey: 'Stage', ParameterValue: 'prod' }],
    });
    expect(prod.Outputs).toHaveLength(1);
    const url = (await world.resources('app')).get('Always')!.PhysicalResourceId!;
    const { Attributes } = await world.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['VisibilityTimeout'] }),
    );
    expect(Attributes!.VisibilityTimeout).toBe('60');
    await world.update('app', template, { Parameters: [{ ParameterKey: 'Stage', ParameterValue: 'dev' }] });
    expect(await queueCount(world)).toBe(1);
  });
});

describe('updating', () => {
  test('a change in place keeps the physical resource', async () => {
    const world = await CloudFormationWorld.start();
    await world.create('app', { Resources: { Queue: queue({ VisibilityTimeout: 10 }) } });
    const before = (await world.resources('app')).get('Queue')!.PhysicalResourceId!;
    const stack = await world.update('app', { Resources: { Queue: queue({ DelaySeconds: 5 }) } });
    expect(stack.StackStatus).toBe('UPDATE_COMPLETE');
    expect((await world.resources('app')).get('Queue')!.PhysicalResourceId).toBe(before);
    const { Attributes } = await world.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: before, AttributeNames: ['All'] }),
    );
    expect(Attributes).toMatchObject({ DelaySeconds: '5', VisibilityTimeout: '30' });
  });

  test('a replacement creates first, moves dependents over, and deletes the old one last', async () => {
    const world = await CloudFormationWorld.start();
    const template = (name: string) => ({
      Resources: { Queue: queue({ QueueName: name }), Note: parameter({ Ref: 'Queue' }) },
    });
    await world.create('app', template('first'));
    await world.update('app', template('second'));
    const events = (await world.events('app')).slice(
      (await world.events('app')).indexOf('app CREATE_COMPLETE'),
    );
    expect(events.indexOf('Note UPDATE_COMPLETE')).toBeLessThan(events.indexOf('Queue DELETE_IN_PROGRESS'));
    expect(events.indexOf('app UPDATE_COMPLETE_CLEANUP_IN_PROGRESS')).toBeLessThan(
      events.indexOf('Queue DELETE_IN_PROGRESS'),
    );
    const note = (await world.resources('app')).get('Note')!.PhysicalResourceId!;
    const { Parameter } = await world.ssm.send(new GetParameterCommand({ Name: note }));
    expect(Parameter!.Value).toMatch(/\/second$/);
    await expect(world.sqs.send(new GetQueueUrlCommand({ QueueName: 'first' }))).rejects.toThrow();
  });

  test('a failed update restores properties, replacements and removals, and deletes what it created', async () => {
    const world = await CloudFormationWorld.start();
    await world.create('app', {
      Resources: {
        Changed: queue({ DelaySeconds: 1 }),
        Replaced: queue({ QueueName: 'old' }),
        Removed: queue({ QueueName: 'removed' }),
      },
      Outputs: { Which: { Value: 'before' } },
    });
    const changed = (await world.resources('app')).get('Changed')!.PhysicalResourceId!;
    const stack = await world.update('app', {
      Resources: {
        Changed: queue({ DelaySeconds: 2 }),
        Replaced: queue({ QueueName: 'new' }),
        Added: queue({ QueueName: 'added' }),
        Bad: { ...refusedQueue(), DependsOn: ['Changed', 'Replaced', 'Added'] },
      },
      Outputs: { Which: { Value: 'after' } },
    });
    expect(stack.StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(stack.Outputs![0]!.OutputValue).toBe('before');
    const { Attributes } = await world.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: changed, AttributeNames: ['DelaySeconds'] }),
    );
    expect(Attributes!.DelaySeconds).toBe('1');
    const names = (await world.sqs.send(new ListQueuesCommand({}))).QueueUrls!.map((url) =>
      url.split('/').at(-1),
    );
    expect(names.filter((name) => !name!.startsWith('app-')).sort()).toEqual(['old', 'removed']);
    expect([...(await world.resources('app')).keys()].sort()).toEqual(['Changed', 'Removed', 'Replaced']);
    const again = await world.update('app', { Resources: { Changed: queue({ DelaySeconds: 3 }) } });
    expect(again.StackStatus).toBe('UPDATE_COMPLETE');
    expect(await queueCount(world)).toBe(1);
  });

  test('a rollback that cannot restore a resource can be continued without it', async () => {
    const world = await CloudFormationWorld.start();
    const template = (delay: number) => ({
      Resources: {
        Lost: queue({ QueueName: 'lost', DelaySeconds: delay }),
        Note: parameter(`delay ${delay}`),
      },
    });
    await world.create('app', template(1));
    const url = (await world.resources('app')).get('Lost')!.PhysicalResourceId!;
    await world.sqs.send(new DeleteQueueCommand({ QueueUrl: url }));
    const stack = await world.update('app', template(2));
    expect(stack.StackStatus).toBe('UPDATE_ROLLBACK_FAILED');
    await world.cloudformation.send(
      new ContinueUpdateRollbackCommand({ StackName: 'app', ResourcesToSkip: ['Lost'] }),
    );
    expect((await world.settled('app')).StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
  });

  test('nothing to do is an error for UpdateStack', async () => {
    const world = await CloudFormationWorld.start();
    const template = { Resources: { Queue: queue() } };
    await world.create('app', template);
    await expect(world.update('app', template)).rejects.toThrow('No updates are to be performed.');
  });

  test('stack tags reach resources, and changing them is a change', async () => {
    const world = await CloudFormationWorld.start();
    const template = { Resources: { Queue: queue() } };
    await world.create('app', template, { Tags: [{ Key: 'team', Value: 'blue' }] });
    const stack = await world.update('app', template, { Tags: [{ Key: 'team', Value: 'red' }] });
    expect(stack.Tags).toEqual([{ Key: 'team', Value: 'red' }]);
    expect(await world.events('app')).toContain('Queue UPDATE_COMPLETE');
  });
});

describe('deleting', () => {
  test('dependents go first, and Retain keeps', async () => {
    const world = await CloudFormationWorld.start();
    await world.create('app', {
      Resources: {
        Kept: queue({}, { DeletionPolicy: 'Retain' }),
        Dead: queue(),
        Queue: queue({
          RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': ['Dead', 'Arn'] }, maxReceiveCount: 3 },
        }),
      },
    });
    const deleted = await world.delete('app');
    expect(deleted.StackStatus).toBe('DELETE_COMPLETE');
    const events = await world.events(deleted.StackId!);
    expect(events.indexOf('Queue DELETE_COMPLETE')).toBeLessThan(events.indexOf('Dead DELETE_IN_PROGRESS'));
    expect(events).toContain('Kept DELETE_SKIPPED');
    expect(await queueCount(world)).toBe(1);
    const { StackSummaries } = await world.cloudformation.send(
      new ListStacksCommand({ StackStatusFilter: ['DELETE_COMPLETE'] }),
    );
    expect(StackSummaries!.map((stack) => stack.StackName)).toEqual(['app']);
  });

  test('RetainExceptOnCreate is deleted by the rollback of its creation, Retain is not', async () => {
    const world = await CloudFormationWorld.start();
    await world.create('app', {
      Resources: {
        Kept: queue({ QueueName: 'kept' }, { DeletionPolicy: 'Retain' }),
        Dropped: queue({ QueueName: 'dropped' }, { DeletionPolicy: 'RetainExceptOnCreate' }),
        Bad: { ...refusedQueue(), DependsOn: ['Kept', 'Dropped'] },
      },
    });
    const urls = (await world.sqs.send(new ListQueuesCommand({}))).QueueUrls!;
    expect(urls.map((url) => url.split('/').at(-1))).toEqual(['kept']);
  });

  test('what a failed update made stays with Retain, and goes with RetainExceptOnCreate', async () => {
    const world = await CloudFormationWorld.start();
    await world.create('app', { Resources: { First: queue({ QueueName: 'first' }) } });
    const stack = await world.update('app', {
      Resources: {
        First: queue({ QueueName: 'first' }),
        Kept: queue({ QueueName: 'kept' }, { DeletionPolicy: 'Retain' }),
        Dropped: queue({ QueueName: 'dropped' }, { DeletionPolicy: 'RetainExceptOnCreate' }),
        Bad: { ...refusedQueue(), DependsOn: ['Kept', 'Dropped'] },
      },
    });
    expect(stack.StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(await world.events('app')).toContain('Kept DELETE_SKIPPED');
    const urls = (await world.sqs.send(new ListQueuesCommand({}))).QueueUrls!;
    expect(urls.map((url) => url.split('/').at(-1))).toEqual(['first', 'kept']);
  });

  test('what cannot be deleted fails the deletion, and may be retained then', async () => {
    const world = await CloudFormationWorld.start();
    const s3 = new S3Client({ ...world.engine.client, forcePathStyle: true });
    await world.create('app', { Resources: { Bucket: { Type: 'AWS::S3::Bucket' }, Queue: queue() } });
    const bucket = (await world.resources('app')).get('Bucket')!.PhysicalResourceId!;
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'v' }));
    const failed = await world.delete('app');
    expect(failed.StackStatus).toBe('DELETE_FAILED');
    expect(failed.StackStatusReason).toBe('The following resource(s) failed to delete: [Bucket]. ');
    expect((await world.delete('app', { RetainResources: ['Bucket'] })).StackStatus).toBe('DELETE_COMPLETE');
  });

  test('termination protection refuses', async () => {
    const world = await CloudFormationWorld.start();
    await world.create('app', { Resources: { Queue: queue() } }, { EnableTerminationProtection: true });
    await expect(world.delete('app')).rejects.toThrow('TerminationProtection is enabled');
    await world.cloudformation.send(
      new UpdateTerminationProtectionCommand({ StackName: 'app', EnableTerminationProtection: false }),
    );
    expect((await world.delete('app')).StackStatus).toBe('DELETE_COMPLETE');
  });
});

describe('exports', () => {
  const producer = (extra: object = {}) => ({
    Resources: { Queue: queue() },
    Outputs: { Arn: { Value: { 'Fn::GetAtt': ['Queue', 'Arn'] }, Export: { Name: 'queue-arn' } }, ...extra },
  });
  const consumer = { Resources: { Note: parameter({ 'Fn::ImportValue': 'queue-arn' }) } };

  test('an imported value arrives, and its export is protected while it is in use', async () => {
    const world = await CloudFormationWorld.start();
    await world.create('producer', producer());
    await world.create('consumer', consumer);
    const note = (await world.resources('consumer')).get('Note')!.PhysicalResourceId!;
    const { Parameter } = await world.ssm.send(new GetParameterCommand({ Name: note }));
    expect(Parameter!.Value).toMatch(/^arn:aws:sqs:/);
    const { Imports } = await world.cloudformation.send(new ListImportsCommand({ ExportName: 'queue-arn' }));
    expect(Imports).toEqual(['consumer']);

    const refused = await world.delete('producer');
    expect(refused.StackStatus).toBe('DELETE_FAILED');
    expect(refused.StackStatusReason).toContain('Cannot delete export queue-arn as it is in use by consumer');

    await world.delete('consumer');
    expect((await world.delete('producer')).StackStatus).toBe('DELETE_COMPLETE');
    const { Exports } = await world.cloudformation.send(new ListExportsCommand({}));
    expect(Exports ?? []).toEqual([]);
  });

  test('an update that takes away an export in use is rolled back', async () => {
    const world = await CloudFormationWorld.start();
    await world.create('producer', producer());
    await world.create('consumer', consumer);
    const stack = await world.update('producer', { Resources: { Queue: queue() } });
    expect(stack.StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(await world.reason('producer', 'producer', 'UPDATE_ROLLBACK_IN_PROGRESS')).toBe(
      'Export queue-arn cannot be deleted as it is in use by consumer',
    );
    expect(stack.Outputs).toHaveLength(1);
  });

  test('an update that changes an export in use is rolled back', async () => {
    const world = await CloudFormationWorld.start();
    const named = (QueueName: string) => ({ ...producer(), Resources: { Queue: queue({ QueueName }) } });
    await world.create('producer', named('one'));
    await world.create('consumer', consumer);
    const stack = await world.update('producer', named('two'));
    expect(stack.StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(await world.reason('producer', 'producer', 'UPDATE_ROLLBACK_IN_PROGRESS')).toBe(
      'Export queue-arn cannot be updated as it is in use by consumer',
    );
  });

  test('two stacks cannot export one name, and an unknown import is refused', async () => {
    const world = await CloudFormationWorld.start();
    await world.create('producer', producer());
    const second = await world.create('second', producer());
    expect(second.StackStatus).toBe('ROLLBACK_COMPLETE');
    expect(await world.reason('second', 'second', 'ROLLBACK_IN_PROGRESS')).toMatch(
      /is already exported by stack producer\. .* account and region\. Rollback requested by user\.$/,
    );
    await expect(
      world.create('lost', { Resources: { Note: parameter({ 'Fn::ImportValue': 'nothing' }) } }),
    ).rejects.toThrow('No export named nothing found.');
  });
});

describe('change sets', () => {
  test('tell additions, changes, replacements and removals before anything happens', async () => {
    const world = await CloudFormationWorld.start();
    await world.create('app', {
      Resources: {
        Same: queue(),
        Changed: queue({ DelaySeconds: 1 }),
        Replaced: queue({ QueueName: 'old' }),
        Follower: parameter({ Ref: 'Replaced' }),
        Removed: queue({}, { DeletionPolicy: 'Retain' }),
      },
    });
    const { Changes, Status, StackId } = await world.changeSet('app', {
      Resources: {
        Same: queue(),
        Changed: queue({ DelaySeconds: 2 }),
        Replaced: queue({ QueueName: 'new' }),
        Follower: parameter({ Ref: 'Replaced' }),
        Added: queue(),
      },
    });
    expect(Status).toBe('CREATE_COMPLETE');
    expect(StackId).toBe((await world.describe('app')).StackId);
    const told = Object.fromEntries(
      Changes!.map(({ ResourceChange: change }) => [
        change!.LogicalResourceId,
        [change!.Action, change!.Replacement, change!.PolicyAction],
      ]),
    );
    expect(told).toEqual({
      Changed: ['Modify', 'False', undefined],
      Replaced: ['Modify', 'True', 'ReplaceAndDelete'],
      Follower: ['Modify', 'False', undefined],
      Added: ['Add', undefined, undefined],
      Removed: ['Remove', undefined, 'Retain'],
    });
    expect(await queueCount(world)).toBe(4);
  });

  test('create a stack: in review until executed, gone once executed', async () => {
    const world = await CloudFormationWorld.start();
    const template = { Resources: { Queue: queue() } };
    const set = await world.changeSet('app', template, { ChangeSetType: 'CREATE' });
    expect((await world.describe('app')).StackStatus).toBe('REVIEW_IN_PROGRESS');
    expect(await queueCount(world)).toBe(0);
    await world.cloudformation.send(new ExecuteChangeSetCommand({ ChangeSetName: set.ChangeSetId }));
    expect((await world.settled('app')).StackStatus).toBe('CREATE_COMPLETE');
    const { Summaries } = await world.cloudformation.send(new ListChangeSetsCommand({ StackName: 'app' }));
    expect(Summaries ?? []).toEqual([]);
  });

  test('without changes fail with the words that the CDK looks for', async () => {
    const world = await CloudFormationWorld.start();
    const template = { Resources: { Queue: queue() } };
    await world.create('app', template);
    const set = await world.changeSet('app', template);
    expect(set).toMatchObject({
      Status: 'FAILED',
      ExecutionStatus: 'UNAVAILABLE',
      StatusReason:
        "The submitted information didn't contain changes. Submit different information to create a change set.",
    });
    await expect(
      world.cloudformation.send(new ExecuteChangeSetCommand({ ChangeSetName: set.ChangeSetId })),
    ).rejects.toThrow('cannot be executed in its current status of [FAILED]');
    await world.cloudformation.send(new DeleteChangeSetCommand({ ChangeSetName: set.ChangeSetId }));
    const outputs = await world.changeSet('app', {
      ...template,
      Outputs: { Url: { Value: { Ref: 'Queue' } } },
    });
    expect(outputs.Status).toBe('CREATE_COMPLETE');
  });

  test('imports are refused', async () => {
    const world = await CloudFormationWorld.start();
    await expect(
      world.changeSet('app', { Resources: { Queue: queue() } }, { ChangeSetType: 'IMPORT' }),
    ).rejects.toThrow('does not import existing resources');
  });
});

describe('refused before anything happens', () => {
  test.each([
    [
      'an unknown type',
      { Thing: { Type: 'AWS::Rocket::Launcher' } },
      /Unrecognized resource types: \[AWS::Rocket::Launcher\].*Thing.*leave it out/,
    ],
    [
      'an unknown property',
      { Queue: queue({ Colour: 'red' }) },
      /resource Queue .*extraneous key \[Colour\]/,
    ],
    [
      'an unknown nested property',
      {
        Bucket: {
          Type: 'AWS::S3::Bucket',
          Properties: { VersioningConfiguration: { Status: 'Enabled', Mode: 1 } },
        },
      },
      /#\/VersioningConfiguration: extraneous key \[Mode\]/,
    ],
    [
      'a missing property',
      { Note: { Type: 'AWS::SSM::Parameter', Properties: { Type: 'String' } } },
      /required key \[Value\] not found/,
    ],
    [
      'a reference to nothing',
      { Queue: queue({ QueueName: { Ref: 'Nobody' } }) },
      'Unresolved resource dependencies [Nobody] in the Resources block of the template',
    ],
    [
      'an unknown attribute',
      { Queue: queue(), Note: parameter({ 'Fn::GetAtt': ['Queue', 'Colour'] }) },
      'resource Queue does not support attribute type Colour in Fn::GetAtt',
    ],
    [
      'an unknown function',
      { Queue: queue({ QueueName: { 'Fn::Dream': 'x' } }) },
      'Encountered unsupported function: Fn::Dream',
    ],
    [
      'a cycle',
      { A: parameter({ Ref: 'B' }), B: { ...parameter('x'), DependsOn: 'A' } },
      /Circular dependency between resources: \[(A, B|B, A)\]/,
    ],
    [
      'a snapshot policy',
      { Queue: queue({}, { DeletionPolicy: 'Snapshot' }) },
      'does not support a policy of Snapshot',
    ],
  ])('%s', async (_what, Resources, message) => {
    const world = await CloudFormationWorld.start();
    await expect(
      world.cloudformation.send(
        new CreateChangeSetCommand({
          StackName: 'app',
          ChangeSetName: 'changes',
          ChangeSetType: 'CREATE',
          TemplateBody: JSON.stringify({ Resources }),
        }),
      ),
    ).rejects.toThrow(message);
    await expect(world.describe('app')).rejects.toThrow('Stack with id app does not exist');
  });

  test('IAM resources without the capability', async () => {
    const world = await CloudFormationWorld.start();
    const role = { Type: 'AWS::IAM::Role', Properties: { AssumeRolePolicyDocument: { Statement: [] } } };
    await expect(world.create('app', { Resources: { Role: role } })).rejects.toThrow(
      'Requires capabilities : [CAPABILITY_IAM]',
    );
  });
});

describe('parameters and references', () => {
  test('values from Parameter Store, hidden values and previous values', async () => {
    const world = await CloudFormationWorld.start();
    await world.ssm.send(new PutParameterCommand({ Name: '/size', Type: 'String', Value: '12' }));
    const template = {
      Parameters: {
        Delay: { Type: 'AWS::SSM::Parameter::Value<String>', Default: '/size' },
        Secret: { Type: 'String', NoEcho: true },
      },
      Resources: { Queue: queue({ DelaySeconds: { Ref: 'Delay' } }), Note: parameter({ Ref: 'Secret' }) },
    };
    const stack = await world.create('app', template, {
      Parameters: [{ ParameterKey: 'Secret', ParameterValue: 'hush' }],
    });
    expect(stack.Parameters).toEqual([
      { ParameterKey: 'Delay', ParameterValue: '/size', ResolvedValue: '12' },
      { ParameterKey: 'Secret', ParameterValue: '****' },
    ]);
    await world.ssm.send(
      new PutParameterCommand({ Name: '/size', Type: 'String', Value: '13', Overwrite: true }),
    );
    const updated = await world.update('app', template, {
      Parameters: [{ ParameterKey: 'Secret', UsePreviousValue: true }],
    });
    expect(updated.Parameters![0]!.ResolvedValue).toBe('13');
    const note = (await world.resources('app')).get('Note')!.PhysicalResourceId!;
    const { Parameter } = await world.ssm.send(new GetParameterCommand({ Name: note }));
    expect(Parameter!.Value).toBe('hush');
  });

  test('a dynamic reference is read when the resource is made, and only then', async () => {
    const world = await CloudFormationWorld.start();
    await world.ssm.send(new PutParameterCommand({ Name: 'image', Type: 'String', Value: 'one' }));
    const template = (description: string) => ({
      Resources: {
        Note: parameter(
          { 'Fn::Join': ['', ['{{resolve:ssm:', 'image', '}}']] },
          { Description: description },
        ),
      },
    });
    await world.create('app', template('a'));
    await world.ssm.send(
      new PutParameterCommand({ Name: 'image', Type: 'String', Value: 'two', Overwrite: true }),
    );
    await expect(world.update('app', template('a'))).rejects.toThrow('No updates are to be performed.');
    await world.update('app', template('b'));
    const note = (await world.resources('app')).get('Note')!.PhysicalResourceId!;
    const { Parameter } = await world.ssm.send(new GetParameterCommand({ Name: note }));
    expect(Parameter!.Value).toBe('two');
  });

  test('a change of tags leaves the value that somebody else wrote', async () => {
    const world = await CloudFormationWorld.start();
    const template = (Description: string) => ({ Resources: { Note: parameter('none', { Description }) } });
    await world.create('app', template('a'), { Tags: [{ Key: 'team', Value: 'blue' }] });
    const Name = (await world.resources('app')).get('Note')!.PhysicalResourceId!;
    const value = async () => (await world.ssm.send(new GetParameterCommand({ Name }))).Parameter!.Value;
    await world.ssm.send(new PutParameterCommand({ Name, Value: 'promoted', Overwrite: true }));
    await world.update('app', template('a'), { Tags: [{ Key: 'team', Value: 'red' }] });
    expect(await value()).toBe('promoted');
    await world.update('app', template('b'), { Tags: [{ Key: 'team', Value: 'red' }] });
    expect(await value()).toBe('none');
  });

  test('a dynamic reference to a version reads that version, and one that does not exist fails by name', async () => {
    const world = await CloudFormationWorld.start();
    for (const Value of ['one', 'two']) {
      await world.ssm.send(
        new PutParameterCommand({ Name: 'image', Type: 'String', Value, Overwrite: true }),
      );
    }
    const template = (version: number) => ({
      Resources: { Note: parameter(`{{resolve:ssm:image:${version}}}`) },
    });
    await world.create('app', template(1));
    const note = (await world.resources('app')).get('Note')!.PhysicalResourceId!;
    const { Parameter } = await world.ssm.send(new GetParameterCommand({ Name: note }));
    expect(Parameter!.Value).toBe('one');
    expect((await world.create('other', template(3))).StackStatus).toBe('ROLLBACK_COMPLETE');
    expect(await world.reason('other', 'Note', 'CREATE_FAILED')).toContain('version 3 of image');
  });

  test("a failed rule refuses with the rule's words", async () => {
    const world = await CloudFormationWorld.start();
    const template = {
      Parameters: { Version: { Type: 'String', Default: '5' } },
      Rules: {
        Check: {
          Assertions: [
            {
              Assert: { 'Fn::Not': [{ 'Fn::Contains': [['4', '5'], { Ref: 'Version' }] }] },
              AssertDescription: 'version 6 required',
            },
          ],
        },
      },
      Resources: { Queue: queue() },
    };
    await expect(world.create('app', template)).rejects.toThrow('version 6 required');
    const Parameters = [{ ParameterKey: 'Version', ParameterValue: '6' }];
    expect((await world.create('app', template, { Parameters })).StackStatus).toBe('CREATE_COMPLETE');
  });
});

describe('templates', () => {
  test('come from S3, in YAML, and are given back as they were', async () => {
    const world = await CloudFormationWorld.start();
    const s3 = new S3Client({ ...world.engine.client, forcePathStyle: true });
    const body = [
      'Parameters:',
      '  Name: {Type: String, Default: jobs}',
      'Resources:',
      '  Queue:',
      '    Type: AWS::SQS::Queue',
      '    Properties:',
      `      QueueName: !Sub '\${Name}-\${AWS::Region}'`,
      'Outputs:',
      '  Arn: {Value: !GetAtt Queue.Arn}',
    ].join('\n');
    await s3.send(new CreateBucketCommand({ Bucket: 'templates' }));
    await s3.send(new PutObjectCommand({ Bucket: 'templates', Key: 'a/t.yaml', Body: body }));
    const url = 'https://templates.s3.us-east-1.amazonaws.com/a/t.yaml';
    const { Parameters } = await world.cloudformation.send(new ValidateTemplateCommand({ TemplateURL: url }));
    expect(Parameters).toMatchObject([{ ParameterKey: 'Name', DefaultValue: 'jobs' }]);
    const stack = await world.create('app', {}, { TemplateBody: undefined, TemplateURL: url });
    expect(stack.Outputs![0]!.OutputValue).toBe('arn:aws:sqs:us-east-1:000000000000:jobs-us-east-1');
    const { TemplateBody } = await world.cloudformation.send(new GetTemplateCommand({ StackName: 'app' }));
    expect(TemplateBody).toBe(body);
    const summary = await world.cloudformation.send(new GetTemplateSummaryCommand({ StackName: 'app' }));
    expect(summary.ResourceTypes).toEqual(['AWS::SQS::Queue']);
  });
});

describe('rights', () => {
  test("a stack's role decides what it may create, and must be passed", async () => {
    const world = await CloudFormationWorld.start();
    const iam = new IAMClient(world.engine.client);
    const { Role } = await iam.send(
      new CreateRoleCommand({
        RoleName: 'builder',
        AssumeRolePolicyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Principal: { Service: 'cloudformation.amazonaws.com' },
              Action: 'sts:AssumeRole',
            },
          ],
        }),
      }),
    );
    await iam.send(
      new PutRolePolicyCommand({
        RoleName: 'builder',
        PolicyName: 'queues',
        PolicyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: 'sqs:*', Resource: '*' }],
        }),
      }),
    );
    const RoleARN = Role!.Arn!;
    const stack = await world.create('queues', { Resources: { Queue: queue() } }, { RoleARN });
    expect(stack.StackStatus).toBe('CREATE_COMPLETE');
    const refused = await world.create('notes', { Resources: { Note: parameter('x') } }, { RoleARN });
    expect(refused.StackStatus).toBe('ROLLBACK_COMPLETE');
    expect(await world.reason('notes', 'Note', 'CREATE_FAILED')).toMatch(
      /assumed-role\/builder\/AWSCloudFormation is not authorized to perform: ssm:/,
    );
    await world.ssm.send(new PutParameterCommand({ Name: '/size', Type: 'String', Value: '12' }));
    const sized = {
      Parameters: { Delay: { Type: 'AWS::SSM::Parameter::Value<String>', Default: '/size' } },
      Resources: { Queue: queue({ DelaySeconds: { Ref: 'Delay' } }) },
    };
    await expect(world.create('sized', sized, { RoleARN })).rejects.toThrow(
      /assumed-role\/builder\/AWSCloudFormation is not authorized to perform: ssm:GetParameters/,
    );
  });
});

test('reads answer by name, id and physical id', async () => {
  const world = await CloudFormationWorld.start();
  const stack = await world.create('app', {
    Resources: { Queue: { ...queue(), Metadata: { 'aws:cdk:path': 'app/Queue' } } },
  });
  expect((await world.describe(stack.StackId!)).StackName).toBe('app');
  const { StackResourceDetail } = await world.cloudformation.send(
    new DescribeStackResourceCommand({ StackName: 'app', LogicalResourceId: 'Queue' }),
  );
  expect(JSON.parse(StackResourceDetail!.Metadata!)).toEqual({ 'aws:cdk:path': 'app/Queue' });
  const { StackResources } = await world.cloudformation.send(
    new DescribeStackResourcesCommand({ PhysicalResourceId: StackResourceDetail!.PhysicalResourceId }),
  );
  expect(StackResources!.map((resource) => resource.StackName)).toEqual(['app']);
});
