import { describe, expect, test } from 'vitest';
import type { Effect } from './effect.ts';
import { announcingHalt } from './halt.ts';
import type { Observed } from './observed.ts';
import type { Phase, Plan } from './phase.ts';
import { parseRecord, type ReleaseRecord } from './record.ts';

/** A controller that looks, and whose effects are carried out. */
class Looks {
  nowMs = Date.parse('2026-01-01T00:00:00Z');
  readonly told: string[] = [];
  readonly written: string[] = [];
  record: ReleaseRecord = { version: 1 };
  #version = 1;

  at(afterMs: number, phase: Phase, effects: readonly Effect[] = [], recordKnown = true): void {
    this.nowMs += afterMs;
    const record = recordKnown
      ? { known: true, value: { record: this.record, version: this.#version } }
      : { known: false, problem: 'the record cannot be read' };
    const planned: Plan = { phase, effects, reasons: ['the pipeline cannot be read'] };
    const { effects: all } = announcingHalt({ record } as Observed, planned, this.nowMs);
    for (const effect of all) {
      if (effect.kind === 'notify') this.told.push(effect.message);
      if (effect.kind !== 'recordHalt') continue;
      const read = parseRecord(JSON.stringify(effect.next));
      if (!read.ok) throw new Error(read.problem);
      this.record = read.record;
      this.#version += 1;
      this.written.push(effect.kind);
    }
  }
}

const minute = 60_000;

describe('a controller that is halted', () => {
  test('notifies people once, when it lasts', () => {
    const looks = new Looks();
    for (let look = 0; look < 60; look += 1) looks.at(minute, 'halted');
    expect(looks.told).toEqual([
      'The release controller has been halted since 2026-01-01T00:01:00.000Z: the pipeline cannot be read',
    ]);
    expect(looks.written).toHaveLength(2);
  });

  test('says nothing of what passes by itself, and reports again what comes again', () => {
    const looks = new Looks();
    looks.at(0, 'halted');
    looks.at(minute, 'baking');
    expect(looks.record.halt).toBeUndefined();
    for (let look = 0; look < 5; look += 1) looks.at(minute, 'halted');
    looks.at(minute, 'baking');
    for (let look = 0; look < 5; look += 1) looks.at(minute, 'halted');
    expect(looks.told).toHaveLength(2);
  });

  test('remembers what was told across a crash of the controller, and keeps the rest of its record', () => {
    const looks = new Looks();
    const verdict = {
      executionId: 'e1',
      kind: 'pass',
      code: 'certified',
      summary: 's',
      decidedAt: '2026-01-01T00:00:00.000Z',
      canaryUnits: 1,
      canaryFailed: 0,
    } as const;
    looks.record = { version: 1, verdict };
    for (let look = 0; look < 5; look += 1) looks.at(minute, 'halted');
    expect(looks.record).toEqual({
      version: 1,
      verdict,
      halt: { since: '2026-01-01T00:01:00.000Z', toldAt: '2026-01-01T00:04:00.000Z' },
    });
  });

  test('writes nothing alongside another record, which it would conflict with, nor over one that it cannot read', () => {
    const looks = new Looks();
    const other = { kind: 'recordDecision', executionId: 'e1', next: { version: 1 }, ifVersion: 1 } as const;
    looks.at(0, 'halted', [other]);
    looks.at(0, 'halted', [], false);
    expect(looks.written).toEqual([]);
  });
});
