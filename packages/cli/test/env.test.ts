import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { STS } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { run, type Started, start } from './program.ts';

const BIN = fileURLToPath(new URL('../bin/queue-canary.js', import.meta.url));

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'queue-canary-env-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** State directory of an engine that all tests only ask. */
const state = mkdtempSync(join(tmpdir(), 'queue-canary-env-'));
let engine: Started;

beforeAll(async () => {
  engine = start(['up', '--state', state, '--port', '0']);
  await engine.line(/^ready in/);
});

afterAll(async () => {
  engine.kill('SIGTERM');
  await engine.finished;
  rmSync(state, { recursive: true, force: true });
});

/** What a stand-in for a client knows of AWS_ENDPOINT_URL. */
type Knows = 'everywhere' | 'but for sqs' | 'nowhere';

/**
 * A stand-in for an AWS CLI or boto3. As botocore does, it stops at a profile that is not configured and at an empty one;
 * takes an option, a service's variable and AWS_ENDPOINT_URL in that order; and goes to AWS else, which the file `left` shows.
 */
function client(kind: 'aws' | 'python3', knows: Knows, left: string): string {
  return `#!${process.execPath}
const args = process.argv.slice(2);
const { env } = process;
if (env.AWS_PROFILE !== undefined) { console.error('The config profile (' + env.AWS_PROFILE + ') could not be found'); process.exit(255); }
const option = args.find((arg) => arg.startsWith('--endpoint-url='));
const [service] = ${kind === 'aws' ? "args.filter((arg) => !arg.startsWith('-'))" : 'args.slice(2)'};
const known = ${knows === 'everywhere'} || (${knows === 'but for sqs'} && service !== 'sqs');
const url = option?.slice('--endpoint-url='.length)
  ?? (known && env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS !== 'true' ? env['AWS_ENDPOINT_URL_' + service.toUpperCase()] ?? env.AWS_ENDPOINT_URL : undefined);
if (url === undefined) {
  if (env.HTTPS_PROXY === undefined) require('fs').appendFileSync(${JSON.stringify(left)}, args.join(' ') + '\\n');
  console.error('Could not connect to the endpoint URL');
  process.exit(255);
}
fetch(url).then((answer) => console.log(service + ' reached ' + url + (env.AWS_SESSION_TOKEN ?? '')));
`;
}

/** A directory with stand-ins, to be first on a search path, and the file that shows calls to AWS. */
function machine(clients: Partial<Record<'aws' | 'python3', Knows>>): { path: string; left: string } {
  const path = directory();
  const left = join(path, 'left');
  for (const kind of ['aws', 'python3'] as const) {
    const knows = clients[kind];
    const text = knows === undefined ? '#!/bin/sh\nexit 127\n' : client(kind, knows, left);
    writeFileSync(join(path, kind), text, { mode: 0o755 });
  }
  writeFileSync(
    join(path, 'queue-canary'),
    `#!/bin/sh\nexec ${process.execPath} --conditions=@queue-canary/source ${BIN} "$@"\n`,
    {
      mode: 0o755,
    },
  );
  return { path, left };
}

/** What a user has set for AWS; each would lead a client past the engine. */
const SETTINGS = {
  AWS_PROFILE: 'work',
  AWS_SESSION_TOKEN: 'old',
  AWS_ENDPOINT_URL_SQS: 'http://127.0.0.1:9',
  AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true',
};

async function inShell(shell: string, path: string, script: string, before = '') {
  const PATH = `${path}:/usr/bin:/bin`;
  const text = `set -eu\n${before}\neval "$(queue-canary env --state ${state})"\n${script}`;
  return promisify(execFile)(shell, ['-c', text], { env: { ...SETTINGS, PATH, HOME: path } });
}

test.each<[string, Knows]>([
  ['sh', 'everywhere'],
  ['sh', 'but for sqs'],
  ['sh', 'nowhere'],
  ['bash', 'nowhere'],
])('in %s, an AWS CLI that knows AWS_ENDPOINT_URL %s calls the engine, and never AWS', async (shell, aws) => {
  const { path, left } = machine({ aws });
  const { endpoint } = JSON.parse(readFileSync(join(state, 'engine.json'), 'utf8')) as { endpoint: string };
  const { stdout, stderr } = await inShell(
    shell,
    path,
    'aws sts get-caller-identity; aws sqs list-queues; printenv AWS_PROFILE || echo unset',
    aws === 'everywhere' ? '' : 'alias aws=false',
  );
  expect(stdout).toBe(`sts reached ${endpoint}\nsqs reached ${endpoint}\nunset\n`);
  expect(existsSync(left)).toBe(false);
  const warning = {
    everywhere: /^$/,
    'but for sqs': /^The aws on your PATH does not use AWS_ENDPOINT_URL for sqs: .*add --endpoint-url/,
    nowhere: /^The aws on your PATH does not use AWS_ENDPOINT_URL: .*add --endpoint-url.*2\.13/,
  }[aws];
  expect(stderr).toMatch(warning);
});

test('scripts for bash call the engine too, and learn the region from the configuration', async () => {
  const { path, left } = machine({ aws: 'nowhere' });
  const { endpoint } = JSON.parse(readFileSync(join(state, 'engine.json'), 'utf8')) as { endpoint: string };
  writeFileSync(join(path, 'ask.sh'), '#!/usr/bin/env bash\naws sqs list-queues\ncat "$AWS_CONFIG_FILE"\n', {
    mode: 0o755,
  });
  const { stdout } = await inShell('bash', path, 'ask.sh');
  expect(stdout).toBe(`sqs reached ${endpoint}\n[default]\nregion = us-east-1\n`);
  expect(existsSync(left)).toBe(false);
});

