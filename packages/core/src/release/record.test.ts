import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stages } from '../contract.ts';
import { createJudge } from '../judge/judge.ts';
import { defaultReleasePolicy } from '../policy/policy.ts';
import { decide } from './ending.ts';
import { recordedVerdict } from './judgement.ts';
import {
  formatRecord,
  formatRollbackRequest,
  parseRecord,
  parseRollbackRequest,
  type RecordedVerdict,
  type ReleaseRecord,
} from './record.ts';

const text = fc.string({ minLength: 1 });
const digest = fc
  .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })
  .map((hex) => `sha256:${hex}`);
const optional = { requiredKeys: [] as [] };
const codes: Readonly<Record<RecordedVerdict['code'], true>> = {
  unchanged: true,
  first: true,
  regression: true,
  certified: true,
  undecided: true,
  deadline: true,
  'stable-differs': true,
  concern: true,
  'dry-run': true,
  'no-data': true,
  'canary-silent': true,
  'baseline-silent': true,
  'not-measured': true,
  'unusable-block': true,
};
const verdict: RecordedVerdict = {
  effect:
    'The canary fails between 1.1 and 3.4 percentage points more of its messages than stable (95 % confidence).',
  executionId: 'e',
  kind: 'inconclusive',
  code: 'undecided',
  summary: 'Inconclusive.',
  decidedAt: '2026-01-01T00:00:00.000Z',
  canaryUnits: 10,
  canaryFailed: 1,
};
const driftedTrack = fc
  .record({ imageDigest: digest }, optional)
  .chain((known) =>
    fc.record({ deploymentId: text, times: fc.nat() }).map((base) => ({ ...base, ...known })),
  );
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
    fc.option(
      fc
        .record({ restoredAt: text, canary: driftedTrack, stable: driftedTrack }, optional)
        .map((known) => ({ seenAt: '2026-01-01T00:00:00.000Z', ...known })),
    ),
  )
  .map(([lastGood, decision, baseline, drift]) => ({
    version: 1 as const,
    ...(lastGood && { lastGood }),
    ...(decision && { decision }),
    ...(baseline && { baseline }),
    ...(drift && { drift }),
  }));

describe('parseRecord', () => {
  test('reads back every record that was written', () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(parseRecord(formatRecord(record))).toEqual({ ok: true, record });
      }),
    );
  });

  test.each(Object.keys(codes))('reads back a verdict that is %s', (code) => {
    const record = { version: 1, verdict: { ...verdict, code } };
    expect(parseRecord(JSON.stringify(record))).toEqual({ ok: true, record });
  });

  test('reads the record that the stack is created with', () => {
    expect(parseRecord('{"version":1}')).toEqual({ ok: true, record: { version: 1 } });
  });

  test.each([
    ['none', 'not JSON'],
    ['', 'not JSON'],
    ['[]', 'not a JSON object'],
    ['null', 'not a JSON object'],
    ['{}', 'its version is undefined'],
    ['{"version":2}', 'its version is 2'],
    ['{"version":1,"lastGood":"v1"}', 'lastGood is not an object'],
    ['{"version":1,"decision":{"executionId":"e"}}', 'decision.kind is missing'],
    ['{"version":1,"baseline":{"executionId":"e","deadLetters":-1}}', 'baseline.deadLetters cannot be -1'],
    ['{"version":1,"drift":{"seenAt":"t","stable":{"times":1}}}', 'drift.stable.deploymentId is missing'],
  ])('refuses %s', (document, problem) => {
    const result = parseRecord(document);
    expect(result.ok ? '' : result.problem).toContain(problem);
  });

  test('never reads half a rollback target', () => {
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

  test('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (document) => {
        expect(typeof parseRecord(document).ok).toBe('boolean');
      }),
    );
  });
});

