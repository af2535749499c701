import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stages } from '../src/contract.ts';
import { type Approval, defaultReleasePolicy } from '../src/policy/policy.ts';
import type { Effect } from '../src/release/effect.ts';
import { plan } from '../src/release/plan.ts';
import { type Ages, type Answer, SimulatedWorld } from './simulated-world.ts';

const track = fc.constantFrom('canary' as const, 'stable' as const);

/** Answers of AWS of which each is true, or as old as it may be. */
const ages: fc.Arbitrary<Ages> = fc.dictionary(
  fc.constantFrom<Answer>('stages', 'executions', 'actions', 'canary', 'stable', 'record'),
  fc.integer({ min: 1, max: 14_999 }),
);

/**
 * Everything that can happen, in any order; `late` holds back a plan and carries it out afterwards. A `round`
 * lets a minute pass in which all goes well, reported or not, so that histories reach the late stages too.
 */
const happening = fc.oneof(
  { weight: 12, arbitrary: fc.constant({ kind: 'round' as const, isReported: false }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'round' as const, isReported: true }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'push' as const }) },
  { weight: 8, arbitrary: fc.constant({ kind: 'advance' as const }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('finishRollout' as const), track }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('failRollout' as const), track, goesBack: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: 'approve' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reject' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('stop' as const), which: fc.nat(5), abandon: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('retry' as const), which: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('alarm' as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deadLetter' as const), count: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'rollback' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'configuration' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('outside' as const), track }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(200_000) }) },
  { weight: 8, arbitrary: fc.constant({ kind: 'wake' as const }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'jobs' as const }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('oldWake' as const), ages }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('oldJobs' as const), ages }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('moment' as const), ms: fc.nat(5_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('report' as const),
      what: fc.constantFrom('good' as const, 'failing' as const, 'silent' as const, 'unreadable' as const),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'late' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'carryOutLate' as const }) },
);

type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

const work = { perSecond: 8, takesMs: 0 };
const reports = {
  good: { canary: work, stable: work },
  failing: { canary: { ...work, failing: 0.5 }, stable: work },
  silent: { canary: {}, stable: {} },
};

class History {
  readonly world: SimulatedWorld;
  /** Releases that a person approved. */
  readonly #approved = new Set<string>();
  /** Releases that the judge passed at some look. */
  readonly #passed = new Set<string>();
  readonly #held: (readonly Effect[])[] = [];
  #versions = 1;

  constructor(onNewerCommit: 'supersede' | 'wait', approval: Approval, builds: boolean) {
    const policy = {
      ...defaultReleasePolicy,
      bakeMs: 60_000,
      watchMs: 60_000,
      onNewerCommit,
      approval,
      judge: { ...defaultReleasePolicy.judge, bakeMsMin: 60_000, warmUpMs: 60_000, deadlineMs: 180_000 },
    };
    // Little is known of before, so that there is little to judge.
    this.world = new SimulatedWorld(policy, 60_000, true, builds);
    this.world.wake();
    this.world.push('v1a');
  }

  happen(what: Happening): void {
    const { world } = this;
    // Events of one instant do not tie in AWS either: everything takes a moment.
    world.pass(1);
    switch (what.kind) {
      case 'round':
        this.#round();
        if (what.isReported) world.report(reports.good);
        break;
      case 'push':
        this.#versions += 1;
        world.push(`v${this.#versions}`);
        break;
      case 'advance':
        world.advance();
        break;
      case 'finishRollout':
        world.finishRollout(what.track);
        break;
      case 'failRollout':
        world.failRollout(what.track, what.goesBack);
        break;
      case 'approve': {
        const { pipeline } = world.observe();
        if (pipeline.known && pipeline.value.approval)
          this.#approved.add(pipeline.value.approval.executionId);
        world.approve();
        break;
      }
      case 'report':
        world.outcomesProblem = what.what === 'unreadable' ? 'the log cannot be read' : undefined;
        if (what.what !== 'unreadable') world.report(reports[what.what]);
        break;
      case 'reject':
        world.reject();
        break;
      case 'stop':
        this.#onExecution(what.which, (id) => world.stopByPerson(id, what.abandon));
        break;
      case 'retry':
        this.#onExecution(what.which, (id) => world.retry(id));
        break;
      case 'alarm':
        world.setAlarm(what.on ? 'ALARM' : 'OK');
        break;
      case 'deadLetter':
        world.deadLetter(what.count);
        break;
      case 'rollback':
        world.requestRollback();
        break;
      case 'configuration':
        world.changeConfiguration();
        break;
      case 'outside':
        world.updateService(what.track);
        break;
      case 'pass':
        world.pass(what.ms);
        break;
      case 'wake':
        world.wake();
        break;
      case 'jobs':
        world.callJobs();
        break;
      case 'oldWake':
        world.wake(undefined, what.ages);
        break;
      case 'oldJobs':
        world.callJobs(what.ages);
        break;
      case 'moment':
        world.pass(what.ms);
        break;
      case 'late':
        this.#held.push(world.plan().effects);
        break;
      case 'carryOutLate': {
        const effects = this.#held.shift();
        if (effects) world.applyAll(effects);
        break;
      }
    }
  }

