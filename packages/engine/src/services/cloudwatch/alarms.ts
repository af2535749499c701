import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { servicePrincipal } from '../../iam/principal.ts';
import type { Table } from '../../state/state.ts';
import { type AlarmDefinition, actionKind, alarmQueries } from './alarm-definition.ts';
import {
  type AlarmDecision,
  type AlarmStateValue,
  type DataPoint,
  decide,
  evaluationRange,
} from './alarm-evaluation.ts';
import type { AlarmHistory } from './alarm-history.ts';
import {
  type AlarmState,
  type AlarmTransition,
  eventDetail,
  functionPayload,
  historyData,
  reasonData,
  topicMessage,
} from './alarm-messages.ts';
import { type Grid, periodStarts } from './math-evaluator.ts';
import { type QuerySet, runQueries } from './metric-query.ts';
import type { MetricStore } from './metric-store.ts';

/** An alarm with its state and tags. */
export interface Alarm {
  readonly definition: AlarmDefinition;
  readonly state: AlarmState;
  /** When `state.value` last became another. */
  readonly transitionedAtMs: number;
  readonly tags: Readonly<Record<string, string>>;
}

/** An action still to be carried out; kept until it was, so that a crash does not lose it. */
interface PendingAction {
  readonly actionArn: string;
  readonly transition: AlarmTransition;
}

/** Alarms with periods under a minute are evaluated every 10 s, the others every minute, as on AWS. */
const CLASSES = [
  { everySeconds: 10, includes: (alarm: AlarmDefinition) => alarm.periodSeconds < 60 },
  { everySeconds: 60, includes: (alarm: AlarmDefinition) => alarm.periodSeconds >= 60 },
] as const;

/** Evaluations that a late timer may have missed and that are made up for, so that no period goes unseen. */
const CATCH_UP_MAX = 5;

/**
 * Metric alarms: kept, evaluated, and acted upon.
 *
 * Like AWS, an evaluation looks at complete periods only: shortly after each minute (or 10 s) it lays the
 * alarm's periods backwards from that instant, so that an alarm of five minutes slides by one. `--pace`
 * divides both the periods and the interval. A breach is thus seen within one interval of the period's end.
 */
export class Alarms {
  readonly #engine: Engine;
  readonly #store: MetricStore;
  readonly #history: AlarmHistory;
  readonly #alarms: Table<Alarm>;
  readonly #pending: Table<PendingAction>;
  readonly #queries = new WeakMap<AlarmDefinition, QuerySet>();
  /** Definitions whose expression failed, so that each is told once. */
  readonly #failing = new WeakSet<AlarmDefinition>();
  readonly #timers = new Map<number, Timer>();
  /** Index of the interval at whose beginning each class was last evaluated. */
  readonly #evaluated = new Map<number, number>();
  readonly #acting = new Set<Promise<void>>();
  #sequence = 0;
  #running = false;

  constructor(engine: Engine, store: MetricStore, history: AlarmHistory) {
    this.#engine = engine;
    this.#store = store;
    this.#history = history;
    this.#alarms = engine.state.table<Alarm>('cloudwatch.alarms');
    this.#pending = engine.state.table<PendingAction>('cloudwatch.alarm-actions');
  }

