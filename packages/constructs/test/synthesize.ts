import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { CfnFunction } from 'aws-cdk-lib/aws-lambda';
import { bundleController } from '../../../tools/bundle-controller.ts';
import {
  ImageStack,
  type ImageStackProps,
  PipelineStack,
  type PipelineStackProps,
  PublishedImageStack,
} from '../src/index.ts';
import { quickApp } from './quick-app.ts';

// The validator takes seconds; the example app's integration test runs it.
process.env.CDK_VALIDATION = 'false';

/** Stacks synthesize only with the controller's bundle in place; a fresh checkout has none. */
export async function ensureControllerBundle(): Promise<void> {
  const bundle = join(import.meta.dirname, '..', 'assets', 'controller');
  if (!existsSync(join(bundle, 'checkpoint.js'))) await bundleController();
}

/** Both stacks, whose templates are synthesized when they are looked at. */
export class Synthesized {
  readonly imageStack: ImageStack;
  readonly pipelineStack: PipelineStack;
  #image: Template | undefined;
  #pipeline: Template | undefined;

  constructor(imageStack: ImageStack, pipelineStack: PipelineStack) {
    this.imageStack = imageStack;
    this.pipelineStack = pipelineStack;
  }

  get image(): Template {
    this.#image ??= Template.fromStack(this.imageStack);
    return this.#image;
  }

  get pipeline(): Template {
    this.#pipeline ??= Template.fromStack(this.pipelineStack);
    return this.#pipeline;
  }
}

/** Both stacks, without account or region, as the example app makes them. */
export function synthesize(
  props: Omit<PipelineStackProps, 'image'> = {},
  imageProps: ImageStackProps = {},
  prefix = 'Test',
  references = 'strong',
): Synthesized {
  const app = quickApp({ context: { '@aws-cdk/core:defaultCrossStackReferences': references } });
  const imageStack = new ImageStack(app, `${prefix}Image`, imageProps);
  const pipelineStack = new PipelineStack(app, `${prefix}Pipeline`, { image: imageStack.image, ...props });
  return new Synthesized(imageStack, pipelineStack);
}

let plain: Synthesized | undefined;

/** Both stacks without any property, to look at: files of tests share them. */
export async function plainStacks(): Promise<Synthesized> {
  await ensureControllerBundle();
  plain ??= synthesize();
  return plain;
}

/** What a template says about one resource. */
export interface Resource {
  readonly logicalId: string;
  readonly type: string;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly deletionPolicy: string | undefined;
  readonly dependsOn: readonly string[];
}

/** All resources of a template, or those of one type. */
export function resources(template: Template, type?: string): Resource[] {
  const json: {
    Resources: Record<
      string,
      { Type: string; Properties?: Record<string, unknown>; DeletionPolicy?: string; DependsOn?: string[] }
    >;
  } = JSON.parse(JSON.stringify(template.toJSON()));
  return Object.entries(json.Resources)
    .map(([logicalId, { Type, Properties, DeletionPolicy, DependsOn }]) => ({
      logicalId,
      type: Type,
      properties: Properties ?? {},
      deletionPolicy: DeletionPolicy,
      dependsOn: DependsOn ?? [],
    }))
    .filter((resource) => type === undefined || resource.type === type);
}

/** The only resource of a type, or the one whose logical id starts as given. */
export function resource(template: Template, type: string, prefix = ''): Resource {
  const found = resources(template, type).filter(({ logicalId }) => logicalId.startsWith(prefix));
  const [only] = found;
  if (only === undefined || found.length > 1) {
    throw new Error(`${found.length} resources of type ${type} start with "${prefix}"`);
  }
  return only;
}

/** The queue that both services consume: the one with a dead-letter queue. */
export function workerQueue(template: Template): Resource {
  const found = resources(template, 'AWS::SQS::Queue').find(
    ({ properties }) => 'RedrivePolicy' in properties,
  );
  if (found === undefined) throw new Error('no queue has a dead-letter queue');
  return found;
}

export interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

/** Statements of every policy that is attached to the role with this logical id. */
export function statementsOf(template: Template, roleLogicalId: string): Statement[] {
  return resources(template, 'AWS::IAM::Policy').flatMap(({ properties }) => {
    const { Roles, PolicyDocument } = properties as {
      Roles: { Ref?: string }[];
      PolicyDocument: { Statement: Statement[] };
    };
    return Roles.some(({ Ref }) => Ref === roleLogicalId) ? PolicyDocument.Statement : [];
  });
}

/** Every action of some statements, sorted. */
export function actionsOf(statements: readonly Statement[]): string[] {
  return [...new Set(statements.flatMap(({ Action }) => Action))].sort();
}

/** A template with the hashes of assets left out, which change whenever the controller does. */
export function normalised(template: Template): unknown {
  return JSON.parse(JSON.stringify(template.toJSON()).replaceAll(/[0-9a-f]{64}/g, 'ASSET'));
}

/** The release policy as the controller gets it: of all that the stack is, no more is resolved. */
export function policyOf({ pipelineStack }: Pick<Synthesized, 'pipelineStack'>): Record<string, unknown> {
  const controller = pipelineStack.node.findAll().find((each) => each instanceof CfnFunction);
  const { variables } = pipelineStack.resolve(controller?.environment) as {
    variables: { QC_POLICY: string };
  };
  return JSON.parse(variables.QC_POLICY);
}

/** The text that `Fn::Join` makes, with references written as `${name}`. */
export function joined(value: unknown): string {
  if (typeof value === 'string') return value;
  const intrinsic = value as { 'Fn::Join'?: [string, unknown[]]; 'Fn::ImportValue'?: string; Ref?: string };
  const { 'Fn::Join': join, 'Fn::ImportValue': imported, Ref } = intrinsic;
  if (join !== undefined) return join[1].map(joined).join(join[0]);
  if (imported !== undefined) return `\${import ${imported}}`;
  return Ref === undefined ? JSON.stringify(value).replaceAll('"', '') : `\${${Ref}}`;
}

/** The pipeline stack of a system whose images somebody else pushes, and its image stack. */
export function synthesizePublished(
  props: Omit<PipelineStackProps, 'image'> = {},
): Record<'image' | 'pipeline', Template> {
  const app = quickApp({ context: { '@aws-cdk/core:defaultCrossStackReferences': 'strong' } });
  const imageStack = new PublishedImageStack(app, 'TestImage', { repositoryName: 'team/worker' });
  const pipelineStack = new PipelineStack(app, 'TestPipeline', { image: imageStack.image, ...props });
  return { image: Template.fromStack(imageStack), pipeline: Template.fromStack(pipelineStack) };
}
