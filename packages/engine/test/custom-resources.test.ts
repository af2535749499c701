import { CreateStackCommand, type CreateStackCommandInput } from '@aws-sdk/client-cloudformation';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../src/clock/virtual-clock.ts';
import { ByteIds } from '../src/index.ts';
import { CloudFormationWorld } from './cloudformation-world.ts';

const role = {
  Type: 'AWS::IAM::Role',
  Properties: {
    AssumeRolePolicyDocument: {
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' },
      ],
    },
    Policies: [
      {
        PolicyName: 'log',
        PolicyDocument: {
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: ['logs:*'], Resource: '*' }],
        },
      },
    ],
  },
};
const OPTIONS: Pick<CreateStackCommandInput, 'Capabilities'> = { Capabilities: ['CAPABILITY_IAM'] };

/**
 * Answers as CDK's handlers do, with host and path of the address and https. What it answers is in the properties:
 * `Id`, `Data`, and `Fail` with the request types that are to fail.
 */
const HANDLER = `const https = require('node:https');
const { URL } = require('node:url');
exports.handler = (event) => new Promise((resolve, reject) => {
  const { Id, Fail = '', Silent } = event.ResourceProperties;
  console.log(JSON.stringify(event));
  if (Silent === event.RequestType) return resolve();
  const failed = Fail.includes(event.RequestType);
  const body = JSON.stringify({
    Status: failed ? 'FAILED' : 'SUCCESS', Reason: 'as asked', PhysicalResourceId: Id ?? event.PhysicalResourceId ?? 'first',
    StackId: event.StackId, RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId,
    Data: { Type: event.RequestType, 'Deep.Name': 'deep', Properties: JSON.stringify(event.ResourceProperties) },
  });
  const { hostname, pathname, search } = new URL(event.ResponseURL);
  const request = https.request({ hostname, path: pathname + search, method: 'PUT', headers: { 'content-type': '', 'content-length': body.length } }, (response) => {
    response.resume();
    response.on('end', () => resolve());
  });
  request.on('error', reject);
  request.end(body);
});`;

const fn = (ZipFile: string, Runtime = 'nodejs24.x') => ({
  Type: 'AWS::Lambda::Function',
  Properties: {
    ...{ Runtime, Handler: 'index.handler', Timeout: 30, Role: { 'Fn::GetAtt': ['Role', 'Arn'] } },
    Code: { ZipFile },
  },
});

const template = (properties: object, source = HANDLER, rest: object = {}, runtime?: string) => ({
  Resources: {
    Role: role,
    Fn: fn(source, runtime),
    Thing: {
      Type: 'Custom::Thing',
      Properties: { ServiceToken: { 'Fn::GetAtt': ['Fn', 'Arn'] }, ...properties },
    },
    ...rest,
  },
  Outputs: {
    Id: { Value: { Ref: 'Thing' } },
    Type: { Value: { 'Fn::GetAtt': ['Thing', 'Type'] } },
    Deep: { Value: { 'Fn::GetAtt': ['Thing', 'Deep.Name'] } },
    Properties: { Value: { 'Fn::GetAtt': ['Thing', 'Properties'] } },
  },
});

class World {
  readonly stacks: CloudFormationWorld;

  private constructor(stacks: CloudFormationWorld) {
    this.stacks = stacks;
  }

  static async start(options: Parameters<typeof CloudFormationWorld.start>[0] = {}) {
    return new World(await CloudFormationWorld.start({ pace: 600, ids: new ByteIds(), ...options }));
  }

  outputs = async (name = 'custom') =>
    Object.fromEntries(
      ((await this.stacks.describe(name)).Outputs ?? []).map((output) => [
        output.OutputKey!,
        output.OutputValue!,
      ]),
    );

  /** What the function was asked, in order: type and physical id. */
  asked(): string[] {
    return this.stacks.engine.journal
      .read()
      .filter(({ type }) => type === 'custom-resource.asked')
      .map(({ detail }) => `${String(detail.requestType)} ${String(detail.id ?? '')}`.trim());
  }

  /** Why steps of resources failed. */
  reasons(): string {
    return this.stacks.engine.journal
      .read()
      .filter(({ type }) => type === 'resource.changed')
      .map(({ detail }) => String(detail.reason ?? ''))
      .join('\n');
  }
}

/** A failing sibling, which is made once the custom resource is. */
const failing = (name: string) => ({
  Bad: { Type: 'AWS::SQS::Queue', DependsOn: 'Thing', Properties: { QueueName: name } },
});

