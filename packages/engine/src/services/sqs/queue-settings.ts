import { parseBoundedJson } from '../../document-bounds.ts';
import { AwsFault } from '../../errors.ts';
import { parsePolicy } from '../../iam/policy-grammar.ts';
import type { Directory } from '../../iam/principal-element.ts';

/** Where a queue's messages go that were received too often. */
interface RedrivePolicy {
  readonly deadLetterTargetArn: string;
  readonly maxReceiveCount: number;
}

/** Which queues may use a queue as their dead-letter queue. */
interface RedriveAllowPolicy {
  readonly redrivePermission: 'allowAll' | 'denyAll' | 'byQueue';
  readonly sourceQueueArns: readonly string[];
}

/** A queue's attributes, read into the units with which the engine works. */
export interface QueueSettings {
  readonly delayMs: number;
  readonly maximumBytes: number;
  readonly retentionMs: number;
  readonly waitMs: number;
  readonly visibilityMs: number;
  readonly redrive: RedrivePolicy | undefined;
  readonly redriveAllow: RedriveAllowPolicy | undefined;
  readonly policy: string | undefined;
  readonly contentBasedDeduplication: boolean;
  /** Whether deduplication ids count for each group on its own (high throughput FIFO). */
  readonly deduplicatesByGroup: boolean;
}

/** Largest message and largest batch, in bytes. */
export const MESSAGE_BYTES_MAX = 1_048_576;

interface AttributeRule {
  /** Inclusive range of an integer. */
  readonly range?: readonly [least: number, most: number];
  readonly values?: readonly string[];
  readonly check?: (value: string, directory: Directory | undefined) => string | undefined;
  readonly fifo?: boolean;
  readonly initial?: string;
  /** How it is kept and shown: numbers as such, whether they were given as text or not. @default - as it is given */
  readonly stored?: (value: string) => string;
  /** An empty value removes the attribute. */
  readonly removable?: boolean;
  /** Set when the queue is made, and never again. */
  readonly fixed?: boolean;
}

const RULES: Readonly<Record<string, AttributeRule>> = {
  DelaySeconds: { range: [0, 900], initial: '0' },
  MaximumMessageSize: { range: [1024, MESSAGE_BYTES_MAX], initial: String(MESSAGE_BYTES_MAX) },
  MessageRetentionPeriod: { range: [60, 1_209_600], initial: '345600' },
  ReceiveMessageWaitTimeSeconds: { range: [0, 20], initial: '0' },
  VisibilityTimeout: { range: [0, 43_200], initial: '30' },
  Policy: { check: checkPolicy, removable: true },
  RedrivePolicy: {
    check: checkRedrivePolicy,
    removable: true,
    stored: (text) => JSON.stringify(readRedrivePolicy(text)),
  },
  RedriveAllowPolicy: { check: checkRedriveAllowPolicy, removable: true },
  KmsMasterKeyId: { removable: true },
  KmsDataKeyReusePeriodSeconds: { range: [60, 86_400] },
  SqsManagedSseEnabled: { values: ['true', 'false'] },
  FifoQueue: { values: ['true'], fifo: true, fixed: true },
  ContentBasedDeduplication: { values: ['true', 'false'], fifo: true, initial: 'false' },
  DeduplicationScope: { values: ['queue', 'messageGroup'], fifo: true, initial: 'queue' },
  FifoThroughputLimit: { values: ['perQueue', 'perMessageGroupId'], fifo: true, initial: 'perQueue' },
};

/** Attributes that a queue reports and nobody sets. */
const COMPUTED = [
  'QueueArn',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
  'CreatedTimestamp',
  'LastModifiedTimestamp',
];

/** Whether AWS knows a queue attribute of this name. */
export function isQueueAttribute(name: string): boolean {
  return Object.hasOwn(RULES, name) || COMPUTED.includes(name);
}

function unknown(name: string): AwsFault {
  return new AwsFault('InvalidAttributeName', `Unknown Attribute ${name}.`);
}

function invalid(name: string, reason?: string): AwsFault {
  return new AwsFault(
    'InvalidAttributeValue',
    `Invalid value for the parameter ${name}.${reason === undefined ? '' : ` Reason: ${reason}`}`,
  );
}

/**
 * Checks attributes as a client sets them and gives back those to store; an empty text stands for removal.
 * Names that do not exist on this type of queue are `InvalidAttributeName`, values `InvalidAttributeValue`.
 */
export function checkAttributes(
  attributes: Readonly<Record<string, string | undefined>>,
  queue: { readonly fifo: boolean; readonly creating: boolean; readonly directory: Directory | undefined },
): Record<string, string> {
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    const rule = Object.hasOwn(RULES, name) ? RULES[name]! : undefined;
    if (!rule || (rule.fifo && !queue.fifo)) throw unknown(name);
    if (rule.fixed && !queue.creating) throw unknown(name);
    if (value === '' && rule.removable) {
      checked[name] = value;
      continue;
    }
    const problem = problemOf(rule, value, queue.directory);
    if (problem !== undefined) throw invalid(name, problem);
    checked[name] = rule.range ? String(Number(value)) : (rule.stored?.(value) ?? value);
  }
  return checked;
}

