import type { TargetTrackingScalingPolicyConfiguration } from '@aws-sdk/client-application-auto-scaling';
import { describe, expect, test } from 'vitest';
import { Pace } from '../../clock/pace.ts';
import { VirtualClock } from '../../clock/virtual-clock.ts';
import { Dispatcher } from '../../dispatch/dispatcher.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { PolicyAuthorizer } from '../../iam/policy-authorizer.ts';
import type { Principal } from '../../iam/principal.ts';
import { ByteIds } from '../../ids.ts';
import { Journal } from '../../journal/journal.ts';
import type { Input, OperationName, Output } from '../../sdk/services.ts';
import { State } from '../../state/state.ts';
import { createApplicationAutoScaling } from './application-auto-scaling.ts';

type Operations = OperationName<'application-auto-scaling'> & string;

const target = {
  ServiceNamespace: 'ecs',
  ResourceId: 'service/main/stable',
  ScalableDimension: 'ecs:service:DesiredCount',
} as const;
const ROOT: Principal = { kind: 'root', arn: 'root', accountId: '000000000000' };

/** Application Auto Scaling in virtual time, over one service that only has a desired count. */
class ScalingWorld {
  readonly clock = new VirtualClock();
  readonly #state = new State(':memory:');
  readonly #journal = new Journal(this.#state, this.clock);
  readonly #dispatcher: Dispatcher;
  readonly #service: Service<'application-auto-scaling'>;
  desired: number;
  deploying = false;
  readonly alarms = new Map<string, 'OK' | 'ALARM'>();

  constructor(desired: number) {
    this.desired = desired;
    const authorizer = new PolicyAuthorizer({
      state: this.#state,
      accountId: '000000000000',
      region: 'us-east-1',
      clock: this.clock,
    });
    const ids = new ByteIds();
    this.#dispatcher = new Dispatcher({
      state: this.#state,
      journal: this.#journal,
      clock: this.clock,
      ids,
      authorizer,
      pace: new Pace(1),
    });
    const engine: Engine = {
      clock: this.clock,
      pace: new Pace(1),
      ids,
      state: this.#state,
      journal: this.#journal,
      accountId: '000000000000',
      region: 'us-east-1',
      directory: '/nowhere',
      endpoint: () => 'http://127.0.0.1:4566',
      call: (principal, service, operation, input) =>
        this.#dispatcher.dispatch(principal, service, operation, input as Record<string, unknown>, {
          endpoint: '',
        }) as never,
      assumeRole: (...session) => authorizer.assumeRole(...session),
      credentials: () => {
        throw new Error('nobody asks for credentials here');
      },
    };
    this.#service = createApplicationAutoScaling(engine);
    for (const service of [this.#service, this.#ecs(), this.#cloudwatch()]) {
      this.#dispatcher.register(service as Service);
    }
  }

  async start(MinCapacity: number, MaxCapacity: number): Promise<this> {
    await this.#service.start?.();
    await this.call('RegisterScalableTarget', { ...target, MinCapacity, MaxCapacity });
    await this.settle();
    return this;
  }

  call<O extends Operations>(
    operation: O,
    input: Input<'application-auto-scaling', O>,
  ): Promise<Output<'application-auto-scaling', O>> {
    return this.#dispatcher.dispatch(
      ROOT,
      'application-auto-scaling',
      operation,
      input as Record<string, unknown>,
      {
        endpoint: '',
      },
    ) as never;
  }

  /** Puts a target tracking policy with a target of 100 and returns how its alarms signal. */
  async track(more: Partial<TargetTrackingScalingPolicyConfiguration> = {}, PolicyName = 'backlog') {
    const { PolicyARN, Alarms } = await this.call('PutScalingPolicy', {
      ...target,
      PolicyName,
      PolicyType: 'TargetTrackingScaling',
      TargetTrackingScalingPolicyConfiguration: {
        TargetValue: 100,
        ScaleOutCooldown: 60,
        ScaleInCooldown: 300,
        PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' },
        ...more,
      },
    });
    const signal = (alarm: number, threshold: number) => async (value: number) => {
      const alarmName = Alarms![alarm]!.AlarmName!;
      this.alarms.set(alarmName, 'ALARM');
      this.#journal.append('cloudwatch', 'alarm.action', {
        actionArn: PolicyARN!,
        alarmName,
        newState: 'ALARM',
        value,
        threshold,
      });
      await this.settle();
      return this.desired;
    };
    return { high: signal(0, 100), low: signal(1, 90) };
  }

  async settle(): Promise<void> {
    await this.clock.advanceBy(0);
    await this.#service.stop?.();
    await this.#service.start?.();
  }

  #ecs(): Service<'ecs'> {
    return {
      name: 'ecs',
      operations: {
        DescribeServices: {
          run: () => ({
            services: [
              {
                status: 'ACTIVE',
                desiredCount: this.desired,
                deployments: [{ rolloutState: this.deploying ? 'IN_PROGRESS' : 'COMPLETED' }],
              },
            ],
          }),
        },
        UpdateService: {
          run: ({ desiredCount }) => {
            this.desired = desiredCount ?? this.desired;
            return {};
          },
        },
      },
    };
  }

  #cloudwatch(): Service<'cloudwatch'> {
    return {
      name: 'cloudwatch',
      operations: {
        PutMetricAlarm: {
          run: ({ AlarmName }) => {
            if (!this.alarms.has(AlarmName!)) this.alarms.set(AlarmName!, 'OK');
            return {};
          },
        },
        DeleteAlarms: {
          run: ({ AlarmNames }) => {
            for (const name of AlarmNames ?? []) this.alarms.delete(name);
            return {};
          },
        },
        DescribeAlarms: {
          run: ({ AlarmNames }) => ({
            MetricAlarms: (AlarmNames ?? []).flatMap((AlarmName) => {
              const StateValue = this.alarms.get(AlarmName);
              return StateValue ? [{ AlarmName, StateValue }] : [];
            }),
          }),
        },
      },
    };
  }
}

