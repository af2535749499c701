/**
 * The ECS service scheduler as a pure function: what a service should do next, given what it is told to run
 * and what its tasks are doing. It starts nothing and stops nothing; the service controller does.
 *
 * Rules taken from AWS: during a deployment at least ceil(desired x minimum %) healthy tasks are kept and at
 * most floor(desired x maximum %) tasks exist, stopping ones included. Tasks of the version that was running
 * before are replaced by that same version until enough new ones are healthy.
 */

export type RolloutState = 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';

/** What the scheduler needs to know of a task that has not stopped. */
export interface TaskView {
  readonly id: string;
  readonly deploymentId: string;
  readonly createdAtMs: number;
  /** `stopping` from the moment the task is told to stop, or its container has ended, until it is gone. */
  readonly phase: 'starting' | 'running' | 'stopping';
  /** Instant at which it reached RUNNING; required when `running`. */
  readonly runningSinceMs?: number;
  /** State of the container health check; absent when it has none. */
  readonly health?: 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY';
  /** Whether it was already seen healthy: a task is announced healthy once. */
  readonly seenHealthy: boolean;
  /** End of its scale-in protection, if it has any. */
  readonly protectedUntilMs?: number;
}

/** What the scheduler needs to know of a deployment. */
export interface DeploymentView {
  readonly id: string;
  readonly rolloutState: RolloutState;
  /** Tasks that it keeps while another deployment replaces it; the primary keeps the desired count. */
  readonly target: number;
  /** Tasks that failed since one was last healthy. */
  readonly failures: number;
  /** No task of it is started before this instant: restarts of failing tasks are spaced out. */
  readonly launchNotBeforeMs: number;
  /** Since when everything else that completion needs has been true. */
  readonly stableSinceMs?: number;
  /** Whether it restores an earlier version after a failure. */
  readonly isRollback: boolean;
}

export interface ServiceView {
  /** Zero for a service that is being deleted. */
  readonly desiredCount: number;
  readonly minimumHealthyPercent: number;
  readonly maximumPercent: number;
  /** The primary deployment first. */
  readonly deployments: readonly [DeploymentView, ...DeploymentView[]];
  /** The deployment that last completed, if it is not the primary: kept up while it is replaced, and restored on failure. */
  readonly sourceId?: string;
  /** Whether there is a completed deployment to go back to, listed or not. */
  readonly canRollBack: boolean;
  readonly circuitBreaker?: { readonly threshold: number; readonly rollback: boolean };
  readonly alarms?: {
    readonly rollback: boolean;
    /** Alarms that went off since the deployment began. */
    readonly triggered: readonly string[];
    /** How long a finished rollout is watched before it counts as completed. */
    readonly bakeMs: number;
  };
  readonly tasks: readonly TaskView[];
  /** How long a task without a health check runs before it counts as healthy. */
  readonly healthyAfterMs: number;
}

export type StopCause = 'deployment' | 'scale-in' | 'unhealthy';

export type Rollout =
  | { readonly to: 'COMPLETED' }
  | { readonly to: 'FAILED'; readonly because: 'tasks' | 'alarms'; readonly rollBack: boolean };

/** What to do now. A plan with a `rollout` has nothing else: apply it and plan again. */
export interface Plan {
  readonly rollout?: Rollout;
  readonly launches: ReadonlyArray<{ readonly deploymentId: string; readonly count: number }>;
  readonly stops: ReadonlyArray<{ readonly taskId: string; readonly cause: StopCause }>;
  /** New targets of deployments that are being replaced. */
  readonly targets: ReadonlyArray<{ readonly deploymentId: string; readonly target: number }>;
  /** Tasks that count as healthy now and did not before. */
  readonly becameHealthy: readonly string[];
  /** Replaced deployments with nothing left to run. */
  readonly finished: readonly string[];
  /** Everything is as desired, except for the watch period of deployment alarms. */
  readonly stable: boolean;
  /** The percentages allow neither starting a new task nor stopping an old one. */
  readonly blocked: boolean;
  /** When to plan again although nothing happened. */
  readonly wakeAtMs?: number;
}

/** Whether the task counts towards the minimum healthy percent. */
export function isHealthy(task: TaskView, healthyAfterMs: number, nowMs: number): boolean {
  if (task.phase !== 'running') return false;
  if (task.health !== undefined) return task.health === 'HEALTHY';
  return task.runningSinceMs !== undefined && nowMs >= task.runningSinceMs + healthyAfterMs;
}