describe('a rollback request', () => {
  const request = { executionId: 'e1', reason: 'too slow', requestedAt: '2026-01-01T00:00:00.000Z' };

  test('is read as it was written, and is none in an empty object', () => {
    expect(parseRollbackRequest(formatRollbackRequest(request))).toEqual({ ok: true, request });
    expect(parseRollbackRequest('{}')).toEqual({ ok: true });
  });

  test('fits a standard parameter, whatever its reason', () => {
    const text = formatRollbackRequest({ ...request, reason: '\u0000'.repeat(5_000) });
    expect(Buffer.byteLength(text)).toBeLessThan(4_096);
    expect(parseRollbackRequest(text).ok).toBe(true);
  });

  test.each([
    ['', 'it is not JSON'],
    ['[]', 'it is not a JSON object'],
    ['{"executionId":"e1"}', 'request.reason is missing; request.requestedAt is missing'],
  ])('that cannot be read says what is wrong (%s)', (text, problem) => {
    expect(parseRollbackRequest(text)).toEqual({ ok: false, problem });
  });
});

describe('the largest record', () => {
  test.each([
    ['plain', 'x'],
    ['escaped', '"'],
    ['control characters', '\u0001'],
    ['wide', '\u6f22'],
    ['astral', '\u{1f600}'],
  ])('fits a standard parameter, with %s text in the reasons of people', (_what, character) => {
    const reason = character.repeat(2_000);
    const arn = (family: string) =>
      `arn:aws-us-gov:ecs:ap-southeast-3:123456789012:task-definition/${family.repeat(255)}:2147483647`;
    const id = '01234567-89ab-cdef-0123-456789abcdef';
    const at = '2026-01-01T00:00:00.000Z';
    const imageDigest = `sha256:${'a'.repeat(64)}`;
    const release = { execution: { id, status: 'InProgress', startedAt: 0, updatedAt: 0 } } as const;
    const run = {
      ...stages.canary,
      executionId: id,
      status: 'Succeeded',
      startedAt: 0,
      updatedAt: 0,
    } as const;
    const [written] = decide(
      { ...release, canary: run, canaryStartedAt: 0, canaryLastStartedAt: 0 },
      { kind: 'rollback', by: 'person', reason },
      {
        version: 1,
        lastGood: {
          executionId: id,
          commit: 'c'.repeat(40),
          imageDigest,
          imageUri: `123456789012.dkr.ecr.ap-southeast-3.amazonaws.com.cn/${'r'.repeat(256)}@${imageDigest}`,
          canaryTaskDefinitionArn: arn('c'),
          stableTaskDefinitionArn: arn('s'),
          recordedAt: at,
        },
        baseline: {
          executionId: id,
          deadLetters: 1e12,
          candidateDigest: imageDigest,
          deadLettersSeenAt: 1e13,
          deadLettersAccepted: 1e12,
        },
        verdict: recordedVerdict(
          {
            kind: 'inconclusive',
            code: 'baseline-silent',
            settled: true,
            summary: reason,
            statements: [],
            evidence: createJudge(defaultReleasePolicy.judge, 0, { past: [] }).verdict(0).evidence,
          },
          id,
          0,
        ),
      },
      1,
      0,
    );
    if (written?.kind !== 'recordDecision') throw new Error('the decision is not written first');
    const { decision, verdict } = written.next;
    const restored = decision && { ...decision, restoredAt: at };
    const drifted = { deploymentId: `ecs-svc/${'1'.repeat(19)}`, imageDigest, times: 4 };
    const drift = { seenAt: at, restoredAt: at, canary: drifted, stable: drifted };
    const bytes = new TextEncoder().encode(
      formatRecord({ ...written.next, ...(restored && { decision: restored }), drift }),
    ).length;
    expect(bytes).toBeLessThanOrEqual(4096);
    // Cut between characters, and marked as cut.
    for (const text of [decision?.reason, verdict?.summary]) {
      expect(text).toMatch(new RegExp(`^(${character})+\u2026$`, 'u'));
    }
  });
});
