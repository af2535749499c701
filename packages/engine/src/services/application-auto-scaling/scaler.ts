import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { servicePrincipal } from '../../iam/principal.ts';
import type { Table } from '../../state/state.ts';
import type { RecentScaling, StoredActivity, StoredPolicy, StoredTarget } from './model.ts';
import { boundedCapacity, steppedCapacity, trackedCapacity } from './scaling-math.ts';
import { allScaleIn } from './tracking-alarms.ts';

/** What CloudWatch says when an alarm acts on a scaling policy. */
export interface PolicySignal {
  readonly alarmName: string;
  readonly newState: string;
  readonly value: number | undefined;
  readonly threshold: number;
}

interface ServiceCapacity {
  readonly desired: number;
  readonly deploying: boolean;
}

const ACTIVITIES_KEPT = 200;
const COOLDOWN_DEFAULT_SECONDS = 300;

/**
 * Changes desired counts: for policies whose alarms went off, and to enforce bounds when a target is
 * registered. Work on one service is done one after the other, so two alarms never act on the same count.
 */
export class Scaler {
  readonly #engine: Engine;
  readonly #targets: Table<StoredTarget>;
  readonly #policies: Table<StoredPolicy>;
  readonly #activities: Table<StoredActivity>;
  readonly #queues = new Map<string, Promise<void>>();

  constructor(
    engine: Engine,
    tables: {
      targets: Table<StoredTarget>;
      policies: Table<StoredPolicy>;
      activities: Table<StoredActivity>;
    },
  ) {
    this.#engine = engine;
    this.#targets = tables.targets;
    this.#policies = tables.policies;
    this.#activities = tables.activities;
  }

  /** Ends activities that an earlier engine did not finish. */
  start(): void {
    for (const activity of [...this.#activities.values()]) {
      if (activity.status === 'InProgress')
        this.#end(activity, 'Failed', 'The local engine ended meanwhile.');
    }
  }

  /** Resolves when nothing is being scaled. */
  async idle(): Promise<void> {
    await Promise.all(this.#queues.values());
  }

  /** Acts on an alarm's signal to one of the policies. */
  signal(policyArn: string, signal: PolicySignal): void {
    const policy = this.#policies.get(policyArn);
    if (policy) this.#enqueue(policy.resourceId, () => this.#follow(policyArn, signal));
  }

  /**
   * Brings a service within the bounds of its target. Application Auto Scaling does this when a target is
   * registered with other bounds; a count that somebody sets later stands until the next scaling activity.
   */
  enforceBounds(resourceId: string): void {
    this.#enqueue(resourceId, async () => {
      const target = this.#targets.get(resourceId);
      if (!target) return;
      const { desired } = await this.#capacity(resourceId);
      const { minCapacity: min, maxCapacity: max, suspended } = target;
      if (desired < min && !suspended.DynamicScalingOutSuspended) {
        await this.#scale(target, desired, min, `minimum capacity was set to ${min}`);
      } else if (desired > max && !suspended.DynamicScalingInSuspended) {
        await this.#scale(target, desired, max, `maximum capacity was set to ${max}`);
      }
    });
  }

  /** Current desired count; `ValidationException` when there is no such service. */
  async requireService(resourceId: string): Promise<void> {
    await this.#capacity(resourceId);
  }