  /** Executions that reached stable although neither a person nor the judge had said so. */
  unauthorised(): readonly string[] {
    const { verdict } = this.world.record();
    if (verdict?.kind === 'pass') this.#passed.add(verdict.executionId);
    return this.world.runs
      .filter(({ action, executionId }) => {
        if (action !== stages.stable.action || this.#approved.has(executionId)) return false;
        return this.world.policy.approval !== 'automatic' || !this.#passed.has(executionId);
      })
      .map(({ executionId }) => executionId);
  }

  #round(): void {
    const { world } = this;
    world.wake();
    for (const each of ['canary', 'stable'] as const) world.finishRollout(each);
    world.advance();
    world.callJobs();
    world.pass(60_000);
  }

  #onExecution(which: number, act: (id: string) => void): void {
    const { executions } = this.world;
    const execution = executions[executions.length - 1 - (which % Math.max(1, executions.length))];
    if (execution) act(execution.id);
  }
}

const histories = fc.record({
  onNewerCommit: fc.constantFrom('supersede' as const, 'wait' as const),
  approval: fc.constantFrom('manual' as const, 'automatic' as const, 'automatic-then-manual' as const),
  builds: fc.boolean(),
  happenings: fc.array(happening, { maxLength: 60, size: 'max' }),
});

function run({
  onNewerCommit,
  approval,
  builds,
  happenings,
}: {
  onNewerCommit: 'supersede' | 'wait';
  approval: Approval;
  builds: boolean;
  happenings: Happening[];
}): SimulatedWorld {
  const history = new History(onNewerCommit, approval, builds);
  const unauthorised = happenings.flatMap((what) => {
    history.happen(what);
    return history.unauthorised();
  });
  expect(unauthorised).toEqual([]);
  expect(history.world.violations).toEqual([]);
  return history.world;
}

const runs = { numRuns: 200 };

