import { sleep } from '@queue-canary/engine';
import type { Context } from '../context.ts';
import { messagesIn } from '../messages-in.ts';
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
    throw new CliError(`neither ${names.pipeline} nor ${names.image} exists: there is nothing to destroy`);
  }
  for (const stack of existing) {
    terminal.line(`${stack} will be removed, with`);
    const resources = await resourcesOf(context, stack);
    for (const [type, count] of countTypes(resources))
      terminal.line(`  ${String(count).padStart(3)} ${type}`);
    const retained = await retainedIn(context, stack);
    const stays = ({ logicalId }: Resource) => retained.has(logicalId);
    for (const resource of resources.filter(({ type }) => type === 'AWS::SQS::Queue')) {
      const messages = await messagesIn(context, resource.physicalId);
      if (messages > 0) {
        terminal.line(
          terminal.style(
            'bad',
            `  ${resource.physicalId} holds ${messages} messages, which ${stays(resource) ? 'stay with it' : 'are lost with it'}`,
          ),
        );
      }
    }
    for (const { type, physicalId } of resources.filter(stays))
      terminal.line(`  ${type} ${physicalId} stays: the stack retains it${removedWith(type, physicalId)}`);
    if (resources.some(({ type }) => type === 'AWS::ECS::TaskDefinition'))
      terminal.line(
        '  the revisions of its task definitions that releases registered stay: they run nothing and cost nothing',
      );
    terminal.line('  and their content: messages, images, source history and logs, except in what stays');
  }
  if (!options.yes) {
    const answer = await options.ask(
      `Destroy ${existing.join(' and ')}? Type the application's name (${context.app}) to go on: `,
    );
    if (answer.trim() !== context.app) throw new CliError('not destroyed: the answer was not the name');
  }
  for (const stack of existing) await removeStack(context, stack);
}

/** How to remove what stays, where that is not plain. */
function removedWith(type: string, physicalId: string): string {
  return type === 'AWS::S3::Bucket' ? `; "aws s3 rb s3://${physicalId} --force" removes it` : '';
}

interface Resource {
  readonly logicalId: string;
  readonly physicalId: string;
  readonly type: string;
}

async function resourcesOf(context: Context, stack: string): Promise<Resource[]> {
  const resources: Resource[] = [];
  let NextToken: string | undefined;
  do {
    const page = await context.clients.cloudformation.listStackResources({
      StackName: stack,
      ...(NextToken === undefined ? {} : { NextToken }),
    });
    for (const resource of page.StackResourceSummaries ?? []) {
      if (resource.ResourceStatus === 'DELETE_COMPLETE') continue;
      const { LogicalResourceId = '', PhysicalResourceId = '', ResourceType = '' } = resource;
      resources.push({ logicalId: LogicalResourceId, physicalId: PhysicalResourceId, type: ResourceType });
    }
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return resources;
}

function countTypes(resources: readonly Resource[]): [type: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { type } of resources) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Logical ids of the resources that CloudFormation leaves where they are when it deletes the stack. */
async function retainedIn({ clients }: Context, stack: string): Promise<ReadonlySet<string>> {
  const { TemplateBody = '{}' } = await clients.cloudformation.getTemplate({ StackName: stack });
  const { Resources = {} } = JSON.parse(TemplateBody) as {
    Resources?: Record<string, { DeletionPolicy?: string }>;
  };
  return new Set(
    Object.keys(Resources).filter((id) => Resources[id]?.DeletionPolicy?.startsWith('Retain') === true),
  );
}

async function removeStack(context: Context, stack: string): Promise<void> {
  const { cloudformation } = context.clients;
  const retained = await retainedIn(context, stack);
  for (const { type, logicalId, physicalId } of await resourcesOf(context, stack)) {
    if (type === 'AWS::S3::Bucket' && !retained.has(logicalId)) await emptyBucket(context, physicalId);
  }
  const { Stacks } = await cloudformation.describeStacks({ StackName: stack });
  const id = Stacks?.[0]?.StackId ?? stack;
  await cloudformation.deleteStack({ StackName: stack });
  for (;;) {
    if (context.signal.aborted) throw new CliError(`interrupted; the deletion of ${stack} continues`);
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
