import type { NotificationConfiguration } from '@aws-sdk/client-s3';
import { AwsFault } from '../../errors.ts';
import type { Ids } from '../../ids.ts';

/** Events that happen here; a name that ends in `*` stands for all that begin so. */
const EVENTS = [
  's3:ObjectCreated:Put',
  's3:ObjectCreated:Copy',
  's3:ObjectCreated:CompleteMultipartUpload',
  's3:ObjectRemoved:Delete',
  's3:ObjectRemoved:DeleteMarkerCreated',
  's3:ObjectTagging:Put',
  's3:ObjectTagging:Delete',
];
/** Follow from operations that do not exist here, so rules for them have nothing to report. */
const NEVER_HERE = ['s3:ObjectCreated:Post'];
const DESTINATION = /^arn:aws:(sqs|sns|lambda):[^:]+:\d{12}:.+$/;

/** One rule: which events of which keys go where. */
export interface NotificationRule {
  readonly id: string;
  readonly destination: string;
  readonly events: readonly string[];
  readonly prefix: string;
  readonly suffix: string;
}

interface Configured {
  readonly Id?: string | undefined;
  readonly Events?: readonly string[] | undefined;
  readonly Filter?: NonNullable<NotificationConfiguration['QueueConfigurations']>[number]['Filter'];
}

/** The configuration with an id for every rule, as it is returned. */
export function withIds(config: NotificationConfiguration, ids: Ids): NotificationConfiguration {
  const named = <T extends Configured>(list: readonly T[] | undefined) =>
    list?.map((rule) => ({ ...rule, Id: rule.Id || ids.uuid() }));
  return {
    ...config,
    QueueConfigurations: named(config.QueueConfigurations),
    TopicConfigurations: named(config.TopicConfigurations),
    LambdaFunctionConfigurations: named(config.LambdaFunctionConfigurations),
  };
}

/** Rules of a configuration, in no particular order. */
export function rulesOf(config: NotificationConfiguration): NotificationRule[] {
  return [
    ...(config.QueueConfigurations ?? []).map((rule) => ruleOf(rule, rule.QueueArn)),
    ...(config.TopicConfigurations ?? []).map((rule) => ruleOf(rule, rule.TopicArn)),
    ...(config.LambdaFunctionConfigurations ?? []).map((rule) => ruleOf(rule, rule.LambdaFunctionArn)),
  ];
}

function ruleOf({ Id, Events = [], Filter }: Configured, destination = ''): NotificationRule {
  const value = (name: 'prefix' | 'suffix') =>
    Filter?.Key?.FilterRules?.find(({ Name }) => Name?.toLowerCase() === name)?.Value ?? '';
  return { id: Id ?? '', destination, events: Events, prefix: value('prefix'), suffix: value('suffix') };
}

export function matches(rule: NotificationRule, event: string, key: string): boolean {
  return (
    rule.events.some((name) => covers(name, event)) &&
    key.startsWith(rule.prefix) &&
    key.endsWith(rule.suffix)
  );
}

function covers(name: string, event: string): boolean {
  return name.endsWith('*') ? event.startsWith(name.slice(0, -1)) : name === event;
}

/** Refuses what S3 refuses, and events that never happen here. */
export function checkRules(rules: readonly NotificationRule[]): void {
  for (const { destination, events } of rules) {
    if (!DESTINATION.test(destination)) throw invalid(`The ARN is not well formed: ${destination}`);
    if (destination.endsWith('.fifo')) {
      throw invalid(`Unable to validate the following destination configurations: ${destination} is FIFO`);
    }
    for (const name of events) {
      if (NEVER_HERE.includes(name) || EVENTS.some((event) => covers(name, event))) continue;
      throw invalid(`${name}: the local engine has the events ${EVENTS.join(', ')}.`);
    }
  }
  for (const [index, rule] of rules.entries()) {
    for (const other of rules.slice(index + 1)) if (overlap(rule, other)) throw ambiguous();
  }
}

function overlap(a: NotificationRule, b: NotificationRule): boolean {
  const nested = (first: string, second: string, test: 'startsWith' | 'endsWith') =>
    first[test](second) || second[test](first);
  return (
    EVENTS.some((event) => [a, b].every(({ events }) => events.some((name) => covers(name, event)))) &&
    nested(a.prefix, b.prefix, 'startsWith') &&
    nested(a.suffix, b.suffix, 'endsWith')
  );
}

function ambiguous(): AwsFault {
  return invalid(
    'Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.',
  );
}

function invalid(message: string): AwsFault {
  return new AwsFault('InvalidArgument', message);
}