test("git finds AWS's addresses of repositories at the engine and signs in, alongside the user's own settings", async () => {
  const { path } = machine({});
  const settings = async (env: Record<string, string | undefined>) =>
    JSON.parse(
      (await run(['env', '--state', state, '--json'], { env: { PATH: path, ...env } })).output,
    ) as Record<string, string>;
  const mine = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'user.name', GIT_CONFIG_VALUE_0: 'Ada' };
  const once: Record<string, string> = { ...mine, ...(await settings(mine)) };
  expect({ ...once, ...(await settings(once)) }).toEqual(once);
  const { AWS_ENDPOINT_URL: endpoint, AWS_REGION: region } = once;
  const codecommit = new CodeCommit({
    endpoint: endpoint!,
    region: region!,
    credentials: { accessKeyId: once.AWS_ACCESS_KEY_ID!, secretAccessKey: once.AWS_SECRET_ACCESS_KEY! },
  });
  await codecommit.createRepository({ repositoryName: 'worker' });
  const { commitId } = await codecommit.putFile({
    ...{ repositoryName: 'worker', branchName: 'main', filePath: 'a', fileContent: Buffer.from('1') },
  });
  const env = Object.fromEntries(Object.entries(once).filter(([, value]) => value !== null));
  const git = async (...args: string[]) =>
    (await promisify(execFile)('git', args, { env: { ...env, PATH: process.env.PATH, HOME: path } })).stdout;
  for (const address of [
    `codecommit::${region}://worker`,
    'codecommit://worker',
    `https://git-codecommit.${region}.amazonaws.com/v1/repos/worker`,
    `${endpoint}/git/v1/repos/worker`,
  ]) {
    expect(await git('ls-remote', address, 'main')).toBe(`${commitId}\trefs/heads/main\n`);
  }
  expect(await git('config', 'user.name')).toBe('Ada\n');
});

test.each<[Knows | undefined, RegExp]>([
  ['everywhere', /^$/],
  ['nowhere', /^The boto3 of your python3 does not use AWS_ENDPOINT_URL: .*endpoint_url=os\.environ.*1\.28/],
  [undefined, /^$/],
])('of a boto3 that knows the variable %s, env says what to do', async (python3, warning) => {
  const { path, left } = machine(python3 === undefined ? {} : { python3 });
  const { stderr } = await inShell('sh', path, 'true');
  expect(stderr).toMatch(warning);
  expect(existsSync(left)).toBe(false);
});

test('json has the same, with null for what must not be set, and an SDK client works with it', async () => {
  const { path } = machine({ aws: 'everywhere' });
  const { output } = await run(['env', '--state', state, '--json'], {
    env: { ...SETTINGS, PATH: path, NO_PROXY: 'intranet' },
  });
  const settings = JSON.parse(output) as Record<string, string | null>;
  expect(settings).toMatchObject({
    AWS_PROFILE: null,
    AWS_SESSION_TOKEN: null,
    AWS_ENDPOINT_URL_SQS: null,
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: null,
    NO_PROXY: 'intranet,127.0.0.1',
  });
  expect(Object.values(settings)).not.toContain('');
  const sts = new STS({
    endpoint: settings.AWS_ENDPOINT_URL!,
    region: settings.AWS_REGION!,
    credentials: {
      accessKeyId: settings.AWS_ACCESS_KEY_ID!,
      secretAccessKey: settings.AWS_SECRET_ACCESS_KEY!,
    },
  });
  expect((await sts.getCallerIdentity({})).Account).toBe('000000000000');
});

test('the authority that clients are given is one that trusts no server', async () => {
  const { output } = await run(['env', '--state', state, '--json'], { env: { PATH: machine({}).path } });
  const { AWS_CA_BUNDLE } = JSON.parse(output) as Record<string, string>;
  const directoryOfKeys = directory();
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(directoryOfKeys, name));
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'],
    ...['-keyout', key!, '-out', cert!, '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'],
  ]);
  let arrived = 0;
  const server = createServer(
    { key: readFileSync(key!), cert: readFileSync(cert!) },
    (_request, response) => {
      arrived += 1;
      response.end();
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const call = (authority: string) =>
    promisify(execFile)(process.execPath, [
      '-e',
      `require('https').request('https://127.0.0.1:${port}', { method: 'POST', ca: require('fs').readFileSync('${authority}') }, (r) => r.resume()).on('error', (e) => { console.error(e.code); process.exitCode = 1; }).end('body')`,
    ]);
  await call(cert!);
  await expect(call(AWS_CA_BUNDLE!)).rejects.toMatchObject({ code: 1 });
  expect(arrived).toBe(1);
});

test.each([
  ['fish', "set -gx AWS_REGION 'us-east-1'", 'set -e AWS_PROFILE', 'function aws; '],
  ['csh', "setenv AWS_REGION 'us-east-1';", 'unsetenv AWS_PROFILE;', "alias aws '"],
  ['tcsh', "setenv AWS_REGION 'us-east-1';", 'unsetenv AWS_PROFILE;', "alias aws '"],
])('%s gets its own words', async (shell, ...lines) => {
  const { path } = machine({ aws: 'nowhere' });
  const { output } = await run(['env', '--state', state, '--shell', shell], { env: { PATH: path } });
  for (const line of lines) expect(output).toContain(line);
  expect(output).not.toContain('export ');
  const usual = await run(['env', '--state', state], { env: { PATH: path, SHELL: `/usr/bin/${shell}` } });
  expect(usual.errors).toMatch(new RegExp(`In ${shell}: .*--shell ${shell === 'fish' ? 'fish' : 'csh'}`));
  expect((await run(['env', '--shell', 'cmd'], { env: { PATH: path } })).errors).toMatch(/Allowed choices/);
});
