import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { installPackages } from '../../../tools/install-packages.ts';
import { CHECKOUT } from '../../../tools/packages.ts';
import { type Finished, type Started, start } from './program.ts';

// Every package as it is published, in a project outside the checkout, on the oldest Node that they run on.
// `.ci/run` installs them once, for this test and for a demo.
const given = process.env.QC_INSTALLED_PACKAGES;
const project = given ?? mkdtempSync(join(tmpdir(), 'queue-canary-installed-'));
const installed = (...path: string[]) => join(project, 'node_modules', ...path);

beforeAll(async () => {
  if (given === undefined) await installPackages(project);
}, 1_200_000);

afterAll(() => {
  if (given === undefined) rmSync(project, { recursive: true, force: true });
});

/** Starts a program of the project with its own Node, and what it has installed first on the PATH. */
function begin(command: readonly [string, ...string[]], env: Record<string, string> = {}): Started {
  const PATH = `${installed('.bin')}:${process.env.PATH}`;
  // The app's own tests validate the templates; synthesis is seconds shorter without doing it again.
  return start([], { command, cwd: project, env: { CDK_VALIDATION: 'false', ...env, PATH } });
}

async function runs(...command: [string, ...string[]]): Promise<Finished> {
  const finished = await begin(command).finished;
  expect(finished.errors).toBe('');
  expect(finished.status).toBe(0);
  return finished;
}

/** What the compiler says of a file of the project. */
async function typeErrors(...files: string[]): Promise<string> {
  const tsc = join(CHECKOUT, 'node_modules/typescript/bin/tsc');
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', 'node'];
  return (await begin([process.execPath, tsc, ...options, ...files]).finished).output;
}

/** A CDK app with both stacks, and what it says about approval. */
const cdkApp = (imported: (names: string, from: string) => string, approval: string, outdir: string) => `
${imported('{ ImageStack, PipelineStack }', '@queue-canary/constructs')}
${imported('{ App, Duration }', 'aws-cdk-lib')}

const app = new App({ outdir: '${outdir}', analyticsReporting: false });
const { image } = new ImageStack(app, 'ShopImage');
new PipelineStack(app, 'ShopPipeline', { image, approval: '${approval}', decideWithin: Duration.minutes(90) });
app.synth();
`;
const esm = (names: string, from: string) => `import ${names} from '${from}';`;
const commonJs = (names: string, from: string) => `const ${names} = require('${from}');`;

describe('the constructs', () => {
  test.each([
    ['an ES module', 'app.js', esm],
    ['CommonJS', 'app.cjs', commonJs],
  ])(
    'synthesize both stacks in an app that is %s, with the controller that came with them',
    async (_, file, form) => {
      const outdir = `${file}.out`;
      await writeFile(join(project, file), cdkApp(form, 'automatic', outdir));
      await runs('node', file);
      const assembly = join(project, outdir);
      const template = await readFile(join(assembly, 'ShopPipeline.template.json'), 'utf8');
      const { Resources } = JSON.parse(template) as {
        Resources: Record<
          string,
          { Type: string; Properties: { Environment: { Variables: { QC_POLICY: string } } } }
        >;
      };
      const controller = Object.values(Resources).find(({ Type }) => Type === 'AWS::Lambda::Function');
      expect(JSON.parse(controller?.Properties.Environment.Variables.QC_POLICY ?? '{}')).toMatchObject({
        approval: 'automatic',
        judge: { deadlineMs: 90 * 60_000 },
      });
      const bundles = (await readdir(assembly)).filter((name) => name.startsWith('asset.'));
      expect(bundles).toHaveLength(1);
      expect(await readFile(join(assembly, bundles[0]!, 'index.js'), 'utf8')).toBe(
        await readFile(installed('@queue-canary/constructs/assets/controller/index.js'), 'utf8'),
      );
    },
  );

  test('say by their types what the settings are', async () => {
    const checked = async (approval: string) => {
      await writeFile(join(project, 'checked.ts'), cdkApp(esm, approval, 'checked.out'));
      return typeErrors('checked.ts');
    };
    expect(await checked('automatic')).toBe('');
    expect(await checked('never')).toContain('\'"never"\' is not assignable to type');
  });
});

