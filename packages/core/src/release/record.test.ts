import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatRecord, parseRecord, type ReleaseRecord } from './record.ts';

const text = fc.string({ minLength: 1 });
const digest = fc
  .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })
  .map((hex) => `sha256:${hex}`);
const optional = { requiredKeys: [] as [] };
const records: fc.Arbitrary<ReleaseRecord> = fc
  .tuple(
    fc.option(
      fc
        .record({
          executionId: text,
          imageDigest: digest,
          imageUri: text,
          canaryTaskDefinitionArn: text,
          stableTaskDefinitionArn: text,
          recordedAt: text,
        })
        .chain((base) => fc.record({ commit: text }, optional).map((more) => ({ ...base, ...more }))),
    ),
    fc.option(
      fc.record({
        executionId: text,
        kind: fc.constantFrom('rollback' as const, 'abort' as const),
        reason: text,
        by: fc.constantFrom(
          'health' as const,
          'person' as const,
          'pipeline' as const,
          'newerCommit' as const,
        ),
        decidedAt: text,
      }),
    ),
    fc.option(
      fc
        .record({ deadLetters: fc.nat(), candidateDigest: digest }, optional)
        .map((known) => ({ executionId: 'e', ...known })),
    ),
  )
  .map(([lastGood, decision, baseline]) => ({
    version: 1 as const,
    ...(lastGood && { lastGood }),
    ...(decision && { decision }),
    ...(baseline && { baseline }),
  }));

describe('parseRecord', () => {
  it('reads back every record that was written', () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(parseRecord(formatRecord(record))).toEqual({ ok: true, record });
      }),
    );
  });

  it('reads the record that the stack is created with', () => {
    expect(parseRecord('{"version":1}')).toEqual({ ok: true, record: { version: 1 } });
  });

  it.each([
    ['none', 'not JSON'],
    ['', 'not JSON'],
    ['[]', 'not a JSON object'],
    ['null', 'not a JSON object'],
    ['{}', 'its version is undefined'],
    ['{"version":2}', 'its version is 2'],
    ['{"version":1,"lastGood":"v1"}', 'lastGood is not an object'],
    ['{"version":1,"decision":{"executionId":"e"}}', 'decision.kind is missing'],
    ['{"version":1,"baseline":{"executionId":"e","deadLetters":-1}}', 'baseline.deadLetters cannot be -1'],
  ])('refuses %s', (document, problem) => {
    const result = parseRecord(document);
    expect(result.ok ? '' : result.problem).toContain(problem);
  });

  it('never reads half a rollback target', () => {
    const lastGood = {
      executionId: 'e',
      imageDigest: 'latest',
      imageUri: 'r/w:latest',
      canaryTaskDefinitionArn: '',
      recordedAt: '2026-01-01T00:00:00.000Z',
    };
    expect(parseRecord(JSON.stringify({ version: 1, lastGood }))).toEqual({
      ok: false,
      problem:
        'lastGood.imageDigest cannot be "latest"; lastGood.canaryTaskDefinitionArn cannot be ""; lastGood.stableTaskDefinitionArn is missing',
    });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (document) => {
        expect(typeof parseRecord(document).ok).toBe('boolean');
      }),
    );
  });
});
