import type { Access } from '@queue-canary/engine';
import { describe, expect, test } from 'vitest';
import { plainStacks, resources } from '../packages/constructs/test/synthesize.ts';
import { EXPECTED_REFUSALS, type Reason, UNUSED_GRANTS } from './iam-reasons.ts';
import { renderIamReport, reportOf } from './iam-report.ts';

const worker = (suffix: string, used: readonly string[]): Access => ({
  roles: [
    {
      logicalId: 'ServicesWorkerRoleA1231F81',
      roleName: `Stack-ServicesWorkerRoleA1231F81-${suffix}`,
      grants: ['sqs:ReceiveMessage', 'sqs:PurgeQueue'].map((action) => ({
        action,
        resource: `arn:aws:sqs:us-east-1:000000000000:Stack-Queue1FCCD488-${suffix}`,
        used: used.includes(action),
      })),
    },
  ],
  denied: [],
});
const refused = (action: string): Access['denied'] => [
  { principal: 'ServicesWorkerRoleA1231F81', action, resource: 'arn:aws:sqs:us-east-1:000000000000:q' },
];
const because = 'someone else needs it';
const purging: Reason = { who: /^ServicesWorkerRole$/, actions: ['sqs:PurgeQueue'], because };

describe('the report of what roles use', () => {
  test('holds a grant for used if it was in any run, whatever its resource was called there', () => {
    const report = reportOf(
      [worker('CEU2JMPJ3ADI', ['sqs:ReceiveMessage']), worker('K77CNX4XCVSJ', ['sqs:PurgeQueue'])],
      [],
      [],
    );
    expect(report).toMatchObject({
      ok: true,
      roles: [{ role: 'ServicesWorkerRole', granted: 2, used: 2, unused: [] }],
    });
  });

  test('fails over a grant that is neither used nor reasoned', () => {
    const runs = [worker('CEU2JMPJ3ADI', ['sqs:ReceiveMessage'])];
    const report = reportOf(runs, [], []);
    expect(report.ok).toBe(false);
    expect(renderIamReport(report).slice(0, 3)).toEqual([
      'ServicesWorkerRole: 1 of 2 grants used',
      '  never used: sqs:PurgeQueue on sqs:Stack-Queue',
      '    NO REASON',
    ]);
    expect(reportOf(runs, [purging], [])).toMatchObject({ ok: true, idleReasons: [] });
    expect(reportOf(runs, [{ ...purging, resource: /other/ }], []).ok).toBe(false);
  });

  test('fails over a refusal that was not expected', () => {
    const run = {
      ...worker('CEU2JMPJ3ADI', ['sqs:ReceiveMessage', 'sqs:PurgeQueue']),
      denied: refused('sqs:SendMessage'),
    };
    expect(reportOf([run], [], [])).toMatchObject({ ok: false });
    const expected: Reason = { who: /^ServicesWorkerRole$/, actions: ['sqs:SendMessage'], because };
    expect(reportOf([run], [], [expected])).toMatchObject({ ok: true, refused: [{ because }] });
  });

  test('names reasons that nothing needs, and fails where no role was seen at all', () => {
    const all = worker('CEU2JMPJ3ADI', ['sqs:ReceiveMessage', 'sqs:PurgeQueue']);
    expect(reportOf([all], [purging], []).idleReasons).toEqual([purging]);
    expect(reportOf([{ roles: [], denied: [] }], [], []).ok).toBe(false);
  });
});

describe('a reason', () => {
  test('is about roles that the templates have, and says something', async () => {
    const { image, pipeline } = await plainStacks();
    const roles = [image, pipeline]
      .flatMap((template) => resources(template, 'AWS::IAM::Role'))
      .map(({ logicalId }) => logicalId.replace(/[0-9A-F]{8}$/, ''));
    for (const { who, because: text } of UNUSED_GRANTS) {
      expect(
        roles.some((role) => who.test(role)),
        `${who}`,
      ).toBe(true);
      expect(text.length).toBeGreaterThan(30);
    }
    for (const { because: text } of EXPECTED_REFUSALS) expect(text.length).toBeGreaterThan(30);
  });
});
