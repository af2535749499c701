import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureControllerBundle } from './synthesize.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const run = promisify(execFile);
let scratch: string;
let consumer: string;
const installed = (name: string) => join(consumer, 'node_modules', '@queue-canary', name);

/** What a user's project says about approval, in a file of its own that the project runs and type-checks. */
const program = (approval: string) => `
import { ImageStack, PipelineStack } from '@queue-canary/constructs';
import { App, Duration } from 'aws-cdk-lib';

const app = new App({ outdir: 'cdk.out', analyticsReporting: false });
const { image } = new ImageStack(app, 'ShopImage');
new PipelineStack(app, 'ShopPipeline', { image, approval: '${approval}', decideWithin: Duration.minutes(90) });
app.synth();
`;

beforeAll(async () => {
  await ensureControllerBundle();
  scratch = await mkdtemp(join(tmpdir(), 'consumer-'));
  const tarballs = await pack();
  consumer = join(scratch, 'shop');
  await link(consumer, 'aws-cdk-lib', 'constructs', '@types');
  for (const [name, tarball] of tarballs) {
    await mkdir(installed(name), { recursive: true });
    await run('tar', ['-xzf', tarball, '-C', installed(name), '--strip-components=1']);
  }
  await writeFile(join(consumer, 'package.json'), '{"name":"shop","private":true,"type":"module"}');
  await writeFile(join(consumer, 'app.ts'), program('automatic'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

interface FunctionProperties {
  readonly Environment: { readonly Variables: { readonly QC_POLICY: string } };
}

/** Packs both packages as npm would publish them, from copies, so that nothing is built in the checkout. */
async function pack(): Promise<Map<string, string>> {
  const copies = join(scratch, 'checkout');
  await link(copies, '.bin', '@types', 'aws-cdk-lib', 'constructs', 'typescript');
  await cp(join(root, 'tsconfig.check.json'), join(copies, 'tsconfig.check.json'));
  const tarballs = new Map<string, string>();
  for (const name of ['core', 'constructs']) {
    const copy = join(copies, 'packages', name);
    await cp(join(root, 'packages', name), copy, {
      recursive: true,
      filter: (path) => !/[\\/](node_modules|dist|test)$/.test(path),
    });
    await mkdir(join(copies, 'node_modules', '@queue-canary'), { recursive: true });
    await symlink(copy, join(copies, 'node_modules', '@queue-canary', name));
    const { stdout } = await run('npm', ['pack', '--json'], {
      cwd: copy,
      env: { ...process.env, npm_config_update_notifier: 'false', npm_config_workspaces: 'false' },
    });
    const { filename } = JSON.parse(stdout.slice(stdout.indexOf('[\n')))[0];
    tarballs.set(name, join(copy, filename));
  }
  return tarballs;
}

/** Makes packages of the checkout available to a project, without installing them again. */
async function link(project: string, ...names: string[]): Promise<void> {
  await mkdir(join(project, 'node_modules'), { recursive: true });
  for (const name of names) {
    await symlink(join(root, 'node_modules', name), join(project, 'node_modules', name));
  }
}

function tsc(cwd: string, ...args: string[]): Promise<unknown> {
  return run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), ...args], { cwd });
}

const typeCheck = (file: string) =>
  tsc(consumer, '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', 'node', file);

describe('a project that installed the packed constructs', () => {
  it('synthesizes both stacks with the controller that came with them', async () => {
    await run(process.execPath, ['app.ts'], { cwd: consumer, env: { PATH: process.env.PATH } });
    const assembly = join(consumer, 'cdk.out');
    const template = JSON.parse(await readFile(join(assembly, 'ShopPipeline.template.json'), 'utf8'));
    const { Resources }: { Resources: Record<string, { Type: string; Properties: FunctionProperties }> } =
      template;
    const controller = Object.values(Resources).find(({ Type }) => Type === 'AWS::Lambda::Function');
    expect(JSON.parse(controller?.Properties.Environment.Variables.QC_POLICY ?? '{}')).toMatchObject({
      approval: 'automatic',
      judge: { deadlineMs: 90 * 60_000 },
    });
    const bundles = (await readdir(assembly)).filter((name) => name.startsWith('asset.'));
    expect(bundles).toHaveLength(1);
    expect(await readFile(join(assembly, bundles[0] ?? '', 'index.js'), 'utf8')).toBe(
      await readFile(join(installed('constructs'), 'assets', 'controller', 'index.js'), 'utf8'),
    );
  });

  it('is told by the types what the settings are', async () => {
    await typeCheck('app.ts');
    await writeFile(join(consumer, 'wrong.ts'), program('never'));
    await expect(typeCheck('wrong.ts')).rejects.toMatchObject({
      stdout: expect.stringContaining('\'"never"\' is not assignable to type'),
    });
  });
});