describe('the command', () => {
  test('runs by npx, on the oldest Node that the packages run on', async () => {
    expect((await runs('npx', 'queue-canary', '--help')).output).toMatch(/^Usage: queue-canary/);
    expect((await runs('npx', 'queue-canary', 'demo', '--help')).output).toMatch(/--approval <who>/);
    const { engines } = JSON.parse(await readFile(installed('queue-canary/package.json'), 'utf8'));
    expect((await runs('node', '--version')).output).toContain(engines.node.replace('>=', 'v'));
  });
});

describe('the tarballs', () => {
  test('have a README whose program fits their types', async () => {
    const programs = ['core', 'controller', 'constructs', 'engine'].map(async (name) => {
      const readme = await readFile(installed('@queue-canary', name, 'README.md'), 'utf8');
      const program = /```ts\n(.*?)```/s.exec(readme)?.[1];
      await writeFile(join(project, `readme-${name}.ts`), program ?? '');
      expect(program).toContain(`from '@queue-canary/${name}'`);
      return `readme-${name}.ts`;
    });
    expect(await typeErrors(...(await Promise.all(programs)))).toBe('');
  });

  test('hold what runs and what it says about itself: no tests, no sources but the sample app', async () => {
    const tarballs = (await readdir(join(project, 'tarballs'))).sort();
    expect(tarballs).toHaveLength(6);
    for (const tarball of tarballs) {
      const { output } = await runs('tar', '-tzf', join('tarballs', tarball));
      const files = output.trim().split('\n');
      expect(files).toEqual(
        expect.arrayContaining(['package/LICENSE', 'package/README.md', 'package/package.json']),
      );
      const others = files.filter(
        (file) => !/^package\/(LICENSE|README\.md|package\.json|(bin|dist|assets)\/.*)$/.test(file),
      );
      expect(others).toEqual([]);
      const sources = files.filter(
        (file) => /\.test\.|\/test\/|(?<!\.d)\.ts$/.test(file) && !file.includes('/examples/sample-app/src/'),
      );
      expect(sources).toEqual([]);
    }
  });
});

describe('the engine and the worker', () => {
  test('start, and a message is handled and deleted', async () => {
    const state = mkdtempSync(join(project, 'state-'));
    const engine = begin(['queue-canary', 'up', '--state', state, '--port', '0']);
    onTestFinished(async () => {
      engine.kill('SIGTERM');
      await engine.finished;
    });
    const [endpoint] = /http:\/\/[\d.:]+/.exec(await engine.line(/^ready in/))!;
    const { region, accessKeyId, secretAccessKey } = JSON.parse(
      await readFile(join(state, 'engine.json'), 'utf8'),
    );
    const sqs = new SQS({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
    onTestFinished(() => sqs.destroy());
    const { QueueUrl } = await sqs.createQueue({ QueueName: 'orders' });
    await sqs.sendMessage({ QueueUrl, MessageBody: 'hello' });
    await writeFile(
      join(project, 'worker.js'),
      `import { runWorker } from '@queue-canary/worker';
       await runWorker({
         handler: async (body) => {
           console.log('handled ' + body);
           process.kill(process.pid, 'SIGTERM');
         },
       });`,
    );
    const worker = begin(['node', 'worker.js'], {
      QUEUE_URL: QueueUrl!,
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      QC_APP: 'Shop',
      QC_TRACK: 'stable',
      QC_REVISION: 'abc',
    });
    const { status, output } = await worker.finished;
    expect(output).toContain('handled hello');
    expect(status).toBe(0);
    await sqs.deleteQueue({ QueueUrl });
  });
});
