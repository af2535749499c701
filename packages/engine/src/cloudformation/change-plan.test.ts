import { expect, test } from 'vitest';
import { resourceTypeOf } from '../resources/catalogue.ts';
import { planChanges } from './change-plan.ts';
import type { ResourceRecord } from './stack-store.ts';
import { parseTemplate } from './template.ts';

const record = (
  logicalId: string,
  type: string,
  declared: ResourceRecord['declared'],
  attributes = {},
): ResourceRecord => ({
  logicalId,
  type,
  id: `${logicalId}-id`,
  status: 'CREATE_COMPLETE',
  reason: undefined,
  declared,
  properties: declared,
  attributes,
  deletionPolicy: undefined,
  updateReplacePolicy: undefined,
  metadata: undefined,
  stackTags: {},
  needs: [],
  updatedAtMs: 0,
  operation: 'earlier',
  suffix: 'ABCDEFGHIJKL',
});

function plan(
  template: object,
  existing: ResourceRecord[] = [],
  options: { outputs?: Array<{ key: string; value: string }>; stackTags?: Record<string, string> } = {},
) {
  const parsed = parseTemplate(JSON.stringify(template));
  const { changes, outputsChange } = planChanges(parsed, {
    scope: {
      template: parsed,
      parameters: [],
      stackName: 'app',
      stackId: 'arn:stack',
      accountId: '000000000000',
      region: 'us-east-1',
      notificationArns: [],
      exported: () => undefined,
    },
    stackTags: options.stackTags ?? {},
    existing,
    outputs: (options.outputs ?? []).map((output) => ({
      ...output,
      description: undefined,
      exportName: undefined,
    })),
    typeOf: resourceTypeOf,
  });
  return {
    outputsChange,
    changes: Object.fromEntries(
      changes.map((change) => [
        change.logicalId,
        `${change.action} ${change.replacement ?? '-'} ${change.properties.map(({ name, recreation }) => `${name}:${recreation}`).join(',')}`.trim(),
      ]),
    ),
  };
}

const SUBNET = 'AWS::EC2::Subnet';
const VPC = 'AWS::EC2::VPC';

test('functions over what does not exist yet wait for it', () => {
  const { changes } = plan({
    Resources: {
      Vpc: { Type: VPC, Properties: { CidrBlock: '10.0.0.0/16' } },
      Subnet: {
        Type: SUBNET,
        Properties: {
          VpcId: { Ref: 'Vpc' },
          CidrBlock: { 'Fn::Select': [0, { 'Fn::Cidr': [{ 'Fn::GetAtt': ['Vpc', 'CidrBlock'] }, 1, 8] }] },
        },
      },
    },
    Outputs: { First: { Value: { 'Fn::Select': [0, { 'Fn::Split': ['-', { Ref: 'Subnet' }] }] } } },
  });
  expect(changes).toEqual({ Vpc: 'Add -', Subnet: 'Add -' });
});

test('a replacement reaches what refers to it: for sure where a property replaces, perhaps where its value waits', () => {
  const vpc = record('Vpc', VPC, { CidrBlock: '10.0.0.0/16' }, { CidrBlock: '10.0.0.0/16' });
  const subnet = record('Subnet', SUBNET, { VpcId: 'Vpc-id', MapPublicIpOnLaunch: true });
  const note = record('Note', 'AWS::SSM::Parameter', { Type: 'String', Value: 'Subnet-id' });
  const template = (cidr: string) => ({
    Resources: {
      Vpc: { Type: VPC, Properties: { CidrBlock: cidr } },
      Subnet: { Type: SUBNET, Properties: { VpcId: { Ref: 'Vpc' }, MapPublicIpOnLaunch: true } },
      Note: { Type: 'AWS::SSM::Parameter', Properties: { Type: 'String', Value: { Ref: 'Subnet' } } },
    },
  });
  expect(plan(template('10.0.0.0/16'), [vpc, subnet, note]).changes).toEqual({});
  expect(plan(template('10.1.0.0/16'), [vpc, subnet, note]).changes).toEqual({
    Vpc: 'Modify True CidrBlock:Always',
    Subnet: 'Modify Conditional VpcId:Conditionally',
    Note: 'Modify False Value:Never',
  });
});

test('outputs alone, tags alone and nothing at all are told apart', () => {
  const queue = record('Queue', 'AWS::SQS::Queue', {}, { QueueName: 'q' });
  const template = {
    Resources: { Queue: { Type: 'AWS::SQS::Queue' } },
    Outputs: { Name: { Value: { 'Fn::GetAtt': ['Queue', 'QueueName'] } } },
  };
  const outputs = [{ key: 'Name', value: 'q' }];
  expect(plan(template, [queue], { outputs })).toEqual({ changes: {}, outputsChange: false });
  expect(plan(template, [queue], { outputs: [] })).toEqual({ changes: {}, outputsChange: true });
  expect(plan(template, [queue], { outputs, stackTags: { team: 'blue' } }).changes).toEqual({
    Queue: 'Modify False Tags:Never',
  });
});

test('a resource may not change its type', () => {
  const queue = record('Thing', 'AWS::SQS::Queue', {});
  expect(() => plan({ Resources: { Thing: { Type: 'AWS::SNS::Topic' } } }, [queue])).toThrow(
    'Update of resource type is not permitted. The new template modifies resource type of the following resources: [Thing]',
  );
});