/** Fewest healthy and most existing tasks that a deployment may have, by AWS's rounding. */
export function taskLimits(
  desiredCount: number,
  minimumHealthyPercent: number,
  maximumPercent: number,
): { floor: number; ceiling: number } {
  return {
    floor: Math.ceil((desiredCount * minimumHealthyPercent) / 100),
    ceiling: Math.floor((desiredCount * maximumPercent) / 100),
  };
}

export function schedule(view: ServiceView, nowMs: number): Plan {
  return new Scheduling(view, nowMs).plan();
}

/** One scheduling pass: the mutable working copy of the counts while stops and launches are decided. */
class Scheduling {
  readonly #view: ServiceView;
  readonly #nowMs: number;
  readonly #floor: number;
  readonly #ceiling: number;
  readonly #primary: DeploymentView;
  readonly #source: DeploymentView | undefined;
  readonly #healthy = new Set<TaskView>();
  readonly #live: Set<TaskView>;
  readonly #stops: Array<{ taskId: string; cause: StopCause }> = [];
  readonly #launches: Array<{ deploymentId: string; count: number }> = [];
  #sourceTarget: number;
  #stopping: number;
  #wakeAtMs: number | undefined;

  constructor(view: ServiceView, nowMs: number) {
    this.#view = view;
    this.#nowMs = nowMs;
    const { floor, ceiling } = taskLimits(view.desiredCount, view.minimumHealthyPercent, view.maximumPercent);
    this.#floor = floor;
    this.#ceiling = ceiling;
    this.#primary = view.deployments[0];
    this.#source = view.deployments.slice(1).find(({ id }) => id === view.sourceId);
    this.#sourceTarget = this.#source?.target ?? 0;
    this.#live = new Set(view.tasks.filter(({ phase }) => phase !== 'stopping'));
    this.#stopping = view.tasks.length - this.#live.size;
    for (const task of this.#live) {
      if (isHealthy(task, view.healthyAfterMs, nowMs)) this.#healthy.add(task);
      else if (task.runningSinceMs !== undefined && task.health === undefined) {
        this.#wakeAt(task.runningSinceMs + view.healthyAfterMs);
      }
    }
  }