/** Why `value` is wrong; an empty text when the rule has nothing to add. */
function problemOf(rule: AttributeRule, value: string, directory: Directory | undefined): string | undefined {
  if (rule.range) {
    const [least, most] = rule.range;
    const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= least && number <= most)) return `Must be an integer from ${least} to ${most}.`;
  }
  if (rule.values && !rule.values.includes(value)) return `Must be one of: ${rule.values.join(', ')}.`;
  return rule.check?.(value, directory);
}

/** The stored attributes of a new queue: what the client gave over AWS's defaults. */
export function initialAttributes(
  given: Readonly<Record<string, string>>,
  fifo: boolean,
): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [name, rule] of Object.entries(RULES)) {
    const value = given[name] ?? (rule.fifo && !fifo ? undefined : rule.initial);
    if (value !== undefined && value !== '') attributes[name] = value;
  }
  return attributes;
}

/** Stored attributes after a change. */
export function changedAttributes(
  stored: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...stored, ...changes }).filter(([, value]) => value !== ''));
}

/** Whether two values of an attribute mean the same; policies are compared as JSON, without regard to order. */
export function sameAttribute(name: string, a: string | undefined, b: string | undefined): boolean {
  if ((a ?? '') === (b ?? '')) return true;
  if (a === undefined || b === undefined || !RULES[name]?.check) return false;
  return canonical(JSON.parse(a)) === canonical(JSON.parse(b));
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${pairs.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
}

/** Reads checked, stored attributes. */
export function readSettings(attributes: Readonly<Record<string, string>>): QueueSettings {
  const seconds = (name: string) => Number(attributes[name] ?? RULES[name]?.initial ?? 0) * 1000;
  return {
    delayMs: seconds('DelaySeconds'),
    maximumBytes: Number(attributes.MaximumMessageSize ?? MESSAGE_BYTES_MAX),
    retentionMs: seconds('MessageRetentionPeriod'),
    waitMs: seconds('ReceiveMessageWaitTimeSeconds'),
    visibilityMs: seconds('VisibilityTimeout'),
    redrive: attributes.RedrivePolicy ? readRedrivePolicy(attributes.RedrivePolicy) : undefined,
    redriveAllow: attributes.RedriveAllowPolicy
      ? readRedriveAllowPolicy(attributes.RedriveAllowPolicy)
      : undefined,
    policy: attributes.Policy,
    contentBasedDeduplication: attributes.ContentBasedDeduplication === 'true',
    deduplicatesByGroup: attributes.DeduplicationScope === 'messageGroup',
  };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = parseBoundedJson(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function checkPolicy(text: string, directory: Directory | undefined): string | undefined {
  const policy = parsePolicy(text, 'sqs', directory);
  return 'error' in policy ? policy.error : undefined;
}

const DEFAULT_RECEIVES = 10;

function readRedrivePolicy(text: string): RedrivePolicy {
  const policy = parseObject(text) ?? {};
  return {
    deadLetterTargetArn: String(policy.deadLetterTargetArn),
    maxReceiveCount: Number(policy.maxReceiveCount ?? DEFAULT_RECEIVES),
  };
}

function checkRedrivePolicy(text: string): string | undefined {
  const policy = parseObject(text);
  if (!policy) return 'Redrive policy is not a valid JSON map.';
  const stray = Object.keys(policy).find((key) => key !== 'deadLetterTargetArn' && key !== 'maxReceiveCount');
  if (stray !== undefined) return `Redrive policy has an unknown member ${stray}.`;
  if (typeof policy.deadLetterTargetArn !== 'string') {
    return 'Redrive policy does not contain mandatory attribute: deadLetterTargetArn.';
  }
  if (!/^arn:aws:sqs:[^:]+:\d{12}:[^:]+$/.test(policy.deadLetterTargetArn)) {
    return 'deadLetterTargetArn is not the ARN of a queue.';
  }
  const count = policy.maxReceiveCount ?? DEFAULT_RECEIVES;
  if (!/^\d{1,4}$/.test(String(count)) || Number(count) < 1 || Number(count) > 1000) {
    return 'Redrive policy: maxReceiveCount must be an integer from 1 to 1000.';
  }
  return undefined;
}

function readRedriveAllowPolicy(text: string): RedriveAllowPolicy {
  const policy = parseObject(text) ?? {};
  return {
    redrivePermission: policy.redrivePermission as RedriveAllowPolicy['redrivePermission'],
    sourceQueueArns: (policy.sourceQueueArns as string[] | undefined) ?? [],
  };
}

function checkRedriveAllowPolicy(text: string): string | undefined {
  const policy = parseObject(text);
  if (!policy) return 'Redrive allow policy is not a valid JSON map.';
  const { redrivePermission, sourceQueueArns } = policy;
  if (!['allowAll', 'denyAll', 'byQueue'].includes(String(redrivePermission))) {
    return 'redrivePermission must be one of: allowAll, denyAll, byQueue.';
  }
  if (redrivePermission !== 'byQueue') {
    return sourceQueueArns === undefined
      ? undefined
      : 'sourceQueueArns goes with redrivePermission byQueue only.';
  }
  if (
    !Array.isArray(sourceQueueArns) ||
    sourceQueueArns.length < 1 ||
    sourceQueueArns.length > 10 ||
    sourceQueueArns.some((arn) => typeof arn !== 'string')
  ) {
    return 'sourceQueueArns must list 1 to 10 queue ARNs.';
  }
  return undefined;
}