describe('a custom resource', () => {
  test('is made, changed and deleted by its function, which gets all values as text', async () => {
    const world = await World.start();
    await world.stacks.create(
      'custom',
      template({ Number: 1, Flag: true, List: [2, { Deep: false }] }),
      OPTIONS,
    );
    expect(await world.outputs()).toMatchObject({ Id: 'first', Type: 'Create', Deep: 'deep' });
    expect(JSON.parse((await world.outputs()).Properties!)).toEqual({
      ServiceToken: expect.stringContaining(':function:'),
      ...{ Number: '1', Flag: 'true', List: ['2', { Deep: 'false' }] },
    });
    await world.stacks.update('custom', template({ Number: 2 }), OPTIONS);
    expect(await world.outputs()).toMatchObject({ Id: 'first', Type: 'Update' });
    await world.stacks.delete('custom');
    expect(world.asked()).toEqual(['Create', 'Update first', 'Delete first']);
  });

  test('whose update gives another id is replaced: the old one is deleted once the update is complete', async () => {
    const world = await World.start();
    await world.stacks.create('custom', template({ Id: 'one' }), OPTIONS);
    await world.stacks.update('custom', template({ Id: 'two' }), OPTIONS);
    expect(await world.outputs()).toMatchObject({ Id: 'two' });
    expect(world.asked()).toEqual(['Create', 'Update one', 'Delete one']);
    expect((await world.stacks.resources('custom')).get('Thing')!.PhysicalResourceId).toBe('two');
  });

  test('is put back when another resource of the update fails', async () => {
    const world = await World.start();
    await world.stacks.create('custom', template({ Id: 'one' }), OPTIONS);
    const stack = await world.stacks.update(
      'custom',
      template({ Id: 'two' }, HANDLER, failing('no name')),
      OPTIONS,
    );
    expect(stack.StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(world.asked()).toEqual(['Create', 'Update one', 'Update two', 'Delete two']);
    expect(await world.outputs()).toMatchObject({ Id: 'one' });
  });

  test('whose update fails is asked to go back to what it was', async () => {
    const world = await World.start();
    await world.stacks.create('custom', template({ Mark: 'a' }), OPTIONS);
    const stack = await world.stacks.update('custom', template({ Mark: 'b', Fail: 'Update' }), OPTIONS);
    expect(stack.StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(world.asked()).toEqual(['Create', 'Update first', 'Update first']);
    expect(JSON.parse((await world.outputs()).Properties!)).toMatchObject({ Mark: 'a' });
  });

  test('whose creation fails is deleted by the id that came with the failure, and the reason is told', async () => {
    const world = await World.start();
    const stack = await world.stacks.create('custom', template({ Id: 'half', Fail: 'Create' }), OPTIONS);
    expect(stack.StackStatus).toBe('ROLLBACK_COMPLETE');
    expect(world.asked()).toEqual(['Create', 'Delete half']);
    expect(world.reasons()).toMatch(
      /Received response status \[FAILED\] from custom resource\. Message returned: as asked \(RequestId: /,
    );
  });

  test('whose deletion fails keeps its stack', async () => {
    const world = await World.start();
    await world.stacks.create('custom', template({ Fail: 'Delete' }), OPTIONS);
    expect((await world.stacks.delete('custom')).StackStatus).toBe('DELETE_FAILED');
  });

  test.each([
    [{ ServiceTimeout: 90 }, 90_000],
    [{}, 3_600_000],
  ])('with %o that nobody answers for fails after %d ms', async (properties, limitMs) => {
    const clock = new VirtualClock();
    const world = await World.start({ clock });
    const { engine, cloudformation } = world.stacks;
    const failed = () => /did not receive a response from your Custom Resource/.test(world.reasons());
    const TemplateBody = JSON.stringify(template({ Silent: 'Create', ...properties }));
    const sent = cloudformation.send(
      new CreateStackCommand({ StackName: 'custom', TemplateBody, ...OPTIONS }),
    );
    await engine.journal.waitFor(({ type }) => type === 'custom-resource.asked', 0);
    await clock.advanceBy(limitMs - 1);
    expect(failed()).toBe(false);
    await clock.advanceBy(1);
    await engine.journal.waitFor(({ detail }) => detail.status === 'CREATE_FAILED', 0);
    expect(failed()).toBe(true);
    await sent;
  });
});

test.each([
  [
    'nodejs24.x',
    `const response = require('cfn-response');
exports.handler = (event, context) => { response.send(event, context, response.SUCCESS, { Type: event.RequestType, 'Deep.Name': 'd', Properties: '' }, 'by-module'); };`,
  ],
  [
    'python3.13',
    `import cfnresponse
def handler(event, context):
    cfnresponse.send(event, context, cfnresponse.SUCCESS, {'Type': event['RequestType'], 'Deep.Name': 'd', 'Properties': ''}, 'by-module')`,
  ],
])('inline code of %s answers with the module that CloudFormation adds', async (runtime, source) => {
  const world = await World.start();
  await world.stacks.create('custom', template({}, source, {}, runtime), OPTIONS);
  expect(await world.outputs()).toMatchObject({ Id: 'by-module', Type: 'Create' });
});

test('AWS::CloudFormation::CustomResource is one as well', async () => {
  const world = await World.start();
  const { Resources, Outputs } = template({});
  const Thing = { ...Resources.Thing, Type: 'AWS::CloudFormation::CustomResource' };
  await world.stacks.create('custom', { Resources: { ...Resources, Thing }, Outputs }, OPTIONS);
  expect(await world.outputs()).toMatchObject({ Id: 'first' });
});

test.each([
  [{ ServiceToken: 'arn:aws:sns:us-east-1:000000000000:topic' }, /ServiceToken.*asks Lambda functions/],
  [{ ServiceTimeout: 3601 }, /ServiceTimeout: 3601 is not a number of seconds from 1 to 3600/],
  [{ ServiceTimeout: 'soon' }, /ServiceTimeout: "soon"/],
])('%o is refused before anything is made', async (properties, message) => {
  const world = await World.start();
  await expect(world.stacks.create('custom', template(properties), OPTIONS)).rejects.toThrow(message);
});

test.each([
  ['the address', 'https.request(event.ResponseURL, options, done)'],
  ['a URL', 'https.request(new URL(event.ResponseURL), options, done)'],
  ['host and port', 'https.request({ ...options, host: hostname, port: 443, path: pathname }, done)'],
])('a Node function may answer by https with %s', async (_, request) => {
  const world = await World.start();
  const source = `const https = require('node:https');
exports.handler = (event) => new Promise((resolve, reject) => {
  const { hostname, pathname } = new URL(event.ResponseURL);
  const Data = { Type: '', 'Deep.Name': '', Properties: '' };
  const options = { method: 'PUT' };
  const done = (response) => response.resume().on('end', resolve);
  ${request}.on('error', reject).end(JSON.stringify({ ...event, Status: 'SUCCESS', PhysicalResourceId: 'one', Data }));
});`;
  await world.stacks.create('custom', template({}, source), OPTIONS);
  expect(await world.outputs()).toMatchObject({ Id: 'one' });
});

test.each([
  ['too long', "'x'.repeat(5000)", /Response object is too long/],
  ['no JSON', "'x'", /Invalid Response object: it is not JSON/],
  ['for another request', "JSON.stringify({ ...event, RequestId: 'other', Status: 'SUCCESS' })", /RequestId/],
  ['without an id', "JSON.stringify({ ...event, Status: 'SUCCESS' })", /Invalid PhysicalResourceId/],
])('an answer that is %s fails the resource and says why', async (_, body, reason) => {
  const world = await World.start();
  const source = `exports.handler = (event) => fetch(event.ResponseURL, { method: 'PUT',
    body: event.RequestType === 'Create' ? ${body} : JSON.stringify({ ...event, Status: 'SUCCESS' }) }).then(() => 1);`;
  const stack = await world.stacks.create('custom', template({}, source), OPTIONS);
  expect(stack.StackStatus).toBe('ROLLBACK_COMPLETE');
  expect(world.reasons()).toMatch(reason);
});

test('the first answer counts, and nobody can answer who was not asked', async () => {
  const world = await World.start();
  const twice = `exports.handler = async ({ ResponseURL, ...event }) => {
    for (const PhysicalResourceId of ['one', 'two']) {
      const Data = { Type: '', 'Deep.Name': '', Properties: '' };
      const body = JSON.stringify({ ...event, Status: 'SUCCESS', PhysicalResourceId, Data });
      await fetch(ResponseURL, { method: 'PUT', body });
    }
  };`;
  await world.stacks.create('custom', template({}, twice), OPTIONS);
  expect(await world.outputs()).toMatchObject({ Id: 'one' });
  const guess = `${world.stacks.engine.endpoint}/custom-resource-response/${'0'.repeat(64)}`;
  expect((await fetch(guess, { method: 'PUT', body: '{}' })).status).toBe(403);
});

test('an engine that was stopped waits on for the answer in its next run, and does not ask again', async () => {
  const first = await World.start();
  const { directory } = first.stacks.engine;
  const slow = `exports.handler = async ({ ResponseURL, ...event }) => {
    await new Promise((resolve) => require('node:net').createServer().listen(0, '127.0.0.1'));
  };`;
  const TemplateBody = JSON.stringify(template({}, slow));
  const asked = first.stacks.engine.journal.waitFor(({ type }) => type === 'custom-resource.asked', 0);
  await first.stacks.cloudformation.send(
    new CreateStackCommand({ StackName: 'custom', TemplateBody, ...OPTIONS }),
  );
  await asked;
  await first.stacks.engine.close();
  const second = await World.start({ directory });
  await second.stacks.engine.journal.waitFor(({ type }) => type === 'engine.started', 0);
  expect((await second.stacks.describe('custom')).StackStatus).toBe('CREATE_IN_PROGRESS');
  expect(second.asked()).toEqual(['Create']);
});
