import { parseBoundedJson } from '../../document-bounds.ts';
import { AwsFault } from '../../errors.ts';
import { compileEventPattern, EventPatternError } from '../../event-pattern.ts';
import { parsePolicy } from '../../iam/policy-grammar.ts';
import type { Directory } from '../../iam/principal-element.ts';

/** A topic. */
export interface Topic {
  readonly arn: string;
  /** As they were set; `Policy` is the owner's unless another was set. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

/** A subscription: who gets what is published to a topic. */
export interface Subscription {
  readonly arn: string;
  readonly topicArn: string;
  readonly protocol: Protocol;
  readonly endpoint: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Protocols that the engine delivers: the first two to services, the others to the local inbox. */
export const PROTOCOLS = ['sqs', 'lambda', 'email', 'email-json', 'sms', 'http', 'https'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

const TOPIC_ATTRIBUTES = new Set([
  'DisplayName',
  'Policy',
  'DeliveryPolicy',
  'KmsMasterKeyId',
  'SignatureVersion',
  'TracingConfig',
]);
const SUBSCRIPTION_ATTRIBUTES = new Set([
  'RawMessageDelivery',
  'FilterPolicy',
  'FilterPolicyScope',
  'RedrivePolicy',
  'DeliveryPolicy',
]);

/** Checks an attribute of a topic; FIFO topics are refused. */
export function checkTopicAttribute(name: string, value: string, directory: Directory): void {
  if (name === 'FifoTopic' || name === 'ContentBasedDeduplication') {
    if (value === 'false') return;
    throw invalid('The local engine does not support FIFO topics: use a standard topic.');
  }
  if (!TOPIC_ATTRIBUTES.has(name)) throw invalid(`Invalid parameter: AttributeName: ${name}`);
  if (name === 'Policy' && value !== '') {
    const policy = parsePolicy(value, 'sns', directory);
    if ('error' in policy) throw invalid(`Invalid parameter: Policy Reason: ${policy.error}`);
  }
}

/** Checks an attribute of a subscription. */
export function checkSubscriptionAttribute(name: string, value: string): void {
  if (!SUBSCRIPTION_ATTRIBUTES.has(name)) throw invalid(`Invalid parameter: AttributeName: ${name}`);
  if (value === '') return;
  switch (name) {
    case 'RawMessageDelivery':
      if (value !== 'true' && value !== 'false') {
        throw invalid('Invalid parameter: Attributes Reason: RawMessageDelivery: must be true or false');
      }
      return;
    case 'FilterPolicyScope':
      if (value !== 'MessageAttributes' && value !== 'MessageBody') {
        throw invalid('Invalid parameter: FilterPolicyScope: must be MessageAttributes or MessageBody');
      }
      return;
    case 'FilterPolicy':
      try {
        compileEventPattern(value);
      } catch (error) {
        if (!(error instanceof EventPatternError)) throw error;
        throw invalid(`Invalid parameter: FilterPolicy: ${error.message}`);
      }
      return;
    case 'RedrivePolicy':
      if (deadLetterArn({ RedrivePolicy: value }) === undefined) {
        throw invalid(
          'Invalid parameter: RedrivePolicy: deadLetterTargetArn must be the ARN of an SQS queue',
        );
      }
      return;
    default:
      parsed(value, name);
  }
}

/** The dead-letter queue of a subscription, if it has one. */
export function deadLetterArn(attributes: Readonly<Record<string, string>>): string | undefined {
  if (!attributes.RedrivePolicy) return undefined;
  const policy = parsed(attributes.RedrivePolicy, 'RedrivePolicy');
  const arn =
    typeof policy === 'object' && policy !== null && 'deadLetterTargetArn' in policy
      ? policy.deadLetterTargetArn
      : undefined;
  return typeof arn === 'string' && /^arn:aws:sqs:[^:]*:\d*:[^:]+$/.test(arn) ? arn : undefined;
}

/** The policy of a topic without one: its owner's principals may do everything, and so may CloudWatch alarms. */
export function ownerPolicy(topicArn: string, accountId: string): string {
  return JSON.stringify({
    Version: '2008-10-17',
    Id: '__default_policy_ID',
    Statement: [
      {
        Sid: '__default_statement_ID',
        Effect: 'Allow',
        Principal: { AWS: '*' },
        Action: [
          'SNS:GetTopicAttributes',
          'SNS:SetTopicAttributes',
          'SNS:AddPermission',
          'SNS:RemovePermission',
          'SNS:DeleteTopic',
          'SNS:Subscribe',
          'SNS:ListSubscriptionsByTopic',
          'SNS:Publish',
        ],
        Resource: topicArn,
        Condition: { StringEquals: { 'AWS:SourceOwner': accountId } },
      },
    ],
  });
}

function parsed(text: string, name: string): unknown {
  try {
    return parseBoundedJson(text);
  } catch {
    throw invalid(`Invalid parameter: ${name}: must be JSON`);
  }
}

export function invalid(message: string): AwsFault {
  return new AwsFault('InvalidParameterException', message);
}