describe('bounds', () => {
  test('are enforced when a target is registered, and not when somebody sets another count', async () => {
    const world = await new ScalingWorld(1).start(3, 10);
    expect(world.desired).toBe(3);
    world.desired = 1;
    await world.settle();
    expect(world.desired).toBe(1);
    await world.call('RegisterScalableTarget', { ...target, MinCapacity: 0, MaxCapacity: 0 });
    await world.settle();
    expect(world.desired).toBe(0);
  });
});

describe('target tracking', () => {
  test('scales out in proportion, to the maximum', async () => {
    const world = await new ScalingWorld(2).start(1, 10);
    const { high } = await world.track();
    expect(await high(250)).toBe(5);
    await world.clock.advanceBy(60_000);
    expect(await high(900)).toBe(10);
  });

  test('within its cooldown scales out only for a larger breach, counted from where it began', async () => {
    const world = await new ScalingWorld(2).start(1, 20);
    const { high } = await world.track();
    expect(await high(250)).toBe(5);
    await world.clock.advanceBy(59_000);
    expect(await high(250)).toBe(5);
    expect(await high(400)).toBe(8);
    await world.clock.advanceBy(60_000);
    expect(await high(150)).toBe(12);
  });

  test('scales in after its cooldown, not below the minimum, and never while a deployment runs', async () => {
    const world = await new ScalingWorld(8).start(2, 10);
    const { low } = await world.track();
    world.deploying = true;
    expect(await low(50)).toBe(8);
    world.deploying = false;
    expect(await low(50)).toBe(4);
    expect(await low(50)).toBe(4);
    await world.clock.advanceBy(300_000);
    expect(await low(10)).toBe(2);
  });

  test('scales in only when every policy agrees', async () => {
    const world = await new ScalingWorld(8).start(2, 10);
    const { low } = await world.track();
    const other = await world.track({}, 'other');
    expect(await low(50)).toBe(8);
    expect(await other.low(50)).toBe(4);
  });

  test('may be told not to scale in, and keeps no alarm for it then', async () => {
    const world = await new ScalingWorld(8).start(2, 10);
    await world.track();
    expect(world.alarms.size).toBe(2);
    await world.track({ DisableScaleIn: true });
    expect([...world.alarms.keys()]).toEqual([expect.stringContaining('AlarmHigh')]);
  });

  test('does nothing in a suspended direction', async () => {
    const world = await new ScalingWorld(4).start(1, 10);
    const { high, low } = await world.track();
    await world.call('RegisterScalableTarget', {
      ...target,
      SuspendedState: { DynamicScalingOutSuspended: true },
    });
    expect(await high(500)).toBe(4);
    expect(await low(50)).toBe(2);
  });
});

