import type { Timer } from '../../clock/clock.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { eventOperations } from './event-operations.ts';
import { groupNotFound, unsupported } from './faults.ts';
import { groupOperations } from './group-operations.ts';
import { LogStore } from './log-store.ts';
import { MetricExtraction } from './metric-extraction.ts';
import { metricFilterOperations } from './metric-filter-operations.ts';
import { MetricFilters } from './metric-filters.ts';
import { ResourcePolicies } from './resource-policies.ts';
import { streamOperations } from './stream-operations.ts';
import { tagOperations } from './tag-operations.ts';

const EXPIRY_INTERVAL_MS = 3_600_000;

/**
 * Amazon CloudWatch Logs: groups, streams, events, filter patterns, metric filters and the embedded metric
 * format. Subscription filters and Logs Insights are refused.
 */
export function createLogs(engine: Engine): Service<'logs'> {
  const store = new LogStore(engine.state);
  const filters = new MetricFilters(engine.state);
  const policies = new ResourcePolicies(engine.state);
  const extraction = new MetricExtraction(engine, filters);
  let expiry: Timer | undefined;
  const expire = () => {
    store.expire(engine.clock.nowMs());
    expiry = engine.clock.setTimer(EXPIRY_INTERVAL_MS, expire);
  };
  const refuse = (what: string, instead: string) => () => {
    throw unsupported(what, instead);
  };

  return {
    name: 'logs',
    operations: {
      ...groupOperations(engine, store, filters),
      ...streamOperations(engine, store),
      ...eventOperations(engine, store, extraction),
      ...metricFilterOperations(engine, store, filters),
      ...tagOperations(engine, store),
      ...policies.operations(),
      PutSubscriptionFilter: {
        run: refuse('subscription filters', 'read the log group with FilterLogEvents'),
      },
      DescribeSubscriptionFilters: {
        run: (input) => {
          if (!store.group(input.logGroupName ?? '')) throw groupNotFound();
          return { subscriptionFilters: [] };
        },
      },
      StartQuery: { run: refuse('Logs Insights queries', 'search the log group with FilterLogEvents') },
    },
    resourcePolicy: () => policies.together(),
    resourceTags: (arn) => store.group(arn.split(':log-group:')[1]?.split(':')[0] ?? '')?.tags,
    start: () => {
      extraction.start();
      expire();
    },
    stop: async () => {
      expiry?.cancel();
      await extraction.stop();
    },
  };
}
