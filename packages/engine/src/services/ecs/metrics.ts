import type { MetricDatum } from '@aws-sdk/client-cloudwatch';
import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { servicePrincipal } from '../../iam/principal.ts';
import type { StoredService, StoredTask } from './model.ts';
import { readGroupUsage } from './process-usage.ts';
import { isPending, isRunning } from './shown-service.ts';
import type { EcsStore } from './store.ts';
import type { TaskLifecycle } from './task-lifecycle.ts';

const MIB = 1024 * 1024;

/**
 * Vends the metrics of services every minute: `AWS/ECS` CPUUtilization and MemoryUtilization, one value for
 * each running task that could be measured, and for clusters with Container Insights the task and deployment counts.
 * Each namespace's arrive late by a time of their own.
 *
 * A minute's values carry its beginning, so that the sample count of a period of one minute is the number of tasks:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cloudwatch-metrics.html#cw_running_task_count
 */
export class ServiceMetrics {
  readonly #engine: Engine;
  readonly #store: EcsStore;
  readonly #tasks: TaskLifecycle;
  readonly #lastCpuSeconds = new Map<string, number>();
  readonly #timers = new Set<Timer>();
  #measuredAtMs = 0;
  /** Number of the interval that was published last, since the epoch. */
  #published = 0;
  #problem = '';

  constructor(engine: Engine, store: EcsStore, tasks: TaskLifecycle) {
    this.#engine = engine;
    this.#store = store;
    this.#tasks = tasks;
  }

  start(): void {
    this.#measuredAtMs = this.#engine.clock.nowMs();
    this.#arm();
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #arm(): void {
    const { clock, pace } = this.#engine;
    const intervalMs = pace.ms('ecs-metrics');
    const interval = Math.max(Math.floor(clock.nowMs() / intervalMs), this.#published + 1);
    this.#after((interval + 1) * intervalMs - clock.nowMs(), () => {
      this.#published = interval;
      this.#arm();
      this.#publish(new Date(interval * intervalMs));
    });
  }

  #after(delayMs: number, run: () => void): void {
    const timer = this.#engine.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
  }

  #publish(at: Date): void {
    const services = [...this.#store.services.values()].filter(({ status }) => status === 'ACTIVE');
    if (services.length === 0) return;
    const usage = this.#measure();
    this.#putLate(
      'AWS/ECS',
      services.flatMap((service) => this.#utilization(service, usage, at)),
    );
    this.#putLate(
      'ECS/ContainerInsights',
      services
        .filter((service) => this.#hasInsights(service))
        .flatMap((service) => this.#counts(service, at)),
    );
  }

  /** CPU and memory of each running task in percent of what it may use, since the last measurement. */
  #measure(): ReadonlyMap<string, { cpu: number; memory: number }> {
    const nowMs = this.#engine.clock.nowMs();
    const elapsedSeconds = (nowMs - this.#measuredAtMs) / 1000;
    this.#measuredAtMs = nowMs;
    const running = [...this.#store.tasks.values()].filter(isRunning);
    const pids = new Map<string, number>();
    for (const { id } of running) {
      const pid = this.#tasks.pidOf(id);
      if (pid !== undefined) pids.set(id, pid);
    }
    const groups = readGroupUsage(new Set(pids.values()));
    const measured = new Map<string, { cpu: number; memory: number }>();
    for (const task of running) {
      const group = groups.get(pids.get(task.id) ?? -1);
      if (!group || elapsedSeconds <= 0) continue;
      const used = group.cpuSeconds - (this.#lastCpuSeconds.get(task.id) ?? 0);
      this.#lastCpuSeconds.set(task.id, group.cpuSeconds);
      measured.set(task.id, {
        cpu: Math.max(0, (100 * used) / elapsedSeconds / (Number(task.cpu) / 1024)),
        memory: (100 * group.memoryBytes) / (Number(task.memory) * MIB),
      });
    }
    for (const id of this.#lastCpuSeconds.keys()) if (!measured.has(id)) this.#lastCpuSeconds.delete(id);
    return measured;
  }

  #utilization(
    service: StoredService,
    usage: ReadonlyMap<string, { cpu: number; memory: number }>,
    at: Date,
  ): MetricDatum[] {
    const values = this.#store.tasksOfService(service).flatMap(({ id }) => usage.get(id) ?? []);
    if (values.length === 0) return [];
    const datum = (name: string, of: (value: { cpu: number; memory: number }) => number): MetricDatum => ({
      ...named(service, name, at),
      Unit: 'Percent',
      Values: values.map(of),
      Counts: values.map(() => 1),
    });
    return [datum('CPUUtilization', ({ cpu }) => cpu), datum('MemoryUtilization', ({ memory }) => memory)];
  }

  #counts(service: StoredService, at: Date): MetricDatum[] {
    const tasks: StoredTask[] = this.#store.tasksOfService(service);
    const counts: Record<string, number> = {
      RunningTaskCount: tasks.filter(isRunning).length,
      PendingTaskCount: tasks.filter(isPending).length,
      DesiredTaskCount: service.desiredCount,
      DeploymentCount: service.deployments.length,
    };
    return Object.entries(counts).map(([name, Value]) => ({
      ...named(service, name, at),
      Unit: 'Count',
      Value,
    }));
  }

  #hasInsights({ clusterName }: StoredService): boolean {
    const setting = this.#store.clusters
      .get(clusterName)
      ?.settings.find(({ name }) => name === 'containerInsights');
    return setting !== undefined && setting.value !== 'disabled';
  }

  #putLate(namespace: string, data: MetricDatum[]): void {
    if (data.length === 0) return;
    const { pace, ids } = this.#engine;
    this.#after(pace.drawMs('ecs-metrics-delay', ids), () => void this.#put(namespace, data));
  }

  async #put(namespace: string, data: MetricDatum[]): Promise<void> {
    try {
      await this.#engine.call(
        servicePrincipal(this.#engine, 'ecs.amazonaws.com'),
        'cloudwatch',
        'PutMetricData',
        {
          Namespace: namespace,
          MetricData: data,
        },
      );
      this.#problem = '';
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason === this.#problem) return;
      this.#problem = reason;
      this.#engine.journal.append('ecs', 'metrics.lost', { namespace, reason });
    }
  }
}

function named(service: StoredService, name: string, at: Date): MetricDatum {
  return {
    MetricName: name,
    Dimensions: [
      { Name: 'ClusterName', Value: service.clusterName },
      { Name: 'ServiceName', Value: service.name },
    ],
    Timestamp: at,
  };
}