describe('whatever happens, in whatever order', { timeout: 600_000 }, () => {
  test('comes to rest with one good version on both services, or waiting for a person', () => {
    fc.assert(
      fc.property(histories, (given) => {
        const world = run(given);
        const { phase } = world.settle();
        expect(world.violations).toEqual([]);
        if (phase === 'awaitingApproval') {
          expect(world.digestOn('stable')).toBe(world.record().lastGood?.imageDigest);
          return;
        }
        const { drift } = world.record();
        if (phase === 'halted') {
          // Somebody has changed a service again and again.
          expect(Math.max(drift?.canary?.times ?? 0, drift?.stable?.times ?? 0)).toBeGreaterThan(3);
          return;
        }
        expect(['idle', 'succeeded', 'rolledBack', 'aborted']).toContain(phase);
        const good = world.record().lastGood?.imageDigest;
        expect([world.digestOn('canary'), world.digestOn('stable')]).toEqual([good, good]);
        expect(world.isSteady('canary') && world.isSteady('stable')).toBe(true);
        expect(world.gate.enabled).toBe(true);
      }),
      runs,
    );
  });

  test('restores what is changed from outside of a release, reports it once, and is again where it was', () => {
    const changes = fc.subarray(['canary', 'stable'] as const, { minLength: 1 });
    fc.assert(
      fc.property(histories, changes, (given, changed) => {
        const world = run(given);
        if (world.settle().phase === 'awaitingApproval') world.reject();
        const { phase } = world.settle();
        fc.pre(phase !== 'halted' && phase !== 'awaitingApproval');
        const good = world.record().lastGood?.imageDigest;
        const told = world.notifications.length;
        for (const each of changed) world.updateService(each);
        world.pass(15_000);
        const astray = changed.filter((each) => world.digestOn(each) !== good);
        if (astray.length > 0) expect(world.wake().phase).toBe('drifted');
        for (const each of changed) world.finishRollout(each);
        expect(world.settle().phase).toBe(phase);
        expect([world.digestOn('canary'), world.digestOn('stable')]).toEqual([good, good]);
        expect(world.notifications.length - told).toBe(astray.length > 0 ? 1 : 0);
        expect(world.violations).toEqual([]);
        for (const each of ['canary', 'stable'] as const) {
          expect(world.configurationOn(each)).toBe(world.configurationOfStack(each));
        }
      }),
      runs,
    );
  });

  test('has at most one active release whenever the controller looks in time', () => {
    fc.assert(
      fc.property(histories, ({ onNewerCommit, approval, builds, happenings }) => {
        const history = new History(onNewerCommit, approval, builds);
        const active = happenings.map((what) => {
          // A late plan may open the stage for a moment, and a person's retry enters it past the gate.
          if (what.kind === 'carryOutLate' || what.kind === 'retry') return 0;
          history.happen(what);
          return history.world.activeReleases().length;
        });
        expect(active.filter((count) => count > 1)).toEqual([]);
      }),
      runs,
    );
  });

  test('never promotes what was decided against', () => {
    fc.assert(
      fc.property(histories, (given) => {
        const world = run(given);
        world.settle();
        const { decision, lastGood } = world.record();
        if (decision !== undefined) expect(lastGood?.executionId).not.toBe(decision.executionId);
      }),
      runs,
    );
  });

  test('promotes every good release, and reports nothing else, however old the answers are at each look', () => {
    const looks = fc.array(fc.record({ ages, apartMs: fc.integer({ min: 200, max: 8_000 }) }), {
      minLength: 200,
      maxLength: 200,
    });
    fc.assert(
      fc.property(looks, fc.boolean(), fc.boolean(), (given, sleeps, pushesTwice) => {
        const world = new SimulatedWorld(
          { ...defaultReleasePolicy, bakeMs: 30_000, watchMs: 30_000, onNewerCommit: 'wait' },
          60_000,
        );
        world.wake();
        // Without tasks a deployment is over at once.
        if (sleeps) Object.assign(world.services.stable, { desired: 0, running: 0 });
        const told = world.notifications.length;
        const ids = [world.push('v2')];
        for (const [index, { ages: old, apartMs }] of given.entries()) {
          if (pushesTwice && index === 30) ids.push(world.push('v3'));
          world.wake(undefined, old);
          world.pass(apartMs);
          world.wake();
          world.pass(apartMs);
          for (const each of ['canary', 'stable'] as const) {
            const { primary, desired } = world.services[each];
            // With tasks it takes longer than any answer is old.
            if (desired === 0 || world.now - primary.createdAt >= 30_000) world.finishRollout(each);
          }
          world.advance();
          world.callJobs(old);
          world.approve();
        }
        for (const id of ids) expect(world.status(id)).toBe('Succeeded');
        expect(world.record()).not.toHaveProperty('decision');
        expect(world.record()).not.toHaveProperty('drift');
        expect(world.notifications.slice(told)).toEqual(
          ids.map((id) => `Release ${id.slice(0, 8)} succeeded`),
        );
      }),
      { numRuns: 40 },
    );
  });

  test('plans the same from the same observation', () => {
    fc.assert(
      fc.property(histories, (given) => {
        const world = run(given);
        const observed = world.observe();
        const replayed = structuredClone(observed);
        expect(plan(replayed, world.policy, world.now)).toEqual(plan(observed, world.policy, world.now));
      }),
      { numRuns: 150 },
    );
  });

  test('has nothing left to do after a few wakes in a world that stands still', () => {
    fc.assert(
      fc.property(histories, (given) => {
        const world = run(given);
        for (let wake = 0; wake < 4; wake += 1) world.wake();
        const before = world.fingerprint();
        expect(world.wake().effects).toEqual([]);
        expect(world.fingerprint()).toBe(before);
      }),
      runs,
    );
  });

  test('does nothing more in a terminal state, whatever the signals say', () => {
    fc.assert(
      fc.property(histories, fc.array(fc.boolean(), { maxLength: 6 }), (given, alarms) => {
        const world = run(given);
        if (world.settle().phase === 'awaitingApproval') world.reject();
        const { phase } = world.settle();
        fc.pre(phase === 'succeeded' || phase === 'rolledBack' || phase === 'aborted');
        for (const on of alarms) {
          world.pass(30_000);
          world.setAlarm(on ? 'ALARM' : 'OK');
          world.deadLetter(1);
          expect(world.wake()).toMatchObject({ phase, effects: [] });
        }
      }),
      { numRuns: 150 },
    );
  });

  test('finishes every rollback when each write is lost once', () => {
    fc.assert(
      fc.property(histories, (given) => {
        const world = run(given);
        world.approve();
        world.ruin();
        // The controller dies after each single effect, and the next wake starts from what it left behind.
        for (let round = 0; round < 40; round += 1) {
          const [first] = world.plan().effects;
          if (first === undefined) break;
          world.apply(first);
        }
        const { phase } = world.settle();
        expect(world.violations).toEqual([]);
        if (phase === 'rolledBack') {
          const good = world.record().lastGood?.imageDigest;
          expect([world.digestOn('canary'), world.digestOn('stable')]).toEqual([good, good]);
        }
        expect(['succeeded', 'rolledBack', 'aborted', 'awaitingApproval', 'idle', 'halted']).toContain(phase);
      }),
      { numRuns: 150 },
    );
  });
});
