import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { tagMap } from '../../iam/tags.ts';
import { parseSchedule } from '../../schedule.ts';
import type { Input } from '../../sdk/services.ts';
import type { EventBus } from './event-bus.ts';
import { compilePattern, invalid, invalidToken, PAGE } from './request.ts';
import type { Rule } from './rule.ts';

/** Rules of the default event bus, and their tags. */
export function ruleOperations(engine: Engine, bus: EventBus) {
  const ruleArn = (input: { Name?: string | undefined }) => [bus.ruleArn(input.Name ?? '')];

  return {
    PutRule: {
      resources: ruleArn,
      passesRoles: (input) =>
        input.RoleArn === undefined ? [] : [{ roleArn: input.RoleArn, service: 'events.amazonaws.com' }],
      run: (input, { atMs }) => putRule(bus, input, atMs),
    },
    DescribeRule: {
      resources: ruleArn,
      run: (input) => {
        const rule = bus.find(input.Name, input.EventBusName);
        return { ...shown(rule), CreatedBy: engine.accountId };
      },
    },
    ListRules: {
      run: (input) => {
        bus.check(input.EventBusName);
        const found = [...bus.rules.values()].filter(({ name }) => name.startsWith(input.NamePrefix ?? ''));
        const { items, next } = page(found, input.NextToken, input.Limit ?? PAGE, invalidToken);
        return { Rules: items.map(shown), NextToken: next };
      },
    },
    EnableRule: {
      resources: ruleArn,
      run: (input) => {
        bus.put({ ...bus.find(input.Name, input.EventBusName), enabled: true });
        return {};
      },
    },
    DisableRule: {
      resources: ruleArn,
      run: (input) => {
        bus.put({ ...bus.find(input.Name, input.EventBusName), enabled: false });
        return {};
      },
    },
    DeleteRule: {
      resources: ruleArn,
      run: (input) => {
        bus.check(input.EventBusName);
        const rule = bus.rules.get(input.Name ?? '');
        if (!rule) return {};
        if (rule.targets.length > 0) throw invalid("Rule can't be deleted since it has targets.");
        bus.delete(rule.name);
        return {};
      },
    },
    TagResource: {
      resources: (input) => [input.ResourceARN ?? '*'],
      run: (input) => {
        const rule = bus.findByArn(input.ResourceARN);
        bus.rules.put(rule.name, { ...rule, tags: { ...rule.tags, ...tagMap(input.Tags) } });
        return {};
      },
    },
    UntagResource: {
      resources: (input) => [input.ResourceARN ?? '*'],
      run: (input) => {
        const rule = bus.findByArn(input.ResourceARN);
        const removed = new Set(input.TagKeys ?? []);
        const tags = Object.fromEntries(Object.entries(rule.tags).filter(([key]) => !removed.has(key)));
        bus.rules.put(rule.name, { ...rule, tags });
        return {};
      },
    },
    ListTagsForResource: {
      resources: (input) => [input.ResourceARN ?? '*'],
      run: (input) => ({
        Tags: Object.entries(bus.findByArn(input.ResourceARN).tags).map(([Key, Value]) => ({ Key, Value })),
      }),
    },
  } satisfies OperationTable<'events'>;
}

function putRule(bus: EventBus, input: Input<'events', 'PutRule'>, atMs: number) {
  bus.check(input.EventBusName);
  const name = input.Name ?? '';
  if (!/^[.\-_A-Za-z0-9]{1,64}$/.test(name)) {
    throw invalid('Rule names must be 1 to 64 letters, digits, dots, hyphens or underscores long.');
  }
  const { EventPattern, ScheduleExpression } = input;
  if (EventPattern === undefined && ScheduleExpression === undefined) {
    throw invalid('Parameter(s) EventPattern or ScheduleExpression must be specified.');
  }
  if (EventPattern !== undefined) compilePattern(EventPattern);
  if (ScheduleExpression !== undefined) parseSchedule(ScheduleExpression);
  if (input.State !== undefined && input.State !== 'ENABLED' && input.State !== 'DISABLED') {
    throw invalid(
      `The local engine does not support the rule state ${input.State}: use ENABLED or DISABLED.`,
    );
  }
  const existing = bus.rules.get(name);
  bus.put({
    name,
    arn: bus.ruleArn(name),
    ...(EventPattern === undefined ? {} : { pattern: EventPattern }),
    ...(ScheduleExpression === undefined ? {} : { schedule: ScheduleExpression }),
    ...(input.Description === undefined ? {} : { description: input.Description }),
    ...(input.RoleArn === undefined ? {} : { roleArn: input.RoleArn }),
    enabled: input.State !== 'DISABLED',
    createdAtMs: existing?.createdAtMs ?? atMs,
    targets: existing?.targets ?? [],
    tags: existing?.tags ?? tagMap(input.Tags),
  });
  return { RuleArn: bus.ruleArn(name) };
}

/** A rule as `DescribeRule` and `ListRules` show it. */
function shown(rule: Rule) {
  return {
    Name: rule.name,
    Arn: rule.arn,
    EventPattern: rule.pattern,
    ScheduleExpression: rule.schedule,
    State: rule.enabled ? ('ENABLED' as const) : ('DISABLED' as const),
    Description: rule.description,
    RoleArn: rule.roleArn,
    EventBusName: 'default',
  };
}
