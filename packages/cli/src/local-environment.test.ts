import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { git } from './commands/push.ts';
import { local } from './target.ts';

test('programs that a command runs have the variables of other credentials and endpoints removed, not emptied', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-git-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'git'), `#!${process.execPath}\nconsole.log(JSON.stringify(process.env))`, {
    mode: 0o755,
  });
  const environment = {
    PATH: directory,
    AWS_PROFILE: 'work',
    AWS_DEFAULT_PROFILE: 'work',
    AWS_SESSION_TOKEN: 'old',
    AWS_ENDPOINT_URL_SQS: 'https://elsewhere.example',
    AWS_PAGER: 'less',
    HTTP_PROXY: 'http://proxy.example',
    no_proxy: 'intranet',
  };
  const engine = {
    endpoint: 'http://127.0.0.1:4580',
    region: 'us-east-1',
    accountId: '000000000000',
    accessKeyId: 'key',
    secretAccessKey: 'secret',
    state: directory,
  };
  const target = local(engine, environment);
  const context = { target, environment, signal: new AbortController().signal };
  const seen = JSON.parse(await git(context, directory, ['status'])) as Record<string, string>;
  for (const name of ['AWS_PROFILE', 'AWS_DEFAULT_PROFILE', 'AWS_SESSION_TOKEN', 'AWS_ENDPOINT_URL_SQS'])
    expect(seen).not.toHaveProperty(name);
  expect(seen).toMatchObject({
    AWS_ENDPOINT_URL: 'http://127.0.0.1:4580',
    AWS_PAGER: 'less',
    HTTP_PROXY: 'http://proxy.example',
    NO_PROXY: 'intranet,127.0.0.1',
    no_proxy: 'intranet,127.0.0.1',
  });
});
