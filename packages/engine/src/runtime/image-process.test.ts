import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { HostCommandOptions } from './image-process.ts';
import { hostCommand } from './image-process.ts';
import { temporaryDirectory } from './test/temporary-directory.ts';

function command(files: Record<string, string>, options: Partial<HostCommandOptions>) {
  const root = temporaryDirectory(files);
  const result = hostCommand({
    root,
    config: {},
    environment: {},
    nodePath: '/opt/node/bin/node',
    hostPath: '/usr/bin:/bin',
    scratch: '/scratch',
    ...options,
  });
  return { root, ...result };
}

test("node is the engine's own, however the image writes it", () => {
  for (const node of ['node', '/usr/local/bin/node']) {
    expect(command({}, { config: { Cmd: [node, 'main.js'] } }).command).toEqual([
      '/opt/node/bin/node',
      'main.js',
    ]);
  }
});

test('an absolute argument that is in the image is found below its root; any other stays', () => {
  const { root, command: words } = command(
    { 'app/main.js': '' },
    { config: { Cmd: ['node', '/app/main.js', '/etc/nothing', '/', '--x=/app/main.js'] } },
  );
  expect(words.slice(1)).toEqual([join(root, 'app/main.js'), '/etc/nothing', '/', '--x=/app/main.js']);
});

test("the search path has the engine's Node first, then what the image adds, then the machine", () => {
  const root = temporaryDirectory();
  for (const directory of ['app/bin', 'usr/bin']) mkdirSync(join(root, directory), { recursive: true });
  const { env } = command(
    {},
    { root, config: { Cmd: ['node'], Env: ['PATH=/app/bin:/usr/bin:/not/there', 'A=x=y'] } },
  );
  expect(env).toEqual({
    PATH: ['/opt/node/bin', join(root, 'app/bin'), '/usr/bin', '/bin', join(root, 'usr/bin')].join(':'),
    A: 'x=y',
    HOME: '/scratch',
    TMPDIR: '/scratch',
  });
});

test('the working directory never leaves the root', () => {
  const { root, cwd } = command(
    { 'app/x': '' },
    { config: { Cmd: ['node'] }, workingDirectory: '/../../app' },
  );
  expect(cwd).toBe(join(root, 'app'));
});
