import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DeploymentView,
  failureThreshold,
  isHealthy,
  nextProvider,
  type Plan,
  restartDelayMs,
  type ServiceView,
  schedule,
  type TaskView,
  taskLimits,
} from './scheduler.ts';

const HEALTHY_AFTER_MS = 40_000;
const NOW = 1_000_000;

let created = 0;
function task(deploymentId: string, state: 'starting' | 'young' | 'healthy' | 'stopping' | 'sick'): TaskView {
  created++;
  const base = { id: `t${created}`, deploymentId, createdAtMs: created, seenHealthy: state === 'healthy' };
  switch (state) {
    case 'starting':
    case 'stopping':
      return { ...base, phase: state };
    case 'young':
      return { ...base, phase: 'running', runningSinceMs: NOW - 1_000 };
    case 'healthy':
      return { ...base, phase: 'running', runningSinceMs: NOW - HEALTHY_AFTER_MS };
    case 'sick':
      return { ...base, phase: 'running', runningSinceMs: NOW - HEALTHY_AFTER_MS, health: 'UNHEALTHY' };
  }
}

function tasks(count: number, ...of: Parameters<typeof task>): TaskView[] {
  return Array.from({ length: count }, () => task(...of));
}

function deployment(id: string, overrides: Partial<DeploymentView> = {}): DeploymentView {
  return {
    id,
    rolloutState: 'IN_PROGRESS',
    target: 0,
    failures: 0,
    launchNotBeforeMs: 0,
    isRollback: false,
    ...overrides,
  };
}

const completed: Partial<DeploymentView> = { rolloutState: 'COMPLETED' };

function view(overrides: Partial<ServiceView>): ServiceView {
  return {
    desiredCount: 3,
    minimumHealthyPercent: 100,
    maximumPercent: 200,
    deployments: [deployment('new')],
    canRollBack: false,
    tasks: [],
    healthyAfterMs: HEALTHY_AFTER_MS,
    ...overrides,
  };
}

/** A service of three in the middle of replacing `old` by `new`. */
function rolling(overrides: Partial<ServiceView>, old: Partial<DeploymentView> = {}): ServiceView {
  return view({
    deployments: [deployment('new'), deployment('old', { ...completed, target: 3, ...old })],
    sourceId: 'old',
    canRollBack: true,
    ...overrides,
  });
}

const launched = (plan: Plan) =>
  Object.fromEntries(plan.launches.map(({ deploymentId, count }) => [deploymentId, count]));
const stopped = (plan: Plan, of: readonly TaskView[]) =>
  plan.stops.map(({ taskId }) => of.find(({ id }) => id === taskId)?.deploymentId);

describe('limits', () => {
  test.each([
    [3, 100, 200, 3, 6],
    [1, 50, 200, 1, 2],
    [3, 50, 150, 2, 4],
    [10, 33, 133, 4, 13],
    [0, 100, 200, 0, 0],
  ])(
    '%i desired at %i to %i percent keep %i healthy and run at most %i',
    (desired, min, max, floor, ceiling) => {
      expect(taskLimits(desired, min, max)).toEqual({ floor, ceiling });
    },
  );

  test.each([
    [1, undefined, 3],
    [10, undefined, 5],
    [11, undefined, 6],
    [1000, undefined, 200],
    [1000, { type: 'UNBOUNDED_PERCENT', value: 50 } as const, 500],
    [1000, { type: 'COUNT', value: 1 } as const, 1],
  ])('%i desired with threshold %o fail after %i tasks', (desired, threshold, expected) => {
    expect(failureThreshold(desired, threshold)).toBe(expected);
  });
});