test('deregistering a target removes its policies and their alarms', async () => {
  const world = await new ScalingWorld(4).start(1, 10);
  await world.track();
  await world.call('DeregisterScalableTarget', target);
  expect(world.alarms.size).toBe(0);
  expect(await world.call('DescribeScalingPolicies', { ServiceNamespace: 'ecs' })).toMatchObject({
    ScalingPolicies: [],
  });
  await expect(world.call('DeregisterScalableTarget', target)).rejects.toMatchObject({
    code: 'ObjectNotFoundException',
  });
});

test('alarms that were lost between policy and crash are made again at the start', async () => {
  const world = await new ScalingWorld(4).start(1, 10);
  await world.track();
  world.alarms.clear();
  await world.settle();
  expect(world.alarms.size).toBe(2);
});

describe('a policy is refused when', () => {
  test.each([
    ['its steps leave a gap', [step(0, 10), step(20, undefined)], 'neither overlap nor leave a gap'],
    ['its steps overlap', [step(0, 10), step(5, undefined)], 'neither overlap nor leave a gap'],
    ['a step is empty', [step(10, 10)], 'greater than its lower bound'],
    ['it has no step', [], 'At least one step adjustment'],
  ])('%s', async (_why, StepAdjustments, message) => {
    const world = await new ScalingWorld(1).start(1, 2);
    await expect(
      world.call('PutScalingPolicy', {
        ...target,
        PolicyName: 'p',
        PolicyType: 'StepScaling',
        StepScalingPolicyConfiguration: { AdjustmentType: 'ChangeInCapacity', StepAdjustments },
      }),
    ).rejects.toThrow(message);
  });

  test('it tracks a metric that the engine does not have, or nothing', async () => {
    const world = await new ScalingWorld(1).start(1, 2);
    await expect(
      world.track({ PredefinedMetricSpecification: { PredefinedMetricType: 'ALBRequestCountPerTarget' } }),
    ).rejects.toThrow('does not support the predefined metric ALBRequestCountPerTarget');
    await expect(world.track({ TargetValue: 0 })).rejects.toThrow('TargetValue must be greater than 0');
  });
});

function step(low: number | undefined, high: number | undefined) {
  return {
    ScalingAdjustment: 1,
    ...(low === undefined ? {} : { MetricIntervalLowerBound: low }),
    ...(high === undefined ? {} : { MetricIntervalUpperBound: high }),
  };
}

