import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningEngine, VirtualClock } from '@queue-canary/engine';
import { App } from 'aws-cdk-lib';
import { zipSync } from 'fflate';
import { addQueueCanary } from '../examples/app/queue-canary-app.ts';
import { bundleController } from '../tools/bundle-controller.ts';

/** A file that a template expects in the bucket of `cdk bootstrap`. */
interface Asset {
  readonly key: string;
  readonly content: Uint8Array;
}

/** The two stacks of the app that comes with the product, as `cdk synth` gives them. */
export interface Synthesized {
  readonly image: string;
  readonly pipeline: string;
  readonly assets: readonly Asset[];
}

export const IMAGE_STACK = 'SimImage';
export const PIPELINE_STACK = 'SimPipeline';

/** A call as the account's root; the time passes that its answer takes. */
export type RootCall = RunningEngine['call'];

const known = new Map<string, Synthesized>();

/** Synthesizes the app with some context values; the same values are synthesized once. */
export async function synthesize(context: Readonly<Record<string, string>>): Promise<Synthesized> {
  const key = JSON.stringify(context);
  const before = known.get(key);
  if (before !== undefined) return before;
  if (known.size === 0) await bundleController();
  // The validator takes seconds; the example app's tests run it.
  process.env.CDK_VALIDATION = 'false';
  const outdir = mkdtempSync(join(tmpdir(), 'queue-canary-sim-'));
  try {
    const app = new App({
      analyticsReporting: false,
      outdir,
      context: { '@aws-cdk/core:defaultCrossStackReferences': 'strong', app: 'Sim', ...context },
    });
    addQueueCanary(app);
    app.synth();
    const read = (stack: string) => readFileSync(join(outdir, `${stack}.template.json`), 'utf8');
    const synthesized = {
      image: read(IMAGE_STACK),
      pipeline: read(PIPELINE_STACK),
      assets: [IMAGE_STACK, PIPELINE_STACK].flatMap((stack) => assetsOf(outdir, stack)),
    };
    known.set(key, synthesized);
    return synthesized;
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

interface AssetManifest {
  readonly files: Readonly<
    Record<
      string,
      {
        readonly source: { readonly path: string; readonly packaging: 'zip' | 'file' };
        readonly destinations: Readonly<Record<string, { readonly objectKey: string }>>;
      }
    >
  >;
}

function assetsOf(outdir: string, stack: string): Asset[] {
  const manifest = JSON.parse(readFileSync(join(outdir, `${stack}.assets.json`), 'utf8')) as AssetManifest;
  return Object.values(manifest.files).flatMap(({ source, destinations }) => {
    const path = join(outdir, source.path);
    const content = source.packaging === 'zip' ? zipOf(path) : readFileSync(path);
    return Object.values(destinations).map(({ objectKey }) => ({ key: objectKey, content }));
  });
}

function zipOf(directory: string): Uint8Array {
  const files = readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))] as const);
  return zipSync(Object.fromEntries(files));
}

/** Creates or updates a stack as `cdk deploy` does, and lets the time pass that it takes. */
export async function deploy(
  call: RootCall,
  clock: VirtualClock,
  stack: string,
  { assets, ...templates }: Synthesized,
): Promise<void> {
  const template = stack === IMAGE_STACK ? templates.image : templates.pipeline;
  const outputs = await outputsOf(call, 'CDKToolkit');
  const Bucket = outputs.BucketName;
  for (const { key, content } of assets) {
    await call('s3', 'PutObject', { Bucket, Key: key, Body: content });
  }
  const before = await stackOf(call, stack);
  const parameters = Object.keys((JSON.parse(template) as { Parameters?: object }).Parameters ?? {});
  const given = { StackName: stack, TemplateBody: template, Capabilities: ['CAPABILITY_NAMED_IAM' as const] };
  if (before === undefined) await call('cloudformation', 'CreateStack', given);
  else {
    const kept = (before.Parameters ?? []).filter(({ ParameterKey = '' }) =>
      parameters.includes(ParameterKey),
    );
    try {
      await call('cloudformation', 'UpdateStack', {
        ...given,
        Parameters: kept.map(({ ParameterKey }) => ({ ParameterKey, UsePreviousValue: true })),
      });
    } catch (error) {
      if ((error as Error).message.includes('No updates are to be performed')) return;
      throw error;
    }
  }
  const status = async () => (await stackOf(call, stack))?.StackStatus ?? 'missing';
  for (let now = await status(); now.endsWith('_IN_PROGRESS'); now = await status()) {
    await clock.advanceBy(1_000);
  }
  const ended = await status();
  if (!['CREATE_COMPLETE', 'UPDATE_COMPLETE'].includes(ended)) {
    const { StackEvents = [] } = await call('cloudformation', 'DescribeStackEvents', {
      StackName: stack,
    });
    const failed = StackEvents.filter(({ ResourceStatus = '' }) => ResourceStatus.endsWith('_FAILED'));
    const reasons = failed.map(
      ({ LogicalResourceId, ResourceStatusReason }) => `${LogicalResourceId}: ${ResourceStatusReason}`,
    );
    throw new Error(`stack ${stack} is ${ended}: ${reasons.join('; ')}`);
  }
}

async function stackOf(call: RootCall, stack: string) {
  try {
    const { Stacks } = await call('cloudformation', 'DescribeStacks', { StackName: stack });
    return Stacks?.[0];
  } catch (error) {
    if ((error as Error).message.includes('does not exist')) return undefined;
    throw error;
  }
}

/** Outputs of a deployed stack by name. */
export async function outputsOf(call: RootCall, stack: string): Promise<Record<string, string>> {
  const { Outputs = [] } = (await stackOf(call, stack)) ?? {};
  return Object.fromEntries(Outputs.map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]));
}