describe('a task', () => {
  test('without a health check is healthy 40 seconds after RUNNING, to the millisecond', () => {
    const since: TaskView = { ...task('new', 'young'), runningSinceMs: NOW };
    expect(isHealthy(since, HEALTHY_AFTER_MS, NOW + HEALTHY_AFTER_MS - 1)).toBe(false);
    expect(isHealthy(since, HEALTHY_AFTER_MS, NOW + HEALTHY_AFTER_MS)).toBe(true);
  });

  test('with a health check is healthy when the check says so, however long it runs', () => {
    const young = task('new', 'young');
    expect(isHealthy({ ...young, health: 'UNKNOWN' }, HEALTHY_AFTER_MS, NOW + 10 * HEALTHY_AFTER_MS)).toBe(
      false,
    );
    expect(isHealthy({ ...young, health: 'HEALTHY' }, HEALTHY_AFTER_MS, NOW)).toBe(true);
  });
});

describe('a new service', () => {
  test('starts all its tasks and is woken when they become healthy', () => {
    expect(launched(schedule(view({}), NOW))).toEqual({ new: 3 });
    const plan = schedule(view({ tasks: tasks(3, 'new', 'young') }), NOW);
    expect(plan.launches).toEqual([]);
    expect(plan.wakeAtMs).toBe(NOW - 1_000 + HEALTHY_AFTER_MS);
    expect(plan.rollout).toBeUndefined();
  });

  test('completes when all desired tasks are healthy', () => {
    expect(schedule(view({ tasks: tasks(3, 'new', 'healthy') }), NOW).rollout).toEqual({ to: 'COMPLETED' });
  });

  test('with nothing desired completes at once', () => {
    expect(schedule(view({ desiredCount: 0 }), NOW).rollout).toEqual({ to: 'COMPLETED' });
  });
});

describe('a rolling deployment', () => {
  test('starts new tasks up to the ceiling and stops none before they are healthy', () => {
    const first = schedule(rolling({ tasks: tasks(3, 'old', 'healthy') }), NOW);
    expect(launched(first)).toEqual({ new: 3 });
    expect(first.stops).toEqual([]);
    const starting = [...tasks(3, 'old', 'healthy'), ...tasks(3, 'new', 'young')];
    expect(schedule(rolling({ tasks: starting }), NOW).stops).toEqual([]);
  });

  test('stops one old task for each healthy new one', () => {
    const all = [...tasks(3, 'old', 'healthy'), ...tasks(1, 'new', 'healthy'), ...tasks(2, 'new', 'young')];
    const plan = schedule(rolling({ tasks: all }), NOW);
    expect(stopped(plan, all)).toEqual(['old']);
    expect(plan.targets).toEqual([{ deploymentId: 'old', target: 2 }]);
  });

  test('waits until old tasks are gone before it completes', () => {
    const stopping = [...tasks(3, 'new', 'healthy'), task('old', 'stopping')];
    const replaced = rolling({ tasks: stopping }, { target: 0 });
    expect(schedule(replaced, NOW).rollout).toBeUndefined();
    const done = schedule({ ...replaced, tasks: stopping.slice(0, 3) }, NOW);
    expect(done.rollout).toEqual({ to: 'COMPLETED' });
    expect(done.finished).toEqual(['old']);
  });

  test('without room above makes room below, down to the floor', () => {
    const all = tasks(4, 'old', 'healthy');
    const limits = { desiredCount: 4, minimumHealthyPercent: 50, maximumPercent: 100 };
    const plan = schedule(rolling({ ...limits, tasks: all }, { target: 4 }), NOW);
    expect(plan.launches).toEqual([]);
    expect(stopped(plan, all)).toEqual(['old', 'old']);
    const halfGone = [...tasks(2, 'old', 'healthy'), ...tasks(1, 'old', 'stopping')];
    expect(launched(schedule(rolling({ ...limits, tasks: halfGone }, { target: 2 }), NOW))).toEqual({
      new: 1,
    });
  });

  test('says that it is blocked when the percentages allow nothing', () => {
    const stuck = { desiredCount: 1, maximumPercent: 150, tasks: tasks(1, 'old', 'healthy') };
    const plan = schedule(rolling(stuck, { target: 1 }), NOW);
    expect(plan).toMatchObject({ blocked: true, launches: [], stops: [] });
  });

  test('replaces an old task that died by the old version, whatever the new one does', () => {
    const all = [...tasks(2, 'old', 'healthy'), ...tasks(3, 'new', 'starting')];
    expect(launched(schedule(rolling({ tasks: all }), NOW))).toEqual({ old: 1 });
  });

  test('does not bring back old tasks that it stopped itself', () => {
    const all = [...tasks(2, 'old', 'healthy'), ...tasks(1, 'new', 'healthy'), ...tasks(2, 'new', 'young')];
    expect(schedule(rolling({ tasks: all }, { target: 2 }), NOW)).toMatchObject({ launches: [], stops: [] });
  });

  test('drops a deployment that was superseded before it completed, never below the floor', () => {
    const all = [
      ...tasks(3, 'old', 'healthy'),
      ...tasks(1, 'superseded', 'starting'),
      ...tasks(2, 'superseded', 'healthy'),
    ];
    const three = rolling({ tasks: all });
    const plan = schedule(
      { ...three, deployments: [deployment('new'), deployment('superseded'), three.deployments[1]!] },
      NOW,
    );
    expect(stopped(plan, all)).toEqual(['superseded', 'superseded', 'superseded']);
    const onlyThey = { ...three, tasks: all.filter(({ deploymentId }) => deploymentId !== 'old') };
    const kept = schedule(
      {
        ...onlyThey,
        deployments: [deployment('new'), deployment('superseded'), deployment('old', completed)],
      },
      NOW,
    );
    expect(stopped(kept, all)).toEqual(['superseded']);
  });

  test('leaves protected tasks alone and comes back when the protection ends', () => {
    const all = [
      ...tasks(3, 'new', 'healthy'),
      { ...task('old', 'healthy'), protectedUntilMs: NOW + 5_000 },
      { ...task('old', 'healthy'), protectedUntilMs: NOW - 1 },
    ];
    const plan = schedule(rolling({ tasks: all }, { target: 0 }), NOW);
    expect(plan.stops).toEqual([{ taskId: all[4]!.id, cause: 'deployment' }]);
    expect(plan.wakeAtMs).toBe(NOW + 5_000);
  });
});

