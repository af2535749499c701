import type { ScheduledAction } from '@aws-sdk/client-application-auto-scaling';
import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { nextDueMs, parseSchedule, type Schedule } from '../../schedule.ts';
import type { Input } from '../../sdk/services.ts';
import type { Table } from '../../state/state.ts';
import type { StoredScheduledAction, StoredTarget } from './model.ts';
import { invalid } from './request.ts';

interface Parts {
  readonly targets: Table<StoredTarget>;
  /** Called when a target has other bounds. */
  readonly onBounds: (resourceId: string) => void;
}

/**
 * Scheduled actions: each sets the bounds of its target when it is due, and the service follows at once.
 *
 * https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
 */
export class ScheduledActions {
  readonly #engine: Engine;
  readonly #parts: Parts;
  readonly #actions: Table<StoredScheduledAction>;
  readonly #timers = new Map<string, Timer>();

  constructor(engine: Engine, parts: Parts) {
    this.#engine = engine;
    this.#parts = parts;
    this.#actions = engine.state.table('application-auto-scaling.scheduled-actions');
  }

  start(): void {
    for (const key of this.#actions.keys()) this.#arm(key);
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  /** Actions of all targets, by name. */
  all(): StoredScheduledAction[] {
    return [...this.#actions.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(resourceId: string, name: string | undefined): StoredScheduledAction | undefined {
    return this.#actions.get(`${resourceId}/${name}`);
  }

  /** Makes an action, or changes it: what is not given stays as it was. */
  put(resourceId: string, input: Input<'application-auto-scaling', 'PutScheduledAction'>): void {
    const name = input.ScheduledActionName ?? '';
    const before = this.find(resourceId, name);
    const { ids, region, accountId, clock } = this.#engine;
    const bounds = input.ScalableTargetAction;
    const action: StoredScheduledAction = {
      resourceId,
      name,
      arn:
        before?.arn ??
        `arn:aws:autoscaling:${region}:${accountId}:scheduledAction:${ids.uuid()}:resource/ecs/${resourceId}:scheduledActionName/${name}`,
      schedule: input.Schedule ?? before?.schedule ?? '',
      minCapacity: bounds ? bounds.MinCapacity : before?.minCapacity,
      maxCapacity: bounds ? bounds.MaxCapacity : before?.maxCapacity,
      startMs: input.StartTime?.getTime() ?? before?.startMs,
      endMs: input.EndTime?.getTime() ?? before?.endMs,
      createdAtMs: before?.createdAtMs ?? clock.nowMs(),
    };
    this.#check(action, input.Timezone);
    const key = `${resourceId}/${name}`;
    this.#actions.put(key, action);
    this.#arm(key);
  }

  remove({ resourceId, name }: StoredScheduledAction): void {
    const key = `${resourceId}/${name}`;
    this.#actions.delete(key);
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
  }

  removeAllOf(resourceId: string): void {
    for (const action of this.all()) if (action.resourceId === resourceId) this.remove(action);
  }

  #check(action: StoredScheduledAction, timezone: string | undefined): void {
    if (timezone !== undefined && timezone !== 'UTC' && timezone !== 'Etc/UTC') {
      throw invalid(`Timezone: the local engine keeps UTC only, not ${timezone}.`);
    }
    const { minCapacity: min, maxCapacity: max } = action;
    if (min === undefined && max === undefined) {
      throw invalid('ScalableTargetAction must have a MinCapacity, a MaxCapacity or both.');
    }
    if ((min ?? 0) < 0 || (max ?? 0) < 0 || (min !== undefined && max !== undefined && max < min)) {
      throw invalid('MaxCapacity cannot be less than MinCapacity, nor either negative.');
    }
    const schedule = scheduleOf(action);
    if (schedule.kind === 'at' && schedule.atMs < this.#engine.clock.nowMs()) {
      throw invalid('Scheduled action time is in the past.');
    }
  }

  #arm(key: string): void {
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    const action = this.#actions.get(key);
    const dueMs = action && nextDueMs(this.#engine, scheduleOf(action), action.createdAtMs, action);
    if (dueMs === undefined) return;
    const timer = this.#engine.clock.setTimer(dueMs - this.#engine.clock.nowMs(), () => {
      const current = this.#actions.get(key);
      if (current) this.#run(current);
      this.#arm(key);
    });
    this.#timers.set(key, timer);
  }

  /** A bound that the action leaves out stays, but gives way where it would contradict the new one. */
  #run({ resourceId, name, minCapacity, maxCapacity }: StoredScheduledAction): void {
    const target = this.#parts.targets.get(resourceId);
    if (!target || target.suspended.ScheduledScalingSuspended) return;
    const min = minCapacity ?? Math.min(target.minCapacity, maxCapacity!);
    const max = maxCapacity ?? Math.max(target.maxCapacity, minCapacity!);
    this.#parts.targets.put(resourceId, { ...target, minCapacity: min, maxCapacity: max });
    this.#engine.journal.append('application-auto-scaling', 'scheduled-action.run', {
      ...{ resourceId, name, minCapacity: min, maxCapacity: max },
    });
    this.#parts.onBounds(resourceId);
  }
}

function scheduleOf({ schedule }: StoredScheduledAction): Schedule {
  return parseSchedule(schedule, { once: true });
}

export function shownAction(action: StoredScheduledAction): ScheduledAction {
  return {
    ScheduledActionName: action.name,
    ScheduledActionARN: action.arn,
    ServiceNamespace: 'ecs',
    Schedule: action.schedule,
    ResourceId: action.resourceId,
    ScalableDimension: 'ecs:service:DesiredCount',
    ...(action.startMs === undefined ? {} : { StartTime: new Date(action.startMs) }),
    ...(action.endMs === undefined ? {} : { EndTime: new Date(action.endMs) }),
    ScalableTargetAction: { MinCapacity: action.minCapacity, MaxCapacity: action.maxCapacity },
    CreationTime: new Date(action.createdAtMs),
  };
}
