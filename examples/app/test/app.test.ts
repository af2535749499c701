import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { quickApp } from '../../../packages/constructs/test/quick-app.ts';
import { bundleController } from '../../../tools/bundle-controller.ts';
import { acknowledgements } from '../acknowledgements.ts';
import { addQueueCanary } from '../queue-canary-app.ts';
import { findings } from './template-validator.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const run = promisify(execFile);
let scratch: string;
let assembly: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'app-'));
  await bundleController();
  assembly = await synth('default');
});

afterAll(async () => {
  await rm(scratch, { recursive: true });
});

/** Synthesizes as a user does, without account, region or credentials; returns the cloud assembly. */
async function synth(name: string, ...context: string[]): Promise<string> {
  const directory = join(scratch, name);
  await run(
    process.execPath,
    [
      join(root, 'node_modules', 'aws-cdk', 'bin', 'cdk'),
      'synth',
      '--quiet',
      '--app',
      `"${process.execPath}" --conditions=@queue-canary/source examples/app/app.ts`,
      '--output',
      directory,
      ...context.flatMap((each) => ['-c', each]),
    ],
    {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: scratch, CDK_DISABLE_CLI_TELEMETRY: 'true', NO_COLOR: '1' },
    },
  );
  return directory;
}

interface ValidationReport {
  readonly pluginReports: {
    readonly pluginName: string;
    readonly violations: unknown[];
    readonly suppressedViolations: {
      readonly acknowledgedId: string;
      readonly acknowledgedAt: string;
      readonly reason: string;
    }[];
  }[];
}

describe('the app', () => {
  test('passes cdk-nag, with a reason for each finding that remains and none for what is no finding', async () => {
    const report: ValidationReport = JSON.parse(
      await readFile(join(assembly, 'validation-report.json'), 'utf8'),
    );
    expect(report.pluginReports.flatMap(({ violations }) => violations)).toEqual([]);
    const nag = report.pluginReports.find(({ pluginName }) => pluginName === 'AwsSolutions');
    const found = nag?.suppressedViolations.map(({ acknowledgedAt, acknowledgedId }) =>
      [acknowledgedAt, acknowledgedId].join(' '),
    );
    const acknowledged = acknowledgements(addQueueCanary(quickApp())).map(({ at, id }) =>
      [at.node.path, `AwsSolutions::${id}`].join(' '),
    );
    expect([...new Set(found)].sort()).toEqual(acknowledged.sort());
    for (const { reason } of nag?.suppressedViolations ?? []) expect(reason.length).toBeGreaterThan(30);
  });

  test('passes the offline CloudFormation validator', async () => {
    const templates = ['QueueCanaryImage', 'QueueCanaryPipeline'];
    const found = await Promise.all(
      templates.map(async (stack) =>
        findings(await readFile(join(assembly, `${stack}.template.json`), 'utf8')),
      ),
    );
    // W3005: a dependency is stated twice, which CDK does on purpose and CloudFormation ignores.
    expect(found.flat().filter(({ ruleId }) => ruleId !== 'W3005')).toEqual([]);
  });

  test('would not pass that validator with a property that CloudFormation does not know', async () => {
    const template = await readFile(join(assembly, 'QueueCanaryPipeline.template.json'), 'utf8');
    expect(findings(template.replaceAll('"VisibilityTimeout"', '"VisibilityTime"'))).toContainEqual(
      expect.objectContaining({ severity: 'FATAL', message: expect.stringContaining('VisibilityTime') }),
    );
  });

  test('deploys to any account and region, with nothing looked up', async () => {
    const manifest = JSON.parse(await readFile(join(assembly, 'manifest.json'), 'utf8'));
    for (const stack of ['QueueCanaryImage', 'QueueCanaryPipeline']) {
      expect(manifest.artifacts[stack].environment).toBe('aws://unknown-account/unknown-region');
    }
    expect(manifest.missing ?? []).toEqual([]);
  });

  test.each([
    ['stableTasks=lots', 'stableTasks must be a whole number from 0 to 1000, not "lots"'],
    ['bakeMinutes=720', '- decideWithinMinutes must be later than the shortest bake, 720 minutes'],
    ['bakeMinutes=0', '- bakeMinutes must be at least warmUpSeconds, 3 minutes, not 0 seconds'],
    ['counters=shipped:less', '- counters must be name:less:part or name:more:part'],
    ['dryRun=speed', '- dryRun must be true, false or one or more of failures,'],
  ])('says what is wrong with %s, without a stack trace', async (setting, message) => {
    const failure: { stderr: string } = await synth('nonsense', setting).then(
      () => {
        throw new Error('the app was synthesized');
      },
      (error) => error,
    );
    expect(failure.stderr).toContain(message);
    expect(failure.stderr).not.toMatch(/^ +at /m);
  });
});