  all(): Alarm[] {
    return [...this.#alarms.values()].sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1));
  }

  get(name: string): Alarm | undefined {
    return this.#alarms.get(name);
  }

  /** The alarm of that name; `ResourceNotFound` without it. */
  require(name: string): Alarm {
    const alarm = this.#alarms.get(name);
    if (!alarm) throw new AwsFault('ResourceNotFound', `Alarm ${name} does not exist.`, 404);
    return alarm;
  }

  /** Creates an alarm in INSUFFICIENT_DATA, or replaces the definition of one and leaves its state. */
  put(definition: AlarmDefinition, tags: Readonly<Record<string, string>>): void {
    const existing = this.#alarms.get(definition.name);
    const nowMs = this.#engine.clock.nowMs();
    this.#alarms.put(definition.name, {
      definition,
      state: existing?.state ?? {
        value: 'INSUFFICIENT_DATA',
        reason: 'Unchecked: Initial alarm creation',
        updatedAtMs: nowMs,
      },
      transitionedAtMs: existing?.transitionedAtMs ?? nowMs,
      tags: existing?.tags ?? tags,
    });
    this.#history.add({
      alarmName: definition.name,
      atMs: nowMs,
      type: 'ConfigurationUpdate',
      summary: existing ? `Alarm "${definition.name}" updated` : `Alarm "${definition.name}" created`,
      data: JSON.stringify({ version: '1.0', type: existing ? 'Update' : 'Create' }),
    });
    this.#arm();
  }

  delete(name: string): void {
    if (!this.#alarms.delete(name)) return;
    this.#history.add({
      alarmName: name,
      atMs: this.#engine.clock.nowMs(),
      type: 'ConfigurationUpdate',
      summary: `Alarm "${name}" deleted`,
      data: JSON.stringify({ version: '1.0', type: 'Delete' }),
    });
  }

  enableActions(name: string, actionsEnabled: boolean): void {
    const alarm = this.#alarms.get(name);
    if (!alarm) return;
    this.#alarms.put(name, { ...alarm, definition: { ...alarm.definition, actionsEnabled } });
  }

  tag(name: string, change: (tags: Readonly<Record<string, string>>) => Record<string, string>): void {
    const alarm = this.require(name);
    this.#alarms.put(name, { ...alarm, tags: change(alarm.tags) });
  }

  /** Sets a state by hand: it lasts until the next evaluation. Acts like any other transition. */
  setState(name: string, value: AlarmStateValue, reason: string, data: string | undefined): void {
    const alarm = this.require(name);
    this.#become(alarm, {
      value,
      reason,
      ...(data === undefined ? {} : { reasonData: data }),
      updatedAtMs: this.#engine.clock.nowMs(),
    });
  }

  start(): void {
    this.#running = true;
    for (const key of [...this.#pending.keys()]) {
      this.#sequence = Math.max(this.#sequence, Number(key));
      this.#begin(key);
    }
    this.#arm();
  }

  async stop(): Promise<void> {
    this.#running = false;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    await Promise.all(this.#acting);
  }

  /** Arms the timer of every class that has alarms. */
  #arm(): void {
    if (!this.#running) return;
    for (const { everySeconds, includes } of CLASSES) {
      if (this.#timers.has(everySeconds)) continue;
      if (![...this.#alarms.values()].some(({ definition }) => includes(definition))) {
        this.#evaluated.delete(everySeconds);
        continue;
      }
      const { clock, pace } = this.#engine;
      const intervalMs = pace.scaleSeconds('alarm-period', everySeconds);
      const index = Math.floor(clock.nowMs() / intervalMs);
      if (!this.#evaluated.has(everySeconds)) this.#evaluated.set(everySeconds, index);
      const dueMs = (index + 1) * intervalMs + settlingMs(intervalMs);
      const timer = clock.setTimer(dueMs - clock.nowMs(), () => {
        this.#timers.delete(everySeconds);
        this.#evaluateClass(everySeconds, intervalMs, includes);
        this.#arm();
      });
      this.#timers.set(everySeconds, timer);
    }
  }

  #evaluateClass(
    everySeconds: number,
    intervalMs: number,
    includes: (alarm: AlarmDefinition) => boolean,
  ): void {
    const index = Math.floor(this.#engine.clock.nowMs() / intervalMs);
    const last = this.#evaluated.get(everySeconds) ?? index - 1;
    for (let at = Math.max(last + 1, index - CATCH_UP_MAX); at <= index; at++) {
      for (const { definition } of this.all()) {
        if (includes(definition)) this.#evaluate(definition.name, at * intervalMs);
      }
    }
    this.#evaluated.set(everySeconds, index);
  }

  /** Evaluates an alarm over the complete periods that end at `endMs`. */
  #evaluate(name: string, endMs: number): void {
    const alarm = this.#alarms.get(name);
    if (!alarm) return;
    const { definition, state } = alarm;
    const range = this.#range(definition, endMs);
    if (!range) return;
    const decision = decide(definition.condition, range, state.value);
    if (decision.state !== state.value) {
      const nowMs = this.#engine.clock.nowMs();
      this.#become(alarm, {
        value: decision.state,
        reason: decision.reason,
        reasonData: reasonData(definition, decision, nowMs),
        updatedAtMs: nowMs,
      });
    } else {
      this.#repeatScaling(definition, decision);
    }
  }

  /** The periods that an alarm looks at; `undefined` when its expression fails on the present data. */
  #range(definition: AlarmDefinition, endMs: number): DataPoint[] | undefined {
    const periodMs = this.#engine.pace.scaleSeconds('alarm-period', definition.periodSeconds);
    const grid: Grid = {
      startMs: endMs - evaluationRange(definition.condition) * periodMs,
      endMs,
      periodMs,
    };
    let queries = this.#queries.get(definition);
    if (!queries) {
      queries = alarmQueries(definition);
      this.#queries.set(definition, queries);
    }
    try {
      const points = runQueries(queries, this.#store, () => grid)[0]?.series[0]?.points;
      return periodStarts(grid).map((atMs) => ({ atMs, value: points?.get(atMs) }));
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      if (!this.#failing.has(definition)) {
        this.#failing.add(definition);
        this.#engine.journal.append('cloudwatch', 'alarm.evaluation-failed', {
          alarmName: definition.name,
          error: error.message,
        });
      }
      return undefined;
    }
  }

  /** Records a state and, when its value is another, reports it to everyone and acts. */
  #become(alarm: Alarm, to: AlarmState): void {
    const { definition, state: from } = alarm;
    const changed = from.value !== to.value;
    this.#alarms.put(definition.name, {
      ...alarm,
      state: to,
      transitionedAtMs: changed ? to.updatedAtMs : alarm.transitionedAtMs,
    });
    if (!changed) return;
    const { journal } = this.#engine;
    const transition: AlarmTransition = { alarm: definition, from, to };
    this.#history.add({
      alarmName: definition.name,
      atMs: to.updatedAtMs,
      type: 'StateUpdate',
      summary: `Alarm updated from ${from.value} to ${to.value}`,
      data: historyData(transition),
    });
    journal.append('cloudwatch', 'alarm.changed', {
      alarmName: definition.name,
      from: from.value,
      to: to.value,
      reason: to.reason,
    });
    journal.publish({
      source: 'aws.cloudwatch',
      'detail-type': 'CloudWatch Alarm State Change',
      resources: [definition.arn],
      detail: eventDetail(transition),
    });
    if (!definition.actionsEnabled) return;
    for (const actionArn of definition.actions[to.value]) {
      const key = String(++this.#sequence);
      this.#pending.put(key, { actionArn, transition });
      this.#begin(key);
    }
  }

  #begin(key: string): void {
    const acting = this.#act(key).finally(() => this.#acting.delete(acting));
    this.#acting.add(acting);
  }

  /** Carries out one action. What it cannot do is recorded and not tried again, as on AWS. */
  async #act(key: string): Promise<void> {
    const { actionArn, transition } = this.#pending.get(key)!;
    const { alarm, to } = transition;
    const { journal, accountId, region, call } = this.#engine;
    let failure: string | undefined;
    try {
      switch (actionKind(actionArn)) {
        case 'topic': {
          const { subject, message } = topicMessage(transition, accountId, region);
          await call(this.#principal('cloudwatch.amazonaws.com', alarm), 'sns', 'Publish', {
            TopicArn: actionArn,
            Subject: subject,
            Message: message,
          });
          break;
        }
        case 'function':
          await call(this.#principal('lambda.alarms.cloudwatch.amazonaws.com', alarm), 'lambda', 'Invoke', {
            FunctionName: actionArn,
            InvocationType: 'Event',
            Payload: Buffer.from(JSON.stringify(functionPayload(transition, accountId, region))),
          });
          break;
        default:
          this.#scale(actionArn, alarm, to.value, newestValue(to));
      }
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      failure = `${error.code}: ${error.message}`;
      journal.append('cloudwatch', 'alarm.action-failed', {
        alarmName: alarm.name,
        actionArn,
        error: failure,
      });
    }
    this.#history.add({
      alarmName: alarm.name,
      atMs: this.#engine.clock.nowMs(),
      type: 'Action',
      summary: failure
        ? `Failed to execute action ${actionArn}. Received error: "${failure}"`
        : `Successfully executed action ${actionArn}`,
      data: JSON.stringify({
        actionState: failure ? 'Failed' : 'Succeeded',
        notificationResource: actionArn,
      }),
    });
    this.#pending.delete(key);
  }

  /** Scaling policies are invoked at every evaluation for as long as their state lasts; others once. */
  #repeatScaling(definition: AlarmDefinition, decision: AlarmDecision): void {
    if (!definition.actionsEnabled) return;
    for (const actionArn of definition.actions[decision.state]) {
      if (actionKind(actionArn) === 'scaling-policy') {
        this.#scale(actionArn, definition, decision.state, decision.evaluated[0]?.value);
      }
    }
  }

  #scale(actionArn: string, alarm: AlarmDefinition, newState: string, value: number | undefined): void {
    this.#engine.journal.append('cloudwatch', 'alarm.action', {
      actionArn,
      alarmArn: alarm.arn,
      alarmName: alarm.name,
      newState,
      ...(value === undefined ? {} : { value }),
      threshold: alarm.condition.threshold,
    });
  }

  #principal(service: string, alarm: AlarmDefinition) {
    return servicePrincipal(this.#engine, service, alarm.arn);
  }
}

/** Time that data of the period just ended is given to arrive: a tenth of the interval, at most a second. */
function settlingMs(intervalMs: number): number {
  return Math.min(1000, intervalMs / 10);
}

function newestValue({ reasonData: data }: AlarmState): number | undefined {
  if (data === undefined) return undefined;
  let points: unknown;
  try {
    points = (JSON.parse(data) as { recentDatapoints?: unknown }).recentDatapoints;
  } catch {
    return undefined;
  }
  const newest: unknown = Array.isArray(points) ? points.at(-1) : undefined;
  return typeof newest === 'number' ? newest : undefined;
}
