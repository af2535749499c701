import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { Git } from './git.ts';

test('a machine without git gets one error that says to install it', async () => {
  const git = new Git('/nonexistent');
  await expect(git.run(['version'], { cwd: tmpdir() })).rejects.toMatchObject({
    code: 'GitNotInstalled',
    message: expect.stringContaining('install git'),
  });
});

test("git sees nothing of the user's own configuration", () => {
  expect(new Git('/usr/bin').environment()).toMatchObject({
    PATH: '/usr/bin',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    HOME: '/nonexistent',
  });
});
