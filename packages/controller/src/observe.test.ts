import { type Execution, type Measurement, stages, type TaskLife } from '@queue-canary/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { FakeGateways } from '../test/fake-gateways.ts';
import type { OutcomeGateway } from './gateways.ts';
import { observerOver } from './observe.ts';

const start = Date.UTC(2026, 0, 1);
const now = start + 93_000;

let fake: FakeGateways;
let asked: Parameters<OutcomeGateway['read']>[0][];

beforeEach(() => {
  fake = new FakeGateways();
  asked = [];
  fake.outcomes.read = async (wanted) => {
    asked.push(wanted);
    return fake.reported;
  };
});

function deploy(status: Execution['status']): void {
  fake.executions = [{ id: 'e1', status, startedAt: start, updatedAt: start, commit: 'c' }];
  fake.actions = [
    { executionId: 'e1', ...stages.canary, status: 'InProgress', startedAt: start + 2_000, updatedAt: start },
  ];
}

async function measured(): Promise<Measurement | undefined> {
  const { outcomes } = await observerOver(fake)(now);
  if (!outcomes.known) throw new Error(outcomes.problem);
  return outcomes.value;
}

describe('what is measured of a release', () => {
  test('is what both logs tell since the interval in which its canary deployment began, and the tasks’ lives', async () => {
    deploy('InProgress');
    fake.lives = { canary: [{ id: 'c1', startedAt: start }], stable: [{ id: 's1', startedAt: start }] };
    fake.reported = { canary: [], stable: [], starts: [], problems: ['a line is broken'] };
    expect(await measured()).toEqual({
      fromMs: start,
      toMs: start + 90_000,
      canary: { lines: [], tasks: fake.lives.canary },
      stable: { lines: [], tasks: fake.lives.stable },
      starts: [],
      problems: ['a line is broken'],
    });
    expect(asked).toEqual([
      {
        fromMs: start,
        nowMs: now,
        logs: {
          canary: { group: 'log of canary:1', streamPrefix: 'worker/worker/' },
          stable: { group: 'log of stable:1', streamPrefix: 'worker/worker/' },
        },
      },
    ]);
  });

  test('is nothing while no release is under way', async () => {
    expect(await measured()).toBeUndefined();
    deploy('Succeeded');
    expect(await measured()).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test('are the lines of a sample where stable has very many tasks, and the lives of all', async () => {
    deploy('InProgress');
    const stable = Array.from({ length: 300 }, (_, index): TaskLife => ({ id: `s${index}`, startedAt: 0 }));
    fake.lives = { canary: [], stable };
    const measurement = await measured();
    expect(measurement?.stableSample).toEqual({ tasks: 300, read: 60 });
    expect(measurement?.stable.tasks).toHaveLength(300);
    expect(asked[0]?.stableTasks).toHaveLength(60);
  });

  test('is unknown, with the cause, where it is not known in which log to look', async () => {
    deploy('InProgress');
    const { read } = fake.services;
    fake.services.read = async (track) => {
      if (track === 'stable') throw new Error('ECS is away');
      return read(track);
    };
    await expect(measured()).rejects.toThrow(
      'the outcomes of the workers cannot be read: the stable service cannot be read: ECS is away',
    );
  });
});
