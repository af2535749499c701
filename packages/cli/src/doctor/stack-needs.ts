import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../user-error.ts';

/** What the tasks of the stacks run on, by how it is paid for. */
export type Capacity = 'FARGATE' | 'FARGATE_SPOT';

/** vCPU of all tasks together during a deployment of every service: with as few tasks as there may be, and with as many. */
export interface VcpuNeed {
  readonly least: number;
  readonly most: number;
}

/** A resource whose name is fixed before it exists, so that another one of that name stands in its way. */
export interface FixedName {
  readonly stack: string;
  readonly type: string;
  readonly name: string;
}

/** What a first deployment of synthesized stacks needs of an account. */
export interface StackNeeds {
  /** Absent where the stacks use no bootstrap stack. */
  readonly bootstrap?: { readonly parameter: string; readonly version: number };
  readonly vcpu: Readonly<Record<Capacity, VcpuNeed>>;
  readonly vpcs: number;
  readonly elasticIps: number;
  /** Availability zones that the stacks name; none where CloudFormation chooses. */
  readonly zones: readonly string[];
  /** Environments of builds, by type and size. */
  readonly builds: ReadonlyArray<{ readonly type: string; readonly computeType: string }>;
  readonly reservedConcurrency: number;
  /** Repositories of CodeCommit that the stacks make. */
  readonly repositories: number;
  /** Whether the pipeline takes its source from CodeCommit. */
  readonly codeCommit: boolean;
  /** Images that `cdk deploy` would build on this machine. */
  readonly imageAssets: number;
  readonly names: readonly FixedName[];
}

interface Artifact {
  readonly type: string;
  readonly properties?: {
    readonly templateFile?: string;
    readonly file?: string;
    readonly requiresBootstrapStackVersion?: number;
    readonly bootstrapStackVersionSsmParameter?: string;
  };
  readonly dependencies?: readonly string[];
}

