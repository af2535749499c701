import type { Engine, Service } from '../../dispatch/service.ts';
import { EventBus } from './event-bus.ts';
import { eventOperations } from './event-operations.ts';
import { ruleOperations } from './rule-operations.ts';
import { targetOperations } from './target-operations.ts';

/**
 * Amazon EventBridge: the default event bus with rules, patterns, schedules and durable delivery.
 *
 * Every `aws.event` of the journal is an event. Other buses, archives, replays and pipes do not exist.
 */
export function createEvents(engine: Engine): Service<'events'> {
  const bus = new EventBus(engine);

  return {
    name: 'events',
    operations: {
      ...ruleOperations(engine, bus),
      ...targetOperations(bus),
      ...eventOperations(engine, bus),
    },
    resourceTags: (arn) => bus.rules.get(arn.split(':rule/')[1] ?? '')?.tags,
    start: () => bus.start(),
    stop: () => bus.stop(),
  };
}