describe('the circuit breaker', () => {
  const breaker = { threshold: 3, rollback: true };

  test('fails the deployment at the threshold and rolls back to what completed last', () => {
    const failing = (failures: number) =>
      rolling({
        circuitBreaker: breaker,
        deployments: [deployment('new', { failures }), deployment('old', { ...completed, target: 3 })],
        tasks: tasks(3, 'old', 'healthy'),
      });
    expect(schedule(failing(2), NOW).rollout).toBeUndefined();
    expect(schedule(failing(3), NOW).rollout).toEqual({ to: 'FAILED', because: 'tasks', rollBack: true });
  });

  test.each([
    ['there is nothing to go back to', { canRollBack: false }, {}, breaker],
    ['it restores an earlier version already', { canRollBack: true }, { isRollback: true }, breaker],
    ['rollback is off', { canRollBack: true }, {}, { ...breaker, rollback: false }],
  ])('only fails the deployment when %s', (_why, service, primary, circuitBreaker) => {
    const failed = view({
      ...service,
      circuitBreaker,
      deployments: [deployment('new', { failures: 3, ...primary })],
    });
    expect(schedule(failed, NOW).rollout).toEqual({ to: 'FAILED', because: 'tasks', rollBack: false });
  });

  test('stops launching after a failure without rollback, and keeps the old version whole', () => {
    const failed = rolling({
      deployments: [
        deployment('new', { rolloutState: 'FAILED' }),
        deployment('old', { ...completed, target: 3 }),
      ],
      tasks: tasks(2, 'old', 'healthy'),
    });
    expect(launched(schedule(failed, NOW))).toEqual({ old: 1 });
  });

  test('does not judge a deployment that has completed', () => {
    const later = view({
      circuitBreaker: breaker,
      deployments: [deployment('new', { ...completed, failures: 9 })],
    });
    expect(schedule(later, NOW).rollout).toBeUndefined();
  });

  test('on the way back removes the failed version at once where it is not needed', () => {
    const all = [...tasks(3, 'old', 'healthy'), ...tasks(2, 'bad', 'healthy'), ...tasks(1, 'bad', 'young')];
    const back = view({
      deployments: [deployment('old', { isRollback: true }), deployment('bad', { rolloutState: 'FAILED' })],
      tasks: all,
    });
    expect(stopped(schedule(back, NOW), all)).toEqual(['bad', 'bad', 'bad']);
  });
});

