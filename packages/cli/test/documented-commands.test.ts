import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { markdownPages, queueCanaryCommands, shownCommands } from '../../../tools/documented-commands.ts';
import { run, type Started, start } from './program.ts';

/** Commands that need no account and little time. */
const RUN = ['sample', 'cost', 'env', 'iam'];

/** Why the others are not run here, and which test runs them. */
const NOT_RUN: Readonly<Record<string, string>> = {
  up: 'runs until Ctrl-C; the engine of this test is one',
  deploy: 'takes minutes: release.test.ts and first-release.test.ts',
  push: 'needs deployed stacks: release.test.ts',
  send: 'needs deployed stacks: release.test.ts',
  release: 'needs deployed stacks: release.test.ts',
  approve: 'needs a release that waits: release.test.ts',
  reject: 'needs a release that waits: release.test.ts',
  rollback: 'needs a release: release.test.ts',
  logs: 'needs deployed stacks: release.test.ts',
  calibrate: 'needs days of logs: calibrate.test.ts',
  destroy: 'needs deployed stacks: release.test.ts',
  doctor: 'asks an account: doctor.test.ts',
  demo: 'takes minutes: continuous integration runs it',
};

const shown = queueCanaryCommands(shownCommands(markdownPages())).map(({ words }) => words);
const directory = mkdtempSync(join(tmpdir(), 'queue-canary-docs-'));
let engine: Started;

beforeAll(async () => {
  engine = start(['up', '--pace', '20', '--port', '0'], { cwd: directory });
  await engine.line(/^ready in/);
});

afterAll(async () => {
  engine.kill('SIGTERM');
  await engine.finished;
  rmSync(directory, { recursive: true, force: true });
});

test('each command that the documentation shows is run here, or has a reason not to be', () => {
  const names = new Set(shown.map(([name = '']) => name));
  expect([...names].filter((name) => !RUN.includes(name) && !Object.hasOwn(NOT_RUN, name))).toEqual([]);
});

const lines = new Set(shown.filter(([name = '']) => RUN.includes(name)).map((words) => words.join(' ')));

test.each([...lines])('queue-canary %s does what the documentation shows it for', async (line) => {
  const { status, output, errors } = await run(line.split(' '), { cwd: directory });
  expect(errors).not.toContain('error:');
  expect(status).toBe(0);
  expect(output).not.toBe('');
});

test('sample prints the sentence that the guide to the policy quotes', async () => {
  const page = markdownPages().find(({ path }) => path === 'docs/how-to/set-the-policy.md');
  const quoted = /It prints: "([^"]+)"/.exec(page?.text ?? '')?.[1]?.replaceAll(/\s+/g, ' ');
  const { output } = await run(['sample', '--rate', '1', '--margin', '0.005']);
  expect(output.trim()).toBe(quoted);
});

test('cost prints the totals that README.md and the guide to cost give', async () => {
  const { output } = await run(['cost']);
  const [listed, paid] = ['total at list prices', 'to pay'].map(
    (item) => new RegExp(`${item} +([\\d.]+)`).exec(output)?.[1],
  );
  const page = (path: string) => markdownPages().find((each) => each.path === path)?.text;
  expect(page('docs/how-to/choose-network-and-cost.md')).toContain(`${listed} USD`);
  expect(page('docs/how-to/choose-network-and-cost.md')).toContain(`${paid} USD`);
  expect(page('README.md')).toContain(`about ${Math.round(Number(paid))} USD`);
});
