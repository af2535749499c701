import { page } from '../../dispatch/paging.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { compileEventPattern, type EventPattern, EventPatternError } from '../../event-pattern.ts';
import type { JournalEntry } from '../../journal/journal.ts';
import { parseSchedule } from '../../schedule.ts';
import { parseBoundedJson } from '../../wire/document-bounds.ts';
import { Deliveries } from './deliveries.ts';
import { defineTarget, type Rule } from './rule.ts';
import { Schedules } from './schedules.ts';

const TARGETS_MAX = 5;
const ENTRIES_MAX = 10;
const ENTRY_BYTES_MAX = 1024 * 1024;
const PAGE = 100;

/**
 * Amazon EventBridge: the default event bus with rules, patterns, schedules and durable delivery.
 *
 * Every `aws.event` of the journal is an event. Other buses, archives, replays and pipes do not exist.
 */
export function createEvents(engine: Engine): Service<'events'> {
  const rules = engine.state.table<Rule>('events.rules');
  const patterns = new WeakMap<Rule, EventPattern>();
  const deliveries = new Deliveries(engine);
  const schedules = new Schedules(engine, {
    find: (name) => rules.get(name),
    fire: (rule) =>
      deliveries.add(
        rule,
        envelope(engine.ids.uuid(), engine.clock.nowMs(), {
          source: 'aws.events',
          'detail-type': 'Scheduled Event',
          resources: [rule.arn],
          detail: {},
        }),
      ),
  });

  const arnOf = (name: string) => `arn:aws:events:${engine.region}:${engine.accountId}:rule/${name}`;
  const envelope = (id: string, atMs: number, event: Record<string, unknown>) => ({
    version: '0',
    id,
    'detail-type': event['detail-type'],
    source: event.source,
    account: engine.accountId,
    time: `${new Date(atMs).toISOString().slice(0, 19)}Z`,
    region: engine.region,
    resources: event.resources ?? [],
    detail: event.detail ?? {},
  });
  const patternOf = (rule: Rule, text: string) => {
    let pattern = patterns.get(rule);
    if (!pattern) {
      pattern = patternFrom(text);
      patterns.set(rule, pattern);
    }
    return pattern;
  };

  const route = ({ type, detail, atMs }: JournalEntry) => {
    if (type !== 'aws.event') return;
    let event: Record<string, unknown> | undefined;
    for (const rule of rules.values()) {
      if (!rule.enabled || rule.pattern === undefined || rule.targets.length === 0) continue;
      event ??= envelope(
        typeof detail.id === 'string' ? detail.id : engine.ids.uuid(),
        typeof detail.timeMs === 'number' ? detail.timeMs : atMs,
        detail,
      );
      if (patternOf(rule, rule.pattern)(event)) deliveries.add(rule, event);
    }
  };
  const unsubscribe = engine.journal.subscribe(route);

  const checkBus = (bus: string | undefined) => {
    if (bus === undefined || bus === 'default') return;
    if (bus === `arn:aws:events:${engine.region}:${engine.accountId}:event-bus/default`) return;
    throw new AwsFault(
      'ResourceNotFoundException',
      `Event bus ${bus} does not exist: the local engine has the default event bus only.`,
    );
  };
  const find = (name: string | undefined, bus?: string) => {
    checkBus(bus);
    const rule = rules.get(name ?? '');
    if (!rule) {
      throw new AwsFault('ResourceNotFoundException', `Rule ${name} does not exist on EventBus default.`);
    }
    return rule;
  };
  const findByArn = (arn: string | undefined) => {
    const name = /^arn:aws:events:[^:]*:\d*:rule\/(.+)$/.exec(arn ?? '')?.[1];
    if (name === undefined) {
      throw new AwsFault('ResourceNotFoundException', `${arn} is not the ARN of a rule.`);
    }
    return find(name);
  };
  const put = (rule: Rule) => {
    rules.put(rule.name, rule);
    schedules.arm(rule.name);
  };
  const ruleArn = (input: { Name?: string | undefined }) => [arnOf(input.Name ?? '')];
  const targetRuleArn = (input: { Rule?: string | undefined }) => [arnOf(input.Rule ?? '')];
  const invalidToken = () => new AwsFault('ValidationException', 'The NextToken is invalid.');
  const shown = (rule: Rule) => ({
    Name: rule.name,
    Arn: rule.arn,
    EventPattern: rule.pattern,
    ScheduleExpression: rule.schedule,
    State: rule.enabled ? ('ENABLED' as const) : ('DISABLED' as const),
    Description: rule.description,
    RoleArn: rule.roleArn,
    EventBusName: 'default',
  });

  return {
    name: 'events',
    operations: {
      PutRule: {
        resources: ruleArn,
        passesRoles: (input) =>
          input.RoleArn === undefined ? [] : [{ roleArn: input.RoleArn, service: 'events.amazonaws.com' }],
        run: (input, { atMs }) => {
          checkBus(input.EventBusName);
          const name = input.Name ?? '';
          if (!/^[.\-_A-Za-z0-9]{1,64}$/.test(name)) {
            throw invalid('Rule names must be 1 to 64 letters, digits, dots, hyphens or underscores long.');
          }
          const { EventPattern, ScheduleExpression } = input;
          if (EventPattern === undefined && ScheduleExpression === undefined) {
            throw invalid('Parameter(s) EventPattern or ScheduleExpression must be specified.');
          }
          if (EventPattern !== undefined) patternFrom(EventPattern);
          if (ScheduleExpression !== undefined) parseSchedule(ScheduleExpression);
          if (input.State !== undefined && input.State !== 'ENABLED' && input.State !== 'DISABLED') {
            throw invalid(`The local engine does not support the rule state ${input.State}.`);
          }
          const existing = rules.get(name);
          put({
            name,
            arn: arnOf(name),
            ...(EventPattern === undefined ? {} : { pattern: EventPattern }),
            ...(ScheduleExpression === undefined ? {} : { schedule: ScheduleExpression }),
            ...(input.Description === undefined ? {} : { description: input.Description }),
            ...(input.RoleArn === undefined ? {} : { roleArn: input.RoleArn }),
            enabled: input.State !== 'DISABLED',
            createdAtMs: existing?.createdAtMs ?? atMs,
            targets: existing?.targets ?? [],
            tags: existing?.tags ?? tagsOf(input.Tags),
          });
          return { RuleArn: arnOf(name) };
        },
      },
      DescribeRule: {
        resources: ruleArn,
        run: (input) => {
          const rule = find(input.Name, input.EventBusName);
          return { ...shown(rule), CreatedBy: engine.accountId };
        },
      },
      ListRules: {
        run: (input) => {
          checkBus(input.EventBusName);
          const found = [...rules.values()].filter(({ name }) => name.startsWith(input.NamePrefix ?? ''));
          const { items, next } = page(found, input.NextToken, input.Limit ?? PAGE, invalidToken);
          return { Rules: items.map(shown), NextToken: next };
        },
      },
      EnableRule: {
        resources: ruleArn,
        run: (input) => {
          put({ ...find(input.Name, input.EventBusName), enabled: true });
          return {};
        },
      },
      DisableRule: {
        resources: ruleArn,
        run: (input) => {
          put({ ...find(input.Name, input.EventBusName), enabled: false });
          return {};
        },
      },
      DeleteRule: {
        resources: ruleArn,
        run: (input) => {
          checkBus(input.EventBusName);
          const rule = rules.get(input.Name ?? '');
          if (!rule) return {};
          if (rule.targets.length > 0) throw invalid("Rule can't be deleted since it has targets.");
          rules.delete(rule.name);
          schedules.arm(rule.name);
          return {};
        },
      },
      PutTargets: {
        resources: targetRuleArn,
        passesRoles: (input) =>
          (input.Targets ?? []).flatMap(({ RoleArn }) =>
            RoleArn === undefined ? [] : [{ roleArn: RoleArn, service: 'events.amazonaws.com' }],
          ),
        run: (input) => {
          const rule = find(input.Rule, input.EventBusName);
          const added = (input.Targets ?? []).map(defineTarget);
          const targets = new Map(rule.targets.map((target) => [target.id, target]));
          for (const target of added) targets.set(target.id, target);
          if (targets.size > TARGETS_MAX) {
            throw new AwsFault(
              'LimitExceededException',
              `The requested resource exceeds the maximum number of targets allowed: ${TARGETS_MAX}.`,
            );
          }
          put({ ...rule, targets: [...targets.values()] });
          return { FailedEntryCount: 0, FailedEntries: [] };
        },
      },
      RemoveTargets: {
        resources: targetRuleArn,
        run: (input) => {
          const rule = find(input.Rule, input.EventBusName);
          const removed = new Set(input.Ids ?? []);
          const known = new Set(rule.targets.map(({ id }) => id));
          put({ ...rule, targets: rule.targets.filter(({ id }) => !removed.has(id)) });
          const failed = [...removed].filter((id) => !known.has(id));
          return {
            FailedEntryCount: failed.length,
            FailedEntries: failed.map((id) => ({
              TargetId: id,
              ErrorCode: 'ResourceNotFoundException',
              ErrorMessage: `Rule ${rule.name} does not have a target with the Id ${id}.`,
            })),
          };
        },
      },
      ListTargetsByRule: {
        resources: targetRuleArn,
        run: (input) => {
          const { targets } = find(input.Rule, input.EventBusName);
          const { items, next } = page(targets, input.NextToken, input.Limit ?? PAGE, invalidToken);
          return { Targets: items.map(({ given }) => given), NextToken: next };
        },
      },
      ListRuleNamesByTarget: {
        run: (input) => {
          checkBus(input.EventBusName);
          const names = [...rules.values()]
            .filter(({ targets }) => targets.some(({ arn }) => arn === input.TargetArn))
            .map(({ name }) => name);
          const { items, next } = page(names, input.NextToken, input.Limit ?? PAGE, invalidToken);
          return { RuleNames: items, NextToken: next };
        },
      },
      PutEvents: {
        resources: () => [`arn:aws:events:${engine.region}:${engine.accountId}:event-bus/default`],
        journaled: false,
        run: (input, { principal }) => {
          const entries = input.Entries ?? [];
          if (entries.length === 0 || entries.length > ENTRIES_MAX) {
            throw invalid(`PutEvents takes 1 to ${ENTRIES_MAX} entries.`);
          }
          const results = entries.map((entry) => {
            const problem = problemOf(entry, principal.kind === 'service');
            if (problem) return problem;
            checkBus(entry.EventBusName);
            const id = engine.ids.uuid();
            engine.journal.append('events', 'aws.event', {
              id,
              source: entry.Source,
              'detail-type': entry.DetailType,
              resources: entry.Resources ?? [],
              detail: JSON.parse(entry.Detail ?? '{}') as unknown,
              ...(entry.Time === undefined ? {} : { timeMs: entry.Time.getTime() }),
            });
            return { EventId: id };
          });
          return {
            FailedEntryCount: results.filter((result) => 'ErrorCode' in result).length,
            Entries: results,
          };
        },
      },
      TestEventPattern: {
        run: (input) => {
          let event: unknown;
          try {
            event = parseBoundedJson(input.Event ?? '');
          } catch {
            throw invalid('Parameter Event is not valid.');
          }
          if (typeof event !== 'object' || event === null) throw invalid('Parameter Event is not valid.');
          return {
            Result: patternFrom(input.EventPattern ?? '')(event as Record<string, unknown>),
          };
        },
      },
      TagResource: {
        resources: (input) => [input.ResourceARN ?? '*'],
        run: (input) => {
          const rule = findByArn(input.ResourceARN);
          rules.put(rule.name, { ...rule, tags: { ...rule.tags, ...tagsOf(input.Tags) } });
          return {};
        },
      },
      UntagResource: {
        resources: (input) => [input.ResourceARN ?? '*'],
        run: (input) => {
          const rule = findByArn(input.ResourceARN);
          const removed = new Set(input.TagKeys ?? []);
          const tags = Object.fromEntries(Object.entries(rule.tags).filter(([key]) => !removed.has(key)));
          rules.put(rule.name, { ...rule, tags });
          return {};
        },
      },
      ListTagsForResource: {
        resources: (input) => [input.ResourceARN ?? '*'],
        run: (input) => ({
          Tags: Object.entries(findByArn(input.ResourceARN).tags).map(([Key, Value]) => ({ Key, Value })),
        }),
      },
    },
    resourceTags: (arn) => rules.get(arn.split(':rule/')[1] ?? '')?.tags,
    start: () => {
      deliveries.start();
      for (const name of rules.keys()) schedules.arm(name);
    },
    stop: async () => {
      unsubscribe();
      schedules.stop();
      await deliveries.stop();
    },
  };
}

