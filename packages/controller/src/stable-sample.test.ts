import type { TaskLife } from '@queue-canary/core';
import { describe, expect, test } from 'vitest';
import { sampledTasksMax, sampleOf } from './stable-sample.ts';

const releaseMs = Date.UTC(2026, 0, 1);

const tasks = (count: number, life: Partial<TaskLife> = {}, name = 'task'): TaskLife[] =>
  Array.from({ length: count }, (_, index) => ({
    id: `${name}${index}`,
    startedAt: releaseMs - 3_600_000,
    ...life,
  }));
const younger = (count: number) => tasks(count, { startedAt: releaseMs + 60_000 }, 'young');

describe('the sample of stable', () => {
  test('is not taken while all tasks can be read, also those that a promotion adds', () => {
    expect(sampleOf(tasks(sampledTasksMax), releaseMs)).toBeUndefined();
    expect(sampleOf([...tasks(sampledTasksMax), ...younger(sampledTasksMax)], releaseMs)).toBeUndefined();
  });

  test('says how many tasks it was taken of', () => {
    const sample = sampleOf(tasks(1_000), releaseMs);
    expect(new Set(sample?.ids).size).toBe(60);
    expect(sample?.size).toEqual({ tasks: 1_000, read: 60 });
  });

  test('is the same in each look, whatever order ECS lists the tasks in', () => {
    const sample = sampleOf(tasks(200), releaseMs);
    expect(sampleOf(tasks(200).reverse(), releaseMs)).toEqual(sample);
  });

  test('keeps the tasks that ran before, while others begin or they stop themselves', () => {
    const chosen = sampleOf(tasks(100), releaseMs)?.ids ?? [];
    const stopped = tasks(100, { stoppedAt: releaseMs + 300_000 });
    const later = sampleOf([...younger(100), ...stopped], releaseMs);
    expect(later?.ids).toEqual(expect.arrayContaining([...chosen]));
    expect(later?.size).toEqual({ tasks: 200, read: 120 });
  });

  test('leaves out tasks that have no log yet, and those that ended before the release', () => {
    const starting = Array.from({ length: 100 }, (_, index) => ({ id: `starting${index}` }));
    const ended = tasks(100, { stoppedAt: releaseMs - 1 }, 'ended');
    expect(sampleOf([...tasks(3), ...starting, ...ended], releaseMs)).toBeUndefined();
  });
});