describe('deployment alarms', () => {
  const alarms = { rollback: true, triggered: [], bakeMs: 60_000 };

  test('fail the deployment when one goes off', () => {
    const alarmed = rolling({
      alarms: { ...alarms, triggered: ['errors'] },
      tasks: tasks(3, 'old', 'healthy'),
    });
    expect(schedule(alarmed, NOW).rollout).toEqual({ to: 'FAILED', because: 'alarms', rollBack: true });
  });

  test('are watched for a while after the rollout before it completes', () => {
    const healthy = tasks(3, 'new', 'healthy');
    const first = schedule(view({ alarms, tasks: healthy }), NOW);
    expect(first).toMatchObject({ stable: true, wakeAtMs: NOW + 60_000 });
    expect(first.rollout).toBeUndefined();
    const baked = view({
      alarms,
      tasks: healthy,
      deployments: [deployment('new', { stableSinceMs: NOW - 60_000 })],
    });
    expect(schedule(baked, NOW).rollout).toEqual({ to: 'COMPLETED' });
  });
});

describe('scaling', () => {
  test('in stops what is not healthy yet first, then the newest', () => {
    const all = [...tasks(3, 'new', 'healthy'), ...tasks(1, 'new', 'starting')];
    const plan = schedule(
      view({ desiredCount: 2, deployments: [deployment('new', completed)], tasks: all }),
      NOW,
    );
    expect(plan.stops).toEqual([
      { taskId: all[3]!.id, cause: 'scale-in' },
      { taskId: all[2]!.id, cause: 'scale-in' },
    ]);
  });

  test('in leaves protected tasks', () => {
    const all = tasks(3, 'new', 'healthy').map((each) => ({ ...each, protectedUntilMs: NOW + 1 }));
    const plan = schedule(
      view({ desiredCount: 1, deployments: [deployment('new', completed)], tasks: all }),
      NOW,
    );
    expect(plan).toMatchObject({ stops: [], wakeAtMs: NOW + 1 });
  });
});

describe('failing tasks', () => {
  test('are restarted at once three times, then ever later', () => {
    expect([0, 1, 2, 3, 4, 5, 50].map((failures) => restartDelayMs(failures, 10_000))).toEqual([
      0, 0, 0, 10_000, 20_000, 40_000, 1_620_000,
    ]);
    const waiting = view({ deployments: [deployment('new', { launchNotBeforeMs: NOW + 10_000 })] });
    expect(schedule(waiting, NOW)).toMatchObject({ launches: [], wakeAtMs: NOW + 10_000 });
    expect(launched(schedule(waiting, NOW + 10_000))).toEqual({ new: 3 });
  });

  test('that fail their health check go after their replacement is healthy', () => {
    const steady = (all: TaskView[]) =>
      schedule(view({ desiredCount: 1, deployments: [deployment('new', completed)], tasks: all }), NOW);
    const sick = task('new', 'sick');
    expect(steady([sick])).toMatchObject({ stops: [], launches: [{ deploymentId: 'new', count: 1 }] });
    expect(steady([sick, task('new', 'young')]).stops).toEqual([]);
    expect(steady([sick, task('new', 'healthy')]).stops).toEqual([{ taskId: sick.id, cause: 'unhealthy' }]);
  });

  test('that fail their health check go first when there is no room for the replacement', () => {
    const sick = task('new', 'sick');
    const plan = schedule(
      rolling({ desiredCount: 1, tasks: [task('old', 'healthy'), sick] }, { target: 1 }),
      NOW,
    );
    expect(plan.stops).toEqual([{ taskId: sick.id, cause: 'unhealthy' }]);
  });
});

