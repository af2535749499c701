import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
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

/** Programs on a search path of their own; each is a text for Node. */
function programs(texts: Record<string, string>): Record<string, string> {
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries(texts)) {
    writeFileSync(join(directory, name), `#!${process.execPath}\n${text}`, { mode: 0o755 });
  }
  return { PATH: directory, HOME: temporaryDirectory() };
}

const CALL = (url: string) =>
  `require('http').get(${url}, () => process.exit(1)).on('error', () => process.exit(1));`;
/** A client that takes a registry from its last argument. */
const DOCKER = CALL("'http://' + process.argv.at(-1) + '/v2/'");
const AWS = CALL('process.env.AWS_ENDPOINT_URL');

test('a container engine is one that answers a ping and whose docker comes to this machine', async () => {
  const [alive, broken] = await Promise.all([socket(200), socket(500)]);
  const detect = async (DOCKER_HOST: string, docker = DOCKER) =>
    (await detectMachineTools({ DOCKER_HOST }, programs({ docker }), new SystemClock())).containerEngine;
  expect(await detect(alive)).toBe(alive);
  expect(await detect(alive, 'process.exit(1)')).toBeUndefined();
  for (const address of [broken, 'unix:///nowhere/docker.sock', 'ssh://host'])
    expect(await detect(address)).not.toBe(address);
});

test.each([
  ['one whose calls arrive', { aws: AWS }, true],
  ['one that does not know the variable', { aws: "console.log('{}')" }, false],
  ['version 1, which ignores it for SQS', { aws: `if (process.argv[2] !== 'sqs') ${AWS}` }, false],
  ['one that does not run', { aws: 'process.exit(1)' }, false],
  ['none', {}, false],
])('of AWS CLIs, %s: %#', async (_what, texts, usable) => {
  const tools = await detectMachineTools({}, programs(texts as Record<string, string>), new SystemClock());
  expect(tools.awsCli).toBe(usable);
});

test('a call that asks for AWS itself finds no way out', async () => {
  const seen = join(temporaryDirectory(), 'proxy');
  const aws = `require('fs').writeFileSync('${seen}', process.env.HTTPS_PROXY + ' ' + process.env.AWS_ACCESS_KEY_ID)`;
  await detectMachineTools({ HTTPS_PROXY: 'http://real:1' }, programs({ aws }), new SystemClock());
  expect(readFileSync(seen, 'utf8')).toBe('http://127.0.0.1:9 probe');
});

test('only the tools that the machine lacks are installed, and one that is no longer wanted goes', () => {
  const directory = temporaryDirectory();
  const settings = { registryUrl: 'http://127.0.0.1:1', registryHost: 'none', stateDirectory: directory };
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
    { registryUrl, registryHost: 'none', stateDirectory: temporaryDirectory() },
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
