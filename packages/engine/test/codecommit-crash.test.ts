import { execFileSync } from 'node:child_process';
import { createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { gzipSync } from 'node:zlib';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { expect, onTestFinished, test } from 'vitest';
import { mortalEngine } from './harness.ts';

/**
 * A search path on which `git http-backend` first reports its process id, and then holds a pipe open until it and all
 * that it has started have ended.
 */
function observedGit(directory: string) {
  const pipe = join(directory, 'alive');
  execFileSync('mkfifo', [pipe]);
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim();
  writeFileSync(
    join(bin, 'git'),
    `#!/bin/sh\nif [ "$1" = http-backend ]; then exec 9>'${pipe}'; echo $$ >&9; fi\nexec '${real}' "$@"\n`,
    { mode: 0o755 },
  );
  return { path: [bin, process.env.PATH].join(delimiter), pipe };
}

test.each([
  ['a push', 'git-receive-pack', {}, Buffer.from('00')],
  ['a push that is compressed', 'git-receive-pack', { 'content-encoding': 'gzip' }, gzipSync('00')],
  ['a fetch', 'git-upload-pack', {}, Buffer.from('00')],
])(
  'an engine that is killed in the middle of %s leaves no git behind',
  async (_what, service, headers, body) => {
    const directory = mkdtempSync(join(tmpdir(), 'queue-canary-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const git = observedGit(directory);
    const engine = await mortalEngine(join(directory, 'state'), git.path);
    const { repositoryMetadata } = await new CodeCommit(engine.client).createRepository({
      repositoryName: 'worker',
    });
    const alive = createInterface({ input: createReadStream(git.pipe) })[Symbol.asyncIterator]();
    const { accessKeyId, secretAccessKey } = engine.client.credentials;
    const push = request(`${repositoryMetadata!.cloneUrlHttp}/${service}`, {
      method: 'POST',
      auth: `${accessKeyId}:${secretAccessKey}`,
      headers: {
        'content-type': `application/x-${service}-request`,
        'content-length': 1_000_000,
        ...headers,
      },
    });
    const cut = new Promise((resolve) => push.once('error', resolve));
    push.write(body);
    const pid = Number((await alive.next()).value);
    onTestFinished(() => {
      try {
        process.kill(pid);
      } catch {
        // It has ended, as it should.
      }
    });
    await engine.kill();
    await cut;
    expect(await alive.next()).toMatchObject({ done: true });
  },
);
