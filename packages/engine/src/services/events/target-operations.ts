import { page } from '../../dispatch/paging.ts';
import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { EventBus } from './event-bus.ts';
import { invalidToken, PAGE } from './request.ts';
import { defineTarget } from './rule.ts';

const TARGETS_MAX = 5;

/** Targets of rules. */
export function targetOperations(bus: EventBus) {
  const targetRuleArn = (input: { Rule?: string | undefined }) => [bus.ruleArn(input.Rule ?? '')];

  return {
    PutTargets: {
      resources: targetRuleArn,
      passesRoles: (input) =>
        (input.Targets ?? []).flatMap(({ RoleArn }) =>
          RoleArn === undefined ? [] : [{ roleArn: RoleArn, service: 'events.amazonaws.com' }],
        ),
      run: (input) => {
        const rule = bus.find(input.Rule, input.EventBusName);
        const added = (input.Targets ?? []).map(defineTarget);
        const targets = new Map(rule.targets.map((target) => [target.id, target]));
        for (const target of added) targets.set(target.id, target);
        if (targets.size > TARGETS_MAX) {
          throw new AwsFault(
            'LimitExceededException',
            `The requested resource exceeds the maximum number of targets allowed: ${TARGETS_MAX}.`,
          );
        }
        bus.put({ ...rule, targets: [...targets.values()] });
        return { FailedEntryCount: 0, FailedEntries: [] };
      },
    },
    RemoveTargets: {
      resources: targetRuleArn,
      run: (input) => {
        const rule = bus.find(input.Rule, input.EventBusName);
        const removed = new Set(input.Ids ?? []);
        const known = new Set(rule.targets.map(({ id }) => id));
        bus.put({ ...rule, targets: rule.targets.filter(({ id }) => !removed.has(id)) });
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
        const { targets } = bus.find(input.Rule, input.EventBusName);
        const { items, next } = page(targets, input.NextToken, input.Limit ?? PAGE, invalidToken);
        return { Targets: items.map(({ given }) => given), NextToken: next };
      },
    },
    ListRuleNamesByTarget: {
      run: (input) => {
        bus.check(input.EventBusName);
        const names = [...bus.rules.values()]
          .filter(({ targets }) => targets.some(({ arn }) => arn === input.TargetArn))
          .map(({ name }) => name);
        const { items, next } = page(names, input.NextToken, input.Limit ?? PAGE, invalidToken);
        return { RuleNames: items, NextToken: next };
      },
    },
  } satisfies OperationTable<'events'>;
}
