import { execFile } from 'node:child_process';
import { chmodSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '../src/index.ts';
import { detectMachineTools, installBuildTools } from '../src/runtime/docker/build-tools.ts';
import { temporaryDirectory } from '../src/runtime/test/temporary-directory.ts';
import { testEngine } from './harness.ts';

const run = promisify(execFile);

/** A socket that answers pings with the status, and its address. */
async function socket(status: number): Promise<string> {
  const path = join(temporaryDirectory(), 's');
  const server = createServer((request, response) =>
    response.writeHead(request.url === '/_ping' ? status : 404).end(),
  );
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
  return `unix://${path}`;
}

test('a container engine is one that answers a ping, not one whose address is set', async () => {
  const [alive, broken] = await Promise.all([socket(200), socket(500)]);
  const detect = (DOCKER_HOST: string) => detectMachineTools({ DOCKER_HOST, PATH: '' }, new SystemClock());
  expect((await detect(alive)).containerEngine).toBe(alive);
  expect((await detect(broken)).containerEngine).not.toBe(broken);
  expect((await detect('unix:///nowhere/docker.sock')).containerEngine).not.toBe(
    'unix:///nowhere/docker.sock',
  );
  expect((await detect('ssh://host')).containerEngine).not.toBe('ssh://host');
});

test('an AWS CLI counts only when it runs', async () => {
  const directory = temporaryDirectory({
    'good/aws': '#!/bin/sh\nexit 0\n',
    'broken/aws': '#!/bin/sh\nexit 1\n',
  });
  const detect = async (name: string) => {
    if (name !== 'none') chmodSync(join(directory, name, 'aws'), 0o755);
    return (await detectMachineTools({ PATH: join(directory, name) }, new SystemClock())).awsCli;
  };
  expect([await detect('good'), await detect('broken'), await detect('none')]).toEqual([true, false, false]);
});

test('only the tools that the machine lacks are installed, and one that is no longer wanted goes', () => {
  const directory = temporaryDirectory();
  const settings = { registryUrl: 'http://127.0.0.1:1', stateDirectory: directory };
  installBuildTools(directory, settings, { docker: true, aws: true });
  expect(readdirSync(directory).sort()).toEqual(['aws', 'docker', 'node', 'settings.json']);
  installBuildTools(directory, settings, { docker: false, aws: true });
  expect(readdirSync(directory).sort()).toEqual(['aws', 'node', 'settings.json']);
});

test('the own aws gets a password that the own docker logs in with, using the credentials of the build alone', async () => {
  const engine = await testEngine();
  const tools = temporaryDirectory();
  const registryUrl = engine.endpoint;
  installBuildTools(
    tools,
    { registryUrl, stateDirectory: temporaryDirectory() },
    { docker: true, aws: true },
  );
  const { accessKeyId, secretAccessKey } = engine.client.credentials;
  const env = {
    PATH: `${tools}:/usr/bin:/bin`,
    HOME: tools,
    DOCKER_CONFIG: join(tools, 'docker-config'),
    AWS_REGION: engine.region,
    AWS_ENDPOINT_URL: engine.endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const script = `aws sts get-caller-identity && aws ecr get-login-password | docker login --username AWS --password-stdin ${new URL(registryUrl).host}`;
  const { stdout } = await run('sh', ['-c', script], { env });
  expect(stdout).toMatch(/"Account": "\d{12}"/);
  expect(stdout).toMatch(/Login Succeeded\n$/);
  const refused = run('aws', ['sts', 'get-caller-identity'], {
    env: { ...env, AWS_SECRET_ACCESS_KEY: 'wrong' },
  });
  await expect(refused).rejects.toMatchObject({
    code: 254,
    stderr: expect.stringContaining('SignatureDoesNotMatch'),
  });
});