  plan(): Plan {
    const becameHealthy = [...this.#healthy].filter((task) => !task.seenHealthy).map(({ id }) => id);
    const stable = this.#isStable();
    const rollout = this.#rollout(stable);
    const base = { becameHealthy, stable, finished: this.#finished(rollout) };
    if (rollout) {
      return { ...base, rollout, launches: [], stops: [], targets: [], blocked: false };
    }
    this.#replaceUnhealthy();
    this.#scaleIn();
    this.#retireSuperseded();
    this.#retireSource();
    const blocked = this.#launch();
    const targets =
      this.#source && this.#sourceTarget !== this.#source.target
        ? [{ deploymentId: this.#source.id, target: this.#sourceTarget }]
        : [];
    return {
      ...base,
      launches: this.#launches,
      stops: this.#stops,
      targets,
      blocked,
      ...(this.#wakeAtMs === undefined ? {} : { wakeAtMs: this.#wakeAtMs }),
    };
  }

  /** All desired tasks are healthy members of the primary, and nothing else exists. */
  #isStable(): boolean {
    const { desiredCount, tasks } = this.#view;
    return (
      tasks.length === desiredCount &&
      tasks.every((task) => task.deploymentId === this.#primary.id && this.#healthy.has(task))
    );
  }

  #rollout(stable: boolean): Rollout | undefined {
    const { circuitBreaker, alarms, canRollBack } = this.#view;
    const { rolloutState, failures, isRollback, stableSinceMs } = this.#primary;
    if (rolloutState !== 'IN_PROGRESS') return undefined;
    const fail = (because: 'tasks' | 'alarms', rollback: boolean): Rollout => ({
      to: 'FAILED',
      because,
      rollBack: rollback && canRollBack && !isRollback,
    });
    if (alarms && alarms.triggered.length > 0 && !isRollback) return fail('alarms', alarms.rollback);
    if (circuitBreaker && failures >= circuitBreaker.threshold) return fail('tasks', circuitBreaker.rollback);
    if (!stable) return undefined;
    const bakedAtMs = (stableSinceMs ?? this.#nowMs) + (isRollback ? 0 : (alarms?.bakeMs ?? 0));
    if (this.#nowMs >= bakedAtMs) return { to: 'COMPLETED' };
    this.#wakeAt(bakedAtMs);
    return undefined;
  }

  /** The source stays listed until its replacement is complete; every other one only while it has tasks. */
  #finished(rollout: Rollout | undefined): string[] {
    const completed = rollout?.to === 'COMPLETED' || this.#primary.rolloutState === 'COMPLETED';
    return this.#view.deployments
      .slice(1)
      .filter(
        ({ id }) =>
          (completed || id !== this.#source?.id) &&
          !this.#view.tasks.some(({ deploymentId }) => deploymentId === id),
      )
      .map(({ id }) => id);
  }

  /** Tasks that fail their health check go once healthy ones have taken their place; `launch` starts those. */
  #replaceUnhealthy(): void {
    for (const [deploymentId, target] of [
      [this.#primary.id, this.#view.desiredCount],
      [this.#source?.id, this.#sourceTarget],
    ] as const) {
      const members = this.#members(deploymentId);
      if (members.filter((task) => this.#healthy.has(task)).length < target) continue;
      for (const task of members) if (task.health === 'UNHEALTHY') this.#stop(task, 'unhealthy');
    }
  }

  /** Newest first: the longest running tasks have done their warming up. */
  #scaleIn(): void {
    let excess = this.#useful(this.#primary.id).length - this.#view.desiredCount;
    const candidates = this.#useful(this.#primary.id).sort(
      (a, b) => Number(this.#healthy.has(a)) - Number(this.#healthy.has(b)) || b.createdAtMs - a.createdAtMs,
    );
    for (const task of candidates) {
      if (excess > 0 && this.#tryStop(task, 'scale-in')) excess--;
    }
  }

  /** Deployments that never completed and were replaced, or failed, go as fast as the floor allows. */
  #retireSuperseded(): void {
    for (const { id } of this.#view.deployments.slice(1)) {
      if (id === this.#source?.id) continue;
      for (const task of this.#leastUsefulFirst(this.#members(id))) this.#tryStop(task, 'deployment');
    }
  }

  /** The version before gives way one task for each healthy new one. */
  #retireSource(): void {
    if (!this.#source) return;
    const healthyNew = this.#members(this.#primary.id).filter((task) => this.#healthy.has(task)).length;
    this.#sourceTarget = Math.min(this.#sourceTarget, Math.max(0, this.#view.desiredCount - healthyNew));
    let surplus = this.#useful(this.#source.id).length - this.#sourceTarget;
    for (const task of this.#leastUsefulFirst(this.#useful(this.#source.id))) {
      if (surplus > 0 && this.#tryStop(task, 'deployment')) surplus--;
    }
  }

  /** Starts what is missing below the ceiling; makes room for it where the floor allows. Returns whether stuck. */
  #launch(): boolean {
    let room = this.#ceiling - this.#live.size - this.#stopping;
    if (this.#source) {
      const count = Math.min(this.#wanted(this.#source, this.#sourceTarget), Math.max(room, 0));
      if (count > 0) this.#launches.push({ deploymentId: this.#source.id, count });
      room -= Math.max(count, 0);
    }
    if (this.#primary.rolloutState === 'FAILED') return false;
    const wanted = this.#wanted(this.#primary, this.#view.desiredCount);
    const count = Math.min(wanted, Math.max(room, 0));
    if (count > 0) this.#launches.push({ deploymentId: this.#primary.id, count });
    const missing = wanted - Math.max(count, 0);
    if (missing <= 0 || this.#stopping > 0) return false;
    return !this.#makeRoom(missing) && this.#nothingWillChange();
  }

  #makeRoom(count: number): boolean {
    const before = this.#stops.length;
    const unhealthy = [...this.#live].filter((task) => task.health === 'UNHEALTHY');
    for (const task of unhealthy) {
      if (this.#stops.length - before < count) this.#stop(task, 'unhealthy');
    }
    if (!this.#source) return this.#stops.length > before;
    for (const task of this.#leastUsefulFirst(this.#useful(this.#source.id))) {
      if (this.#stops.length - before < count && this.#tryStop(task, 'deployment')) this.#sourceTarget--;
    }
    return this.#stops.length > before;
  }

  #nothingWillChange(): boolean {
    return [...this.#live].every((task) => this.#healthy.has(task) && !this.#isProtected(task));
  }

  #wanted(deployment: DeploymentView, target: number): number {
    const wanted = target - this.#useful(deployment.id).length;
    if (wanted <= 0) return 0;
    if (this.#nowMs >= deployment.launchNotBeforeMs) return wanted;
    this.#wakeAt(deployment.launchNotBeforeMs);
    return 0;
  }

  #members(deploymentId: string | undefined): TaskView[] {
    return [...this.#live].filter((task) => task.deploymentId === deploymentId);
  }

  #useful(deploymentId: string): TaskView[] {
    return this.#members(deploymentId).filter((task) => task.health !== 'UNHEALTHY');
  }

  #leastUsefulFirst(tasks: readonly TaskView[]): TaskView[] {
    return [...tasks].sort(
      (a, b) => Number(this.#healthy.has(a)) - Number(this.#healthy.has(b)) || a.createdAtMs - b.createdAtMs,
    );
  }

  #isProtected(task: TaskView): boolean {
    return task.protectedUntilMs !== undefined && task.protectedUntilMs > this.#nowMs;
  }

  /** Stops the task unless it is protected or the floor needs it. */
  #tryStop(task: TaskView, cause: StopCause): boolean {
    if (this.#isProtected(task)) {
      this.#wakeAt(task.protectedUntilMs!);
      return false;
    }
    if (this.#healthy.has(task) && this.#healthy.size - 1 < this.#floor) return false;
    this.#stop(task, cause);
    return true;
  }

  #stop(task: TaskView, cause: StopCause): void {
    if (!this.#live.delete(task)) return;
    this.#healthy.delete(task);
    this.#stopping++;
    this.#stops.push({ taskId: task.id, cause });
  }

  #wakeAt(atMs: number): void {
    if (atMs > this.#nowMs && (this.#wakeAtMs === undefined || atMs < this.#wakeAtMs)) this.#wakeAtMs = atMs;
  }
}

/** How the deployment circuit breaker's threshold is configured. */
export interface BreakerThreshold {
  readonly type: 'BOUNDED_PERCENT' | 'UNBOUNDED_PERCENT' | 'COUNT';
  readonly value: number;
}

/**
 * Failed tasks at which a deployment fails. By default half of the desired count, at least 3 and at most 200.
 */
export function failureThreshold(
  desiredCount: number,
  { type, value }: BreakerThreshold = { type: 'BOUNDED_PERCENT', value: 50 },
): number {
  if (type === 'COUNT') return value;
  const share = Math.ceil((desiredCount * value) / 100);
  return type === 'UNBOUNDED_PERCENT' ? Math.max(share, 1) : Math.min(Math.max(share, 3), 200);
}

const IMMEDIATE_RESTARTS = 3;
const RESTART_STEPS_MAX = 162;

/**
 * Wait before the next start after `failures` consecutive failures: none for the first three, then one step,
 * doubling. AWS documents a growing delay of at most 27 minutes and not its steps; `stepMs` is 10 s there.
 */
export function restartDelayMs(failures: number, stepMs: number): number {
  if (failures < IMMEDIATE_RESTARTS) return 0;
  return stepMs * Math.min(2 ** (failures - IMMEDIATE_RESTARTS), RESTART_STEPS_MAX);
}

/** One provider of a capacity provider strategy. */
export interface ProviderShare {
  readonly capacityProvider: string;
  readonly base: number;
  readonly weight: number;
}

/**
 * Provider for the next task: bases are filled first, then tasks are spread by weight.
 *
 * @param running tasks of each provider now
 */
export function nextProvider(
  strategy: readonly ProviderShare[],
  running: ReadonlyMap<string, number>,
): string | undefined {
  const count = (provider: string) => running.get(provider) ?? 0;
  const unfilled = strategy.find(({ capacityProvider, base }) => count(capacityProvider) < base);
  if (unfilled) return unfilled.capacityProvider;
  let best: { provider: string; load: number } | undefined;
  for (const { capacityProvider, base, weight } of strategy) {
    if (weight <= 0) continue;
    const load = (count(capacityProvider) - base + 1) / weight;
    if (!best || load < best.load) best = { provider: capacityProvider, load };
  }
  return best?.provider;
}