describe('capacity providers', () => {
  test('fill the base first, then follow the weights', () => {
    const strategy = [
      { capacityProvider: 'FARGATE', base: 1, weight: 1 },
      { capacityProvider: 'FARGATE_SPOT', base: 0, weight: 3 },
    ];
    const counts = new Map<string, number>();
    const order = Array.from({ length: 9 }, () => {
      const provider = nextProvider(strategy, counts)!;
      counts.set(provider, (counts.get(provider) ?? 0) + 1);
      return provider;
    });
    expect(order[0]).toBe('FARGATE');
    expect(counts).toEqual(
      new Map([
        ['FARGATE', 3],
        ['FARGATE_SPOT', 6],
      ]),
    );
  });

  test('with weight zero only fill their base', () => {
    const strategy = [
      { capacityProvider: 'FARGATE', base: 1, weight: 0 },
      { capacityProvider: 'FARGATE_SPOT', base: 0, weight: 1 },
    ];
    expect(nextProvider(strategy, new Map())).toBe('FARGATE');
    expect(nextProvider(strategy, new Map([['FARGATE', 1]]))).toBe('FARGATE_SPOT');
  });
});

/** A service driven by its own plans while the world does what fast-check says. */
class World {
  nowMs = NOW;
  desired: number;
  readonly min: number;
  readonly max: number;
  tasks: TaskView[] = [];
  deployments: [DeploymentView, ...DeploymentView[]] = [deployment('d0')];
  lastCompleted: string | undefined;
  #ids = 0;

  constructor(desired: number, min: number, max: number) {
    this.desired = desired;
    this.min = min;
    this.max = max;
  }

  get view(): ServiceView {
    const source = this.lastCompleted === this.deployments[0].id ? undefined : this.lastCompleted;
    return view({
      desiredCount: this.desired,
      minimumHealthyPercent: this.min,
      maximumPercent: this.max,
      deployments: this.deployments,
      canRollBack: source !== undefined,
      tasks: this.tasks,
      circuitBreaker: { threshold: 5, rollback: true },
      ...(source === undefined ? {} : { sourceId: source }),
    });
  }

  deploy(): void {
    const [primary, ...others] = this.deployments;
    this.deployments = [deployment(`d${++this.#ids}`), { ...primary, target: this.desired }, ...others];
  }

  /** Applies one plan and checks what must hold for every plan. */
  step(): void {
    const { floor, ceiling } = taskLimits(this.desired, this.min, this.max);
    const healthy = () => this.tasks.filter((each) => isHealthy(each, HEALTHY_AFTER_MS, this.nowMs)).length;
    const before = { healthy: healthy(), existing: this.tasks.length };
    const plan = schedule(this.view, this.nowMs);
    for (const { taskId } of plan.stops) this.change(taskId, { phase: 'stopping' });
    if (plan.stops.length > 0) expect(healthy()).toBeGreaterThanOrEqual(Math.min(floor, before.healthy));
    for (const { deploymentId, count } of plan.launches) {
      for (let index = 0; index < count; index++) {
        this.tasks.push({
          id: `w${++this.#ids}`,
          deploymentId,
          createdAtMs: this.nowMs,
          phase: 'starting',
          seenHealthy: false,
        });
      }
    }
    if (plan.launches.length > 0) expect(this.tasks.length).toBeLessThanOrEqual(ceiling);
    for (const { deploymentId, target } of plan.targets) this.#update(deploymentId, { target });
    for (const id of plan.becameHealthy) this.change(id, { seenHealthy: true });
    if (plan.rollout?.to === 'COMPLETED') {
      this.lastCompleted = this.deployments[0].id;
      this.#update(this.lastCompleted, { rolloutState: 'COMPLETED' });
    } else if (plan.rollout?.to === 'FAILED') {
      this.#update(this.deployments[0].id, { rolloutState: 'FAILED' });
      const back = this.deployments.find(({ id }) => id === this.lastCompleted);
      if (plan.rollout.rollBack && back) {
        const rest = this.deployments.filter(({ id }) => id !== back.id);
        this.deployments = [{ ...back, rolloutState: 'IN_PROGRESS', isRollback: true, failures: 0 }, ...rest];
      }
    }
    const [primary, ...others] = this.deployments;
    this.deployments = [primary, ...others.filter(({ id }) => !plan.finished.includes(id))];
  }

