import type { Timer } from '../../clock/clock.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { AlarmHistory } from './alarm-history.ts';
import { alarmOperations } from './alarm-operations.ts';
import { alarmStateOperations } from './alarm-state-operations.ts';
import { Alarms } from './alarms.ts';
import { dashboardOperations } from './dashboards.ts';
import { metricOperations } from './metric-operations.ts';
import { MetricStore } from './metric-store.ts';
import { tagOperations } from './tag-operations.ts';

const COMPACTED_EVERY_MS = 60_000;

/** CloudWatch: metrics, metric math, metric alarms and dashboards. */
export function createCloudWatch(engine: Engine): Service<'cloudwatch'> {
  const store = new MetricStore(engine.state);
  const history = new AlarmHistory(engine.state);
  const alarms = new Alarms(engine, store, history);
  let compaction: Timer | undefined;
  const compactLater = () => {
    compaction = engine.clock.setTimer(COMPACTED_EVERY_MS, () => {
      store.compact(engine.clock.nowMs());
      history.forget(engine.clock.nowMs());
      compactLater();
    });
  };
  return {
    name: 'cloudwatch',
    operations: {
      ...metricOperations(engine, store),
      ...alarmOperations(engine, alarms),
      ...alarmStateOperations(engine, alarms, history),
      ...tagOperations(alarms),
      ...dashboardOperations(engine),
    },
    resourceTags: (arn) => alarms.get(arn.split(':alarm:')[1] ?? '')?.tags,
    start: () => {
      alarms.start();
      compactLater();
    },
    stop: async () => {
      compaction?.cancel();
      await alarms.stop();
    },
  };
}
