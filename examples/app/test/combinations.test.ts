import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureControllerBundle } from '../../../packages/constructs/test/synthesize.ts';
import { acknowledgeFindings, acknowledgements } from '../acknowledgements.ts';
import { addQueueCanary } from '../queue-canary-app.ts';
import { coveringArray } from './covering-array.ts';
import { knownSettings } from './known-settings.ts';
import { findings } from './template-validator.ts';

let scratch: string;

beforeAll(async () => {
  await ensureControllerBundle();
  scratch = await mkdtemp(join(tmpdir(), 'combinations-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true });
});

/** What decides which resources there are and what is said of them. `-` leaves an option to its default. */
const OPTIONS = {
  natGateways: ['0', '1', '2'],
  approval: ['manual', 'automatic', 'automatic-then-manual'],
  protectTasks: ['off', 'stable', 'all'],
  spot: ['false', 'true'],
  judgeConfiguration: ['false', 'true'],
  removal: ['retain', 'destroy'],
  keyArn: ['-', 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab'],
  architecture: ['arm64', 'x86_64'],
  stableTasks: ['0', '3'],
  readonlyRootFilesystem: ['true', 'false'],
  egressPorts: ['443', '443,5432'],
  restrictDefaultSecurityGroup: ['false', 'true'],
  reservedConcurrentExecutions: ['-', '5'],
  imageCountMax: ['-', '100'],
  containerInsights: ['false', 'true'],
  logRetentionDays: ['-', '7'],
  user: ['-', '2000:2000'],
  availabilityZones: ['-', 'ap-northeast-1a,ap-northeast-1c'],
};
const combinations = [
  ...coveringArray(OPTIONS),
  // Images that somebody else pushes, which have no repository of the app's to keep few of.
  ...coveringArray({ imageRepository: ['team/worker'], ...OPTIONS, imageCountMax: ['-'] }).slice(0, 3),
];

interface Report {
  readonly pluginReports?: readonly {
    readonly violations: readonly unknown[];
    readonly suppressedViolations: readonly { acknowledgedAt: string; acknowledgedId: string }[];
  }[];
}

test('covers every option that the page on security names', async () => {
  const page = await readFile(join(import.meta.dirname, '../../../docs/security.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| '));
  const named = new Set(
    rows.flatMap((row) => [...row.matchAll(/`(\w+)(?:=\w+)?`/g)].map(([, name]) => name)),
  );
  const options = knownSettings().filter((name) => named.has(name));
  expect(options.length).toBeGreaterThan(10);
  expect(options.filter((name) => !(name in OPTIONS))).toEqual([]);
});

test.each(
  combinations.map((combination, index) => [index + 1, JSON.stringify(combination), combination] as const),
)('combination %i, %s, has no finding but those with a reason', async (index, _text, combination) => {
  const outdir = join(scratch, String(index));
  const app = new App({
    analyticsReporting: false,
    outdir,
    context: {
      '@aws-cdk/core:defaultCrossStackReferences': 'strong',
      ...Object.fromEntries(Object.entries(combination).filter(([, value]) => value !== '-')),
    },
  });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const system = addQueueCanary(app);
  acknowledgeFindings(system);
  const acknowledged = acknowledgements(system).map(({ at, id }) => `${at.node.path} AwsSolutions::${id}`);
  app.synth();

  const report: Report = JSON.parse(await readFile(join(outdir, 'validation-report.json'), 'utf8'));
  const plugins = report.pluginReports ?? [];
  expect(plugins.flatMap(({ violations }) => violations)).toEqual([]);
  const found = plugins.flatMap(({ suppressedViolations }) =>
    suppressedViolations.map((each) => `${each.acknowledgedAt} ${each.acknowledgedId}`),
  );
  expect([...new Set(found)].sort()).toEqual(acknowledged.sort());

  for (const stack of ['QueueCanaryImage', 'QueueCanaryPipeline']) {
    const template = await readFile(join(outdir, `${stack}.template.json`), 'utf8');
    // W3005: a dependency is stated twice, which CDK does on purpose and CloudFormation ignores. W9013: the ARN of the
    // key that the user names has an account in it. W3010: so has the zone that the user names its region.
    const meant = ['W3005', 'W9013', 'W3010'];
    expect(findings(template).filter(({ ruleId }) => !meant.includes(ruleId))).toEqual([]);
  }
});
