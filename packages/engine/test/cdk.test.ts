import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GetQueueAttributesCommand, ListQueuesCommand } from '@aws-sdk/client-sqs';
import { GetParameterCommand } from '@aws-sdk/client-ssm';
import { expect, onTestFinished, test } from 'vitest';
import { CloudFormationWorld } from './cloudformation-world.ts';

const require = createRequire(import.meta.url);
const library = (name: string) => pathToFileURL(require.resolve(name)).href;

/** The real CDK CLI, run on an app written into a directory of its own, against an engine. */
class CdkApp {
  readonly #directory = mkdtempSync(join(tmpdir(), 'queue-canary-cdk-'));
  readonly #world: CloudFormationWorld;

  constructor(world: CloudFormationWorld) {
    this.#world = world;
    onTestFinished(() => rmSync(this.#directory, { recursive: true, force: true }));
  }

  /** Writes the app: `body` sees `stack`, `cdk`, `sqs` and `ssm`. */
  write(body: string): void {
    writeFileSync(
      join(this.#directory, 'app.mjs'),
      `import cdk from '${library('aws-cdk-lib')}';
import sqs from '${library('aws-cdk-lib/aws-sqs')}';
import ssm from '${library('aws-cdk-lib/aws-ssm')}';
const app = new cdk.App();
const stack = new cdk.Stack(app, 'Small');
${body}
`,
    );
  }

  /** Runs the CLI; its output, both streams, and its exit status. */
  async run(...args: string[]): Promise<{ output: string; status: number | null }> {
    const { endpoint, rootCredentials, region } = this.#world.engine;
    const child = spawn(
      process.execPath,
      [
        require.resolve('aws-cdk/bin/cdk'),
        ...args,
        '--app',
        `${process.execPath} app.mjs`,
        '--progress',
        'events',
      ],
      {
        cwd: this.#directory,
        env: {
          PATH: process.env.PATH,
          HOME: this.#directory,
          CDK_DISABLE_CLI_TELEMETRY: 'true',
          CDK_VALIDATION: 'false',
          AWS_ENDPOINT_URL: endpoint,
          AWS_ACCESS_KEY_ID: rootCredentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: rootCredentials.secretAccessKey,
          AWS_REGION: region,
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
    return { output, status };
  }

  outputs(): Record<string, Record<string, string>> {
    return JSON.parse(readFileSync(join(this.#directory, 'outputs.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >;
  }
}

test('cdk deploys, changes and destroys a stack, with the roles of a bootstrapped account', async () => {
  const world = await CloudFormationWorld.start();
  const app = new CdkApp(world);
  const body = (seconds: number) => `
    const dead = new sqs.Queue(stack, 'Dead');
    const queue = new sqs.Queue(stack, 'Queue', {
      visibilityTimeout: cdk.Duration.seconds(${seconds}),
      deadLetterQueue: { queue: dead, maxReceiveCount: 3 },
    });
    const note = new ssm.StringParameter(stack, 'Note', { stringValue: queue.queueName });
    new cdk.CfnOutput(stack, 'Url', { value: queue.queueUrl });
    new cdk.CfnOutput(stack, 'NoteName', { value: note.parameterName });`;
  const deploy = ['deploy', '--require-approval', 'never', '--outputs-file', 'outputs.json'];

  app.write(body(20));
  const created = await app.run(...deploy);
  expect(created.output).toContain('CREATE_COMPLETE');
  expect(created.status).toBe(0);
  const { Url, NoteName } = app.outputs().Small!;
  const note = await world.ssm.send(new GetParameterCommand({ Name: NoteName! }));
  expect(Url!.endsWith(note.Parameter!.Value!)).toBe(true);
  const stack = await world.describe('Small');
  expect(stack.RoleARN).toBe(
    'arn:aws:iam::000000000000:role/cdk-hnb659fds-cfn-exec-role-000000000000-us-east-1',
  );

  const same = await app.run(...deploy);
  expect(same.output).toContain('(no changes)');

  app.write(body(25));
  expect((await app.run(...deploy)).status).toBe(0);
  const { Attributes } = await world.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: Url!, AttributeNames: ['VisibilityTimeout'] }),
  );
  expect(Attributes!.VisibilityTimeout).toBe('25');

  const destroyed = await app.run('destroy', '--force');
  expect(destroyed.status).toBe(0);
  expect((await world.sqs.send(new ListQueuesCommand({}))).QueueUrls ?? []).toEqual([]);
});

test('cdk reports an unknown type and a failed resource in words that say what to do', async () => {
  const world = await CloudFormationWorld.start();
  const app = new CdkApp(world);
  app.write("new cdk.CfnResource(stack, 'Rocket', { type: 'AWS::Rocket::Launcher' });");
  const unknown = await app.run('deploy', '--require-approval', 'never');
  expect(unknown.status).not.toBe(0);
  expect(unknown.output).toContain('Unrecognized resource types: [AWS::Rocket::Launcher]');
  expect(unknown.output).toContain('CONTRIBUTING.md');

  app.write("new sqs.CfnQueue(stack, 'Queue', { visibilityTimeout: 99999999 });");
  const failed = await app.run('deploy', '--require-approval', 'never');
  expect(failed.status).not.toBe(0);
  expect(failed.output).toContain('VisibilityTimeout');
  expect((await world.describe('Small')).StackStatus).toBe('ROLLBACK_COMPLETE');
});
