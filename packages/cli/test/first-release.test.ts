import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CloudFormation } from '@aws-sdk/client-cloudformation';
import { ECS } from '@aws-sdk/client-ecs';
import type { ReleaseView } from '@queue-canary/core';
import { expect, onTestFinished, test } from 'vitest';
import { findOutputs } from '../src/stacks.ts';
import { run, start } from './program.ts';
import { releaseView } from './release-view.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CONTEXT = {
  approval: 'automatic',
  bakeMinutes: '0.05',
  warmUpSeconds: '0',
  watchMinutes: '0',
  stableTasks: '2',
};

interface Running {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The real `cdk deploy --all`, for both stacks of the example app. */
async function cdkDeployAll({ endpoint, region, accessKeyId, secretAccessKey }: Running): Promise<string> {
  const cdk = join(dirname(createRequire(import.meta.url).resolve('aws-cdk/package.json')), 'bin', 'cdk');
  const app = `exec "${process.execPath}" --conditions=@queue-canary/source "${join(ROOT, 'examples/app/app.ts')}"`;
  const output = mkdtempSync(join(tmpdir(), 'queue-canary-cdk-'));
  onTestFinished(() => rmSync(output, { recursive: true, force: true }));
  const context = Object.entries(CONTEXT).flatMap(([name, value]) => ['--context', `${name}=${value}`]);
  const { stderr } = await promisify(execFile)(
    process.execPath,
    [
      cdk,
      'deploy',
      '--all',
      '--app',
      app,
      '--output',
      output,
      '--require-approval',
      'never',
      '--no-notices',
      ...context,
    ],
    {
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        NODE_OPTIONS: process.env.NODE_OPTIONS,
        HOME: output,
        CDK_DISABLE_CLI_TELEMETRY: 'true',
        CDK_VALIDATION: 'false',
        AWS_ENDPOINT_URL: endpoint,
        AWS_REGION: region,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_EC2_METADATA_DISABLED: 'true',
      },
      maxBuffer: 1e8,
    },
  );
  return stderr;
}

test('cdk deploy --all on an empty account, a push, and the first release starts both services', {
  timeout: 600_000,
}, async () => {
  const state = mkdtempSync(join(tmpdir(), 'queue-canary-first-'));
  const engine = start(['up', '--state', state, '--port', '0', '--pace', '40']);
  onTestFinished(async () => {
    engine.kill('SIGINT');
    await engine.finished;
    rmSync(state, { recursive: true, force: true });
  });
  await engine.line(/^ready in/);
  const running = JSON.parse(readFileSync(join(state, 'engine.json'), 'utf8')) as Running;
  expect(await cdkDeployAll(running)).toContain('✅  QueueCanaryPipeline');

  const client = { ...running, credentials: running };
  const { ClusterName, CanaryServiceName, StableServiceName } = (await findOutputs(
    new CloudFormation(client),
    'QueueCanaryPipeline',
  ))!;
  const ecs = new ECS(client);
  const counts = async () => {
    const { services = [] } = await ecs.describeServices({
      cluster: ClusterName,
      services: [CanaryServiceName!, StableServiceName!],
    });
    return services.map(({ desiredCount, runningCount }) => [desiredCount, runningCount]);
  };
  expect(await counts()).toEqual([
    [0, 0],
    [0, 0],
  ]);

  const pushed = await run(['push', join(ROOT, 'examples/sample-app'), '--state', state]);
  expect(pushed.errors).toContain('its release has started');
  let view: ReleaseView;
  do {
    view = await releaseView(state);
    if (view.phase === 'halted' || view.phase === 'rolledBack') throw new Error(JSON.stringify(view));
  } while (view.phase !== 'succeeded' || view.stages.at(-1)?.status !== 'succeeded');
  expect(view.verdict).toMatchObject({ kind: 'pass', code: 'first' });
  expect(view.tracks.map(({ runs }) => runs)).toEqual(['lastGood', 'lastGood']);
  expect(await counts()).toEqual([
    [1, 1],
    [2, 2],
  ]);

  // CloudFormation learns of the image now, and finds both services as large as it wants them.
  expect(await cdkDeployAll(running)).toContain('✅  QueueCanaryPipeline');
  expect(await counts()).toEqual([
    [1, 1],
    [2, 2],
  ]);
});