  async #follow(policyArn: string, signal: PolicySignal): Promise<void> {
    const policy = this.#policies.get(policyArn);
    const target = policy && this.#targets.get(policy.resourceId);
    if (!policy || !target || signal.value === undefined) return;
    if (policy.tracking && signal.newState !== 'ALARM') return;
    const { desired, deploying } = await this.#capacity(target.resourceId);
    const bounds = { min: target.minCapacity, max: target.maxCapacity };
    const want = (from: number) =>
      policy.tracking
        ? trackedCapacity(from, signal.value!, policy.tracking.TargetValue!, bounds)
        : steppedCapacity(from, signal.value!, signal.threshold, policy.step!);
    const wanted = this.#isCooling(target.lastScaleOut)
      ? want(target.lastScaleOut!.fromCapacity)
      : want(desired);
    const next = wanted === undefined ? undefined : boundedCapacity(desired, wanted, bounds);
    if (next === undefined) return;
    const cause = `monitor alarm ${signal.alarmName} in state ${signal.newState} triggered policy ${policy.name}`;
    if (next > desired) {
      if (target.suspended.DynamicScalingOutSuspended) return;
      await this.#scale(target, desired, next, cause, { out: cooldownOf(policy, 'out') });
      return;
    }
    if (deploying || target.suspended.DynamicScalingInSuspended) return;
    if (this.#isCooling(target.lastScaleIn) || this.#isCooling(target.lastScaleOut)) return;
    if (policy.tracking) {
      if (policy.tracking.DisableScaleIn || signal.alarmName !== policy.alarms?.low) return;
      const others = [...this.#policies.values()].filter(
        (each) => each.resourceId === target.resourceId && each.arn !== policyArn,
      );
      if (!(await allScaleIn(this.#engine, others))) return;
    }
    await this.#scale(target, desired, next, cause, { in: cooldownOf(policy, 'in') });
  }

  async #scale(
    target: StoredTarget,
    from: number,
    to: number,
    cause: string,
    cooldown: { out?: number; in?: number } = {},
  ): Promise<void> {
    const { clock, ids, journal } = this.#engine;
    const nowMs = clock.nowMs();
    const activity: StoredActivity = {
      id: ids.uuid(),
      resourceId: target.resourceId,
      description: `Setting desired count to ${to}.`,
      cause,
      startedAtMs: nowMs,
      status: 'InProgress',
      statusMessage: `Successfully set desired count to ${to}. Waiting for change to be fulfilled by ecs.`,
    };
    this.#activities.put(activity.id, activity);
    this.#trim(target.resourceId);
    const [, cluster, service] = target.resourceId.split('/');
    try {
      await this.#engine.call(this.#principal(), 'ecs', 'UpdateService', {
        cluster,
        service,
        desiredCount: to,
      });
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      this.#end(activity, 'Failed', `Failed to set desired count to ${to}. Reason: ${error.message}`);
      journal.append('application-auto-scaling', 'scaling.failed', {
        service,
        from,
        to,
        cause,
        reason: error.message,
      });
      return;
    }
    this.#end(
      activity,
      'Successful',
      `Successfully set desired count to ${to}. Change successfully fulfilled by ecs.`,
    );
    const current = this.#targets.get(target.resourceId);
    if (current) this.#targets.put(target.resourceId, { ...current, ...recent(cooldown, nowMs, from) });
    journal.append('application-auto-scaling', 'scaling.done', { service, cluster, from, to, cause });
  }

  async #capacity(resourceId: string): Promise<ServiceCapacity> {
    const [, cluster, service] = resourceId.split('/');
    const missing = () => new AwsFault('ValidationException', `ECS service doesn't exist: ${resourceId}`);
    const { services } = await this.#engine
      .call(this.#principal(), 'ecs', 'DescribeServices', { cluster, services: [service ?? ''] })
      .catch((error: unknown) => {
        throw error instanceof AwsFault && error.code === 'ClusterNotFoundException' ? missing() : error;
      });
    const found = services?.[0];
    if (found?.status !== 'ACTIVE') throw missing();
    return {
      desired: found.desiredCount ?? 0,
      deploying: found.deployments?.some(({ rolloutState }) => rolloutState === 'IN_PROGRESS') ?? false,
    };
  }

  #isCooling(recentScaling: RecentScaling | undefined): boolean {
    if (!recentScaling) return false;
    const { clock, pace } = this.#engine;
    const cooldownMs = pace.scaleSeconds('scaling-cooldown-minute', recentScaling.cooldownSeconds);
    return clock.nowMs() < recentScaling.atMs + cooldownMs;
  }

  #end(activity: StoredActivity, status: StoredActivity['status'], statusMessage: string): void {
    this.#activities.put(activity.id, {
      ...activity,
      status,
      statusMessage,
      endedAtMs: this.#engine.clock.nowMs(),
    });
  }

  #trim(resourceId: string): void {
    const own = [...this.#activities.values()].filter((activity) => activity.resourceId === resourceId);
    for (const { id } of own.slice(0, -ACTIVITIES_KEPT)) this.#activities.delete(id);
  }

  #enqueue(resourceId: string, work: () => Promise<void>): void {
    const before = this.#queues.get(resourceId) ?? Promise.resolve();
    const done = before
      .then(work)
      .catch((error: unknown) => {
        this.#engine.journal.append('application-auto-scaling', 'scaling.failed', {
          resourceId,
          reason: error instanceof Error ? error.message : String(error),
        });
      })
      .finally(() => {
        if (this.#queues.get(resourceId) === done) this.#queues.delete(resourceId);
      });
    this.#queues.set(resourceId, done);
  }

  #principal() {
    return servicePrincipal(this.#engine, 'ecs.application-autoscaling.amazonaws.com');
  }
}

function cooldownOf({ tracking, step }: StoredPolicy, direction: 'out' | 'in'): number {
  if (step) return step.Cooldown ?? COOLDOWN_DEFAULT_SECONDS;
  const own = direction === 'out' ? tracking?.ScaleOutCooldown : tracking?.ScaleInCooldown;
  return own ?? COOLDOWN_DEFAULT_SECONDS;
}

function recent(
  cooldown: { out?: number; in?: number },
  atMs: number,
  fromCapacity: number,
): Partial<Pick<StoredTarget, 'lastScaleOut' | 'lastScaleIn'>> {
  if (cooldown.out !== undefined) {
    return { lastScaleOut: { atMs, cooldownSeconds: cooldown.out, fromCapacity } };
  }
  if (cooldown.in !== undefined) {
    return { lastScaleIn: { atMs, cooldownSeconds: cooldown.in, fromCapacity } };
  }
  return {};
}