interface EventEntry {
  readonly Source?: string | undefined;
  readonly DetailType?: string | undefined;
  readonly Detail?: string | undefined;
}

/** Why an entry of PutEvents is refused, if it is. */
function problemOf(
  { Source, DetailType, Detail }: EventEntry,
  vended: boolean,
): { ErrorCode: string; ErrorMessage: string } | undefined {
  const missing = !Source ? 'Source' : !DetailType ? 'DetailType' : !Detail ? 'Detail' : undefined;
  if (missing) {
    return {
      ErrorCode: 'InvalidArgument',
      ErrorMessage: `Parameter ${missing} is not valid. Reason: ${missing} is a required argument.`,
    };
  }
  if (Source?.startsWith('aws.') && !vended) {
    return { ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage: 'Not authorized for the source.' };
  }
  if (Buffer.byteLength(`${Source}${DetailType}${Detail}`) > ENTRY_BYTES_MAX) {
    return { ErrorCode: 'InvalidArgument', ErrorMessage: 'The entry is larger than 1 MiB.' };
  }
  try {
    const detail: unknown = parseBoundedJson(Detail ?? '');
    if (typeof detail === 'object' && detail !== null && !Array.isArray(detail)) return undefined;
  } catch {
    // Told below, like JSON that is not an object.
  }
  return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
}

function patternFrom(text: string): EventPattern {
  try {
    return compileEventPattern(text);
  } catch (error) {
    if (!(error instanceof EventPatternError)) throw error;
    throw new AwsFault(
      'InvalidEventPatternException',
      `Event pattern is not valid. Reason: ${error.message}`,
    );
  }
}

function tagsOf(
  tags: ReadonlyArray<{ Key?: string | undefined; Value?: string | undefined }> | undefined,
): Record<string, string> {
  return Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? '']));
}

function invalid(message: string): AwsFault {
  return new AwsFault('ValidationException', message);
}