  change(taskId: string, next: Partial<TaskView>): void {
    this.tasks = this.tasks.map((each) => (each.id === taskId ? { ...each, ...next } : each));
  }

  /** The task at this index goes on by one step of its life. */
  progress(index: number): void {
    const chosen = this.tasks[index % Math.max(this.tasks.length, 1)];
    if (!chosen) return;
    if (chosen.phase === 'starting') this.change(chosen.id, { phase: 'running', runningSinceMs: this.nowMs });
    if (chosen.phase === 'stopping') this.tasks = this.tasks.filter(({ id }) => id !== chosen.id);
  }

  crash(index: number): void {
    const chosen = this.tasks[index % Math.max(this.tasks.length, 1)];
    if (!chosen) return;
    this.tasks = this.tasks.filter(({ id }) => id !== chosen.id);
    const own = this.deployments.find(({ id }) => id === chosen.deploymentId);
    if (own && !chosen.seenHealthy) this.#update(own.id, { failures: own.failures + 1 });
  }

  /** Lets everything succeed from now on. */
  settle(): void {
    for (let round = 0; round < 400; round++) {
      this.step();
      for (let index = this.tasks.length - 1; index >= 0; index--) this.progress(index);
      this.nowMs += HEALTHY_AFTER_MS;
    }
  }

  #update(id: string, next: Partial<DeploymentView>): void {
    this.deployments = this.deployments.map((each) => (each.id === id ? { ...each, ...next } : each)) as [
      DeploymentView,
      ...DeploymentView[],
    ];
  }
}

const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('progress' as const), index: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('time' as const), index: fc.nat(60) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), index: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('deploy' as const), index: fc.constant(0) }) },
);

describe('whatever happens', () => {
  test('no stop takes the service below the floor, no launch above the ceiling, and it converges', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 100, max: 200 }),
        fc.array(event, { maxLength: 60 }),
        (desired, min, max, events) => {
          const { floor, ceiling } = taskLimits(desired, min, max);
          fc.pre(desired === 0 || ceiling > desired || floor < desired);
          const world = new World(desired, min, max);
          for (const each of events) {
            if (each.do === 'progress') world.progress(each.index);
            if (each.do === 'time') world.nowMs += each.index * 1_000;
            if (each.do === 'crash') world.crash(each.index);
            if (each.do === 'deploy') world.deploy();
            world.step();
          }
          world.settle();
          const [primary, ...others] = world.deployments;
          if (primary.rolloutState === 'FAILED') {
            expect(primary.isRollback || world.lastCompleted === undefined).toBe(true);
            return;
          }
          expect(primary.rolloutState).toBe('COMPLETED');
          expect(others).toEqual([]);
          expect(world.tasks.map(({ deploymentId }) => deploymentId)).toEqual(
            Array(desired).fill(primary.id),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test('a plan that was applied asks for nothing more until something happens', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), fc.array(event, { maxLength: 40 }), (desired, events) => {
        const world = new World(desired, 100, 200);
        for (const each of events) {
          if (each.do === 'progress') world.progress(each.index);
          if (each.do === 'crash') world.crash(each.index);
          if (each.do === 'deploy') world.deploy();
          world.step();
        }
        for (let round = 0; round < 4; round++) world.step();
        const plan = schedule(world.view, world.nowMs);
        expect({ launches: plan.launches, stops: plan.stops }).toEqual({ launches: [], stops: [] });
      }),
    );
  });
});
