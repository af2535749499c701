import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { App, Stack } from 'aws-cdk-lib';
import { onTestFinished } from 'vitest';
import type { CloudFormationWorld } from './cloudformation-world.ts';

const require = createRequire(import.meta.url);
const library = (name: string) => pathToFileURL(require.resolve(name)).href;

/** The real CDK CLI, run in a directory of its own against an engine. */
export class Cdk {
  readonly #directory = mkdtempSync(join(tmpdir(), 'queue-canary-cdk-'));
  readonly #world: CloudFormationWorld;
  readonly #app: readonly string[];
  readonly #region: string;
  /** Whether `cdk.out` is what the app would write. */
  #synthesized = false;

  /**
   * @param app Command that synthesises, `app.mjs` in the directory if there is none.
   * @param region The engine's if there is none.
   */
  constructor(world: CloudFormationWorld, app: readonly string[] = ['app.mjs'], region?: string) {
    this.#world = world;
    this.#region = region ?? world.engine.region;
    this.#app = app;
    onTestFinished(() => rmSync(this.#directory, { recursive: true, force: true }));
  }

  /** Synthesizes an app with one stack in this process, which loads the library once. */
  define(body: (stack: Stack) => void): void {
    const app = new App({ outdir: this.assembly });
    body(new Stack(app, 'Small'));
    app.synth();
    this.#synthesized = true;
  }

  /** Writes `app.mjs`, for an app that the command runs itself: `body` sees `app` and `cdk`. */
  write(body: string): void {
    writeFileSync(
      join(this.#directory, 'app.mjs'),
      `import cdk from '${library('aws-cdk-lib')}';
const app = new cdk.App();
${body}
`,
    );
    this.#synthesized = false;
  }

  /** Where the CLI leaves the templates of the app. */
  get assembly(): string {
    return join(this.#directory, 'cdk.out');
  }

  /** Runs a command of the CLI; its output, both streams, and its exit status. */
  async run(command: string, ...args: string[]): Promise<{ output: string; status: number | null }> {
    const { endpoint, rootCredentials } = this.#world.engine;
    const child = spawn(
      process.execPath,
      [
        require.resolve('aws-cdk/bin/cdk'),
        command,
        ...args,
        '--app',
        this.#synthesized ? this.assembly : [process.execPath, ...this.#app].join(' '),
        '--progress',
        'events',
        '--no-notices',
        ...(command === 'deploy'
          ? ['--require-approval', 'never', '--outputs-file', 'outputs.json']
          : ['--force']),
      ],
      {
        cwd: this.#directory,
        env: {
          PATH: process.env.PATH,
          NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
          NODE_OPTIONS: process.env.NODE_OPTIONS,
          HOME: this.#directory,
          CDK_DISABLE_CLI_TELEMETRY: 'true',
          CDK_VALIDATION: 'false',
          AWS_ENDPOINT_URL: endpoint,
          AWS_ACCESS_KEY_ID: rootCredentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: rootCredentials.secretAccessKey,
          AWS_REGION: this.#region,
          AWS_EC2_METADATA_DISABLED: 'true',
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
      });
    }
    const [status] = (await once(child, 'close')) as [number | null];
    this.#synthesized ||= command !== 'bootstrap' && status === 0;
    return { output, status };
  }

  /** Outputs of the stacks of the last deployment, by stack and name. */
  outputs(): Record<string, Record<string, string>> {
    return JSON.parse(readFileSync(join(this.#directory, 'outputs.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >;
  }
}