interface Resource {
  readonly id: string;
  readonly stack: string;
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

/** Reads the templates of the named stacks in a directory that `cdk synth` wrote. */
export function stackNeeds(assembly: string, stacks: readonly string[]): StackNeeds {
  const { artifacts } = readJson<{ artifacts: Record<string, Artifact> }>(assembly, 'manifest.json');
  const own = stacks.map((name) => {
    const stack = artifacts[name];
    if (stack === undefined) {
      throw new CliError(`the CDK app has no stack ${name}: name its application with --app-name`);
    }
    return stack;
  });
  const assets = own
    .flatMap(({ dependencies = [] }) => dependencies.map((id) => artifacts[id]!))
    .filter(({ type }) => type === 'cdk:asset-manifest');
  const resources = stacks.flatMap((stack) =>
    resourcesOf(stack, readJson(assembly, artifacts[stack]!.properties?.templateFile ?? '')),
  );
  const count = (type: string) => resources.filter(({ Type }) => Type === type).length;
  const bootstrap = bootstrapOf([...own, ...assets]);
  return {
    ...(bootstrap === undefined ? {} : { bootstrap }),
    vcpu: { FARGATE: vcpuOf(resources, 'FARGATE'), FARGATE_SPOT: vcpuOf(resources, 'FARGATE_SPOT') },
    vpcs: count('AWS::EC2::VPC'),
    elasticIps: count('AWS::EC2::EIP'),
    zones: [...new Set(resources.flatMap(namedZone))],
    builds: resources.filter(({ Type }) => Type === 'AWS::CodeBuild::Project').map(buildOf),
    reservedConcurrency: resources
      .filter(({ Type }) => Type === 'AWS::Lambda::Function')
      .reduce((sum, { Properties }) => sum + largest(Properties.ReservedConcurrentExecutions), 0),
    repositories: count('AWS::CodeCommit::Repository'),
    codeCommit: resources.some(takesCommits),
    imageAssets: assets.reduce((sum, { properties }) => sum + imagesIn(assembly, properties?.file), 0),
    names: resources.flatMap(fixedName),
  };
}

function readJson<T>(directory: string, file: string): T {
  return JSON.parse(readFileSync(join(directory, file), 'utf8')) as T;
}

function resourcesOf(
  stack: string,
  { Resources }: { readonly Resources: Record<string, Omit<Resource, 'id' | 'stack'>> },
): Resource[] {
  return Object.entries(Resources).map(([id, { Type, Properties = {} }]) => ({
    id,
    stack,
    Type,
    Properties,
  }));
}

function bootstrapOf(artifacts: readonly Artifact[]): StackNeeds['bootstrap'] {
  const needs = artifacts.flatMap(({ properties = {} }) => {
    const { bootstrapStackVersionSsmParameter: parameter, requiresBootstrapStackVersion: version } =
      properties;
    return parameter === undefined || version === undefined ? [] : [{ parameter, version }];
  });
  return needs.toSorted((a, b) => b.version - a.version)[0];
}

function imagesIn(assembly: string, file: string | undefined): number {
  if (file === undefined) return 0;
  const { dockerImages = {} } = readJson<{ dockerImages?: object }>(assembly, file);
  return Object.keys(dockerImages).length;
}

function buildOf({ Properties }: Resource) {
  const { Type: type, ComputeType: computeType } = Properties.Environment as {
    readonly Type: string;
    readonly ComputeType: string;
  };
  return { type, computeType };
}

function takesCommits({ Type, Properties }: Resource): boolean {
  if (Type !== 'AWS::CodePipeline::Pipeline') return false;
  const stages = Properties.Stages as readonly {
    readonly Actions: readonly { readonly ActionTypeId: { readonly Provider: string } }[];
  }[];
  return stages.some(({ Actions }) =>
    Actions.some(({ ActionTypeId }) => ActionTypeId.Provider === 'CodeCommit'),
  );
}

function namedZone({ Type, Properties: { AvailabilityZone: zone } }: Resource): string[] {
  return Type === 'AWS::EC2::Subnet' && typeof zone === 'string' ? [zone] : [];
}

/** The number that a property is at most; it may depend on a condition of the template. */
function largest(value: unknown): number {
  if (typeof value === 'object' && value !== null && 'Fn::If' in value) {
    const [, yes, no] = value['Fn::If'] as readonly [string, unknown, unknown];
    return Math.max(largest(yes), largest(no));
  }
  return typeof value === 'number' || typeof value === 'string' ? Number(value) : 0;
}

function vcpuOf(resources: readonly Resource[], capacity: Capacity): VcpuNeed {
  const services = resources.filter(({ Type }) => Type === 'AWS::ECS::Service');
  const targets = resources.filter(({ Type }) => Type === 'AWS::ApplicationAutoScaling::ScalableTarget');
  let least = 0;
  let most = 0;
  for (const { id, Properties } of services) {
    const task = resources.find((resource) => resource.id === (Properties.TaskDefinition as Ref).Ref);
    const target = targets.find(({ Properties: { ResourceId } }) =>
      JSON.stringify(ResourceId).includes(`"${id}"`),
    );
    const strategy = Properties.CapacityProviderStrategy as readonly Strategy[];
    const { MaximumPercent = 200 } = (Properties.DeploymentConfiguration ?? {}) as {
      MaximumPercent?: number;
    };
    const vcpu = (tasks: number) =>
      ((tasksOn(capacity, strategy, tasks) * largest(task?.Properties.Cpu)) / 1024) * (MaximumPercent / 100);
    least += vcpu(largest(target?.Properties.MinCapacity ?? Properties.DesiredCount));
    most += vcpu(largest(target?.Properties.MaxCapacity ?? Properties.DesiredCount));
  }
  return { least, most };
}

interface Ref {
  readonly Ref: string;
}

interface Strategy {
  readonly CapacityProvider: string;
  readonly Base?: number;
  readonly Weight?: number;
}

/** How many of a service's tasks run on a capacity provider: its base, then its part of the rest by weight. */
function tasksOn(capacity: Capacity, strategy: readonly Strategy[], tasks: number): number {
  const base = strategy.reduce((sum, { Base = 0 }) => sum + Base, 0);
  const weights = strategy.reduce((sum, { Weight = 0 }) => sum + Weight, 0);
  const own = strategy.find(({ CapacityProvider }) => CapacityProvider === capacity);
  if (own === undefined) return 0;
  const rest = weights === 0 ? 0 : Math.ceil((Math.max(0, tasks - base) * (own.Weight ?? 0)) / weights);
  return Math.min(tasks, own.Base ?? 0) + rest;
}

const NAMED: Readonly<Record<string, string>> = {
  'AWS::SQS::Queue': 'QueueName',
  'AWS::CodeCommit::Repository': 'RepositoryName',
};

function fixedName({ stack, Type, Properties }: Resource): FixedName[] {
  const name = textOf(Properties[NAMED[Type] ?? ''], stack);
  return name === undefined ? [] : [{ stack, type: Type, name }];
}

/** A text of a template that depends on nothing but the stack's name. */
function textOf(value: unknown, stack: string): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  if ('Ref' in value) return value.Ref === 'AWS::StackName' ? stack : undefined;
  if (!('Fn::Join' in value)) return undefined;
  const [separator, parts] = value['Fn::Join'] as readonly [string, readonly unknown[]];
  const texts = parts.map((part) => textOf(part, stack));
  return texts.every((text) => text !== undefined) ? texts.join(separator) : undefined;
}
