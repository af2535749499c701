import { sleep } from '@queue-canary/engine';
import type { Context } from '../context.ts';
import { findOutputs, stackNames } from '../stacks.ts';
import { CliError } from '../user-error.ts';

export interface DestroyOptions {
  readonly yes: boolean;
  /** Asks the user; resolves with the answer. */
  readonly ask: (question: string) => Promise<string>;
}

/** Removes both stacks, the pipeline first, after saying what goes and asking. */
export async function destroy(context: Context, options: DestroyOptions): Promise<void> {
  const { terminal } = context;
  const names = stackNames(context.app);
  const existing = [];
  for (const stack of [names.pipeline, names.image]) {
    if (await findOutputs(context.clients.cloudformation, stack)) existing.push(stack);
  }
  if (existing.length === 0) {
    throw new CliError(`neither ${names.pipeline} nor ${names.image} exists there: nothing to destroy`);
  }
  for (const stack of existing) {
    terminal.line(`${stack} will be removed, with`);
    for (const [type, count] of await resourceCounts(context, stack))
      terminal.line(`  ${String(count).padStart(3)} ${type}`);
    terminal.line(
      '  and what is in them: messages, images, source history and logs, unless the stack retains them',
    );
  }
  if (!options.yes) {
    const answer = await options.ask(
      `Destroy ${existing.join(' and ')}? Type the application's name (${context.app}) to go on: `,
    );
    if (answer.trim() !== context.app) throw new CliError('not destroyed: the answer was not the name');
  }
  for (const stack of existing) await removeStack(context, stack);
}

async function resourceCounts(context: Context, stack: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let NextToken: string | undefined;
  do {
    const page = await context.clients.cloudformation.listStackResources({
      StackName: stack,
      ...(NextToken === undefined ? {} : { NextToken }),
    });
    for (const { ResourceType } of page.StackResourceSummaries ?? []) {
      counts.set(ResourceType ?? '', (counts.get(ResourceType ?? '') ?? 0) + 1);
    }
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function removeStack(context: Context, stack: string): Promise<void> {
  const { cloudformation } = context.clients;
  const outputs = await findOutputs(cloudformation, stack);
  if (outputs?.ArtifactBucketName) await emptyBucket(context, outputs.ArtifactBucketName);
  const { Stacks } = await cloudformation.describeStacks({ StackName: stack });
  const id = Stacks?.[0]?.StackId ?? stack;
  await cloudformation.deleteStack({ StackName: stack });
  for (;;) {
    if (context.signal.aborted) throw new CliError(`interrupted; ${stack} goes on being deleted`);
    const { Stacks: now } = await cloudformation.describeStacks({ StackName: id });
    const status = now?.[0]?.StackStatus ?? 'DELETE_COMPLETE';
    context.terminal.live(`  ${stack} ${status}`);
    if (status === 'DELETE_COMPLETE') break;
    if (status === 'DELETE_FAILED') {
      throw new CliError(`${stack} could not be deleted: ${now?.[0]?.StackStatusReason ?? 'see its events'}`);
    }
    await sleep(context.clock, context.target.kind === 'local' ? 300 : 5000, context.signal);
  }
  context.terminal.line(`${stack} destroyed`);
}

/** CloudFormation deletes only empty buckets. */
async function emptyBucket({ clients }: Context, Bucket: string): Promise<void> {
  for (;;) {
    const { Versions = [], DeleteMarkers = [] } = await clients.s3.listObjectVersions({
      Bucket,
      MaxKeys: 1000,
    });
    const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
    if (Objects.length === 0) return;
    await clients.s3.deleteObjects({ Bucket, Delete: { Objects, Quiet: true } });
  }
}