describe('a scheduled action', () => {
  const MINUTE_MS = 60_000;
  const isoAt = (ms: number) => new Date(ms).toISOString().slice(0, 19);
  const put = (
    world: ScalingWorld,
    Schedule: string,
    ScalableTargetAction: { MinCapacity?: number; MaxCapacity?: number },
    rest: object = {},
  ) =>
    world.call('PutScheduledAction', {
      ...target,
      ScheduledActionName: 'night',
      Schedule,
      ScalableTargetAction,
      ...rest,
    });
  const bounds = async (world: ScalingWorld) => {
    const { ScalableTargets } = await world.call('DescribeScalableTargets', { ServiceNamespace: 'ecs' });
    return [ScalableTargets![0]!.MinCapacity, ScalableTargets![0]!.MaxCapacity];
  };

  test('sets the bounds when it is due, and the service follows', async () => {
    const world = await new ScalingWorld(4).start(1, 10);
    await put(world, 'rate(2 minutes)', { MaxCapacity: 2 });
    await world.clock.advanceBy(2 * MINUTE_MS - 1);
    expect([...(await bounds(world)), world.desired]).toEqual([1, 10, 4]);
    await world.clock.advanceBy(1);
    await world.settle();
    expect([...(await bounds(world)), world.desired]).toEqual([1, 2, 2]);
  });

  test('comes once at an instant, and at those of a cron expression that lie in its time', async () => {
    const world = await new ScalingWorld(1).start(1, 10);
    const nowMs = world.clock.nowMs();
    await put(world, `at(${isoAt(nowMs + MINUTE_MS)})`, { MinCapacity: 3 });
    await world.clock.advanceBy(MINUTE_MS);
    await world.settle();
    expect([...(await bounds(world)), world.desired]).toEqual([3, 10, 3]);
    await world.call('RegisterScalableTarget', { ...target, MinCapacity: 1 });
    await world.clock.advanceBy(10 * MINUTE_MS);
    expect(await bounds(world)).toEqual([1, 10]);
    const startMs = world.clock.nowMs() + 5 * MINUTE_MS;
    await put(world, 'cron(* * * * ? *)', { MinCapacity: 20 }, { StartTime: new Date(startMs) });
    await world.clock.advanceBy(4 * MINUTE_MS);
    expect(await bounds(world)).toEqual([1, 10]);
    await world.clock.advanceBy(2 * MINUTE_MS);
    expect(await bounds(world)).toEqual([20, 20]);
  });

  test('rests while the target is suspended, and ends with it or by itself', async () => {
    const world = await new ScalingWorld(1).start(1, 10);
    await put(world, 'rate(1 minute)', { MinCapacity: 2 });
    const SuspendedState = { ScheduledScalingSuspended: true };
    await world.call('RegisterScalableTarget', { ...target, SuspendedState });
    await world.clock.advanceBy(MINUTE_MS);
    expect(await bounds(world)).toEqual([1, 10]);
    const list = async () =>
      (await world.call('DescribeScheduledActions', { ServiceNamespace: 'ecs' })).ScheduledActions!;
    expect(await list()).toMatchObject([
      { ScheduledActionName: 'night', Schedule: 'rate(1 minute)', ScalableTargetAction: { MinCapacity: 2 } },
    ]);
    await world.call('DeleteScheduledAction', { ...target, ScheduledActionName: 'night' });
    expect(await list()).toEqual([]);
    await put(world, 'rate(1 minute)', { MinCapacity: 2 });
    await world.call('DeregisterScalableTarget', target);
    expect(await list()).toEqual([]);
  });

  test.each([
    ['at(2020-01-01T00:00:00)', { MaxCapacity: 1 }, {}, /in the past/],
    ['sometimes', { MaxCapacity: 1 }, {}, /not valid/],
    ['rate(1 minute)', {}, {}, /a MinCapacity, a MaxCapacity or both/],
    ['rate(1 minute)', { MinCapacity: 2, MaxCapacity: 1 }, {}, /cannot be less/],
    ['rate(1 minute)', { MaxCapacity: 1 }, { Timezone: 'Europe/Berlin' }, /UTC only, not Europe\/Berlin/],
  ])('%s with %o and %o is refused', async (schedule, action, rest, message) => {
    const world = await new ScalingWorld(1).start(1, 10);
    await expect(put(world, schedule, action, rest)).rejects.toThrow(message);
  });
});
