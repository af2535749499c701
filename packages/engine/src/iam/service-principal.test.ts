import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../clock/virtual-clock.ts';
import { State } from '../state/state.ts';
import { PolicyAuthorizer } from './policy-authorizer.ts';
import { servicePrincipal } from './principal.ts';

const accountId = '111122223333';
const queueArn = `arn:aws:sqs:us-east-1:${accountId}:orders`;
const ruleArn = `arn:aws:events:us-east-1:${accountId}:rule/nightly`;

function decide(service: string, sourceArn: string | undefined, statement: object | undefined): () => void {
  const authorizer = new PolicyAuthorizer({
    state: new State(':memory:'),
    accountId,
    region: 'us-east-1',
    clock: new VirtualClock(),
  });
  return () =>
    authorizer.authorize({
      principal: servicePrincipal({ accountId }, service, sourceArn),
      actions: ['sqs:SendMessage'],
      resources: [queueArn],
      conditions: {},
      passesRoles: [],
      resourcePolicy: () => statement && JSON.stringify({ Version: '2012-10-17', Statement: [statement] }),
      accessDeniedCode: 'AccessDeniedException',
    });
}

const fromRule = {
  Effect: 'Allow',
  Principal: { Service: 'events.amazonaws.com' },
  Action: 'sqs:SendMessage',
  Resource: queueArn,
  Condition: { ArnEquals: { 'aws:SourceArn': ruleArn } },
};

describe('a service acting for a resource', () => {
  test('is admitted by a resource policy that names service and source', () => {
    expect(decide('events.amazonaws.com', ruleArn, fromRule)).not.toThrow();
  });

  test('is refused without a resource policy', () => {
    expect(decide('events.amazonaws.com', ruleArn, undefined)).toThrow(
      `User: events.amazonaws.com is not authorized to perform: sqs:SendMessage on resource: ${queueArn} because no resource-based policy allows the sqs:SendMessage action`,
    );
  });

  test('is refused when the policy admits another rule or another service', () => {
    expect(decide('events.amazonaws.com', `${ruleArn}-other`, fromRule)).toThrow('not authorized');
    expect(decide('sns.amazonaws.com', ruleArn, fromRule)).toThrow('not authorized');
  });

  test('is refused by an explicit deny', () => {
    const deny = { Effect: 'Deny', Principal: '*', Action: 'sqs:*', Resource: queueArn };
    expect(decide('events.amazonaws.com', ruleArn, deny)).toThrow('explicit deny');
  });

  test('carries the source owner only for CloudWatch, so that default topic policies admit alarms alone', () => {
    const owner = {
      Effect: 'Allow',
      Principal: { AWS: '*' },
      Action: 'sqs:SendMessage',
      Resource: queueArn,
      Condition: { StringEquals: { 'AWS:SourceOwner': accountId } },
    };
    expect(decide('cloudwatch.amazonaws.com', ruleArn, owner)).not.toThrow();
    expect(decide('events.amazonaws.com', ruleArn, owner)).toThrow('not authorized');
  });
});

test('a service on its own behalf needs no policy', () => {
  expect(decide('logs.amazonaws.com', undefined, undefined)).not.toThrow();
});
