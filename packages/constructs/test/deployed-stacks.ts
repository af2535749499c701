import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stack, UpdateStackCommandInput } from '@aws-sdk/client-cloudformation';
import { ECS, type Service, type TaskDefinition } from '@aws-sdk/client-ecs';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetParameterCommand, PutParameterCommand } from '@aws-sdk/client-ssm';
import type { Template } from 'aws-cdk-lib/assertions';
import { zipSync } from 'fflate';
import { CloudFormationWorld, type StackTemplate } from '../../engine/test/cloudformation-world.ts';
import { pushImage } from '../../engine/test/push-image.ts';
import type { ImageStackProps, PipelineStackProps } from '../src/index.ts';
import { ensureControllerBundle, resources, synthesize } from './synthesize.ts';

export const IMAGE_STACK = 'TestImage';
export const PIPELINE_STACK = 'TestPipeline';
const CAPABLE = { Capabilities: ['CAPABILITY_NAMED_IAM'] };
const TRACKS = ['Canary', 'Stable'] as const;
type Options = Partial<UpdateStackCommandInput>;

/** A worker that does nothing until it is told to stop. */
const IDLE_WORKER =
  "import { createServer } from 'node:net'; process.on('SIGTERM', () => process.exit(0)); createServer().listen(0);";

/** Both stacks of the constructs, deployed to an engine as `cdk deploy` does it, but without its processes. */
export class DeployedStacks {
  readonly world: CloudFormationWorld;
  readonly ecs: ECS;

  private constructor(world: CloudFormationWorld) {
    this.world = world;
    this.ecs = new ECS(world.engine.client);
  }

  static async start(options: Parameters<typeof CloudFormationWorld.start>[0] = {}): Promise<DeployedStacks> {
    await ensureControllerBundle();
    return new DeployedStacks(await CloudFormationWorld.start(options));
  }

  /** Deploys both stacks, the image stack first. */
  async deploy(
    props: Omit<PipelineStackProps, 'image'> = {},
    imageProps: ImageStackProps = {},
  ): Promise<Stack> {
    const { image, pipeline, pipelineStack } = synthesize(props, imageProps);
    const Tags = Object.entries(pipelineStack.tags.tagValues()).map(([Key, Value]) => ({ Key, Value }));
    await this.deployStack(IMAGE_STACK, image);
    return this.deployStack(PIPELINE_STACK, pipeline, { Tags });
  }

  /** Creates or updates one stack; parameters keep their values, as the CDK's CLI has it. */
  async deployStack(name: string, template: Template, options: Options = {}): Promise<Stack> {
    const json: StackTemplate = template.toJSON();
    await this.#publish(template);
    const before = await this.world.describe(name).catch(() => undefined);
    if (before === undefined) return this.world.create(name, json, { ...CAPABLE, ...options });
    const given = options.Parameters ?? [];
    const kept = (before.Parameters ?? []).flatMap(({ ParameterKey }) =>
      Object.hasOwn(json.Parameters as object, ParameterKey!) &&
      !given.some((parameter) => parameter.ParameterKey === ParameterKey)
        ? [{ ParameterKey: ParameterKey!, UsePreviousValue: true }]
        : [],
    );
    try {
      return await this.world.update(name, json, { ...CAPABLE, ...options, Parameters: [...kept, ...given] });
    } catch (error) {
      if (!(error as Error).message.includes('No updates are to be performed')) throw error;
      return before;
    }
  }

  /** Output of a stack. */
  async output(stack: string, name: string): Promise<string> {
    const { Outputs = [] } = await this.world.describe(stack);
    const output = Outputs.find(({ OutputKey }) => OutputKey === name)?.OutputValue;
    if (output === undefined) throw new Error(`${stack} has no output ${name}`);
    return output;
  }

  /** Pushes an image of its own for each tag. */
  async image(tag: string): Promise<string> {
    const uri = await this.output(IMAGE_STACK, 'ImageRepositoryUri');
    return pushImage(this.world.engine, uri.slice(uri.indexOf('/') + 1), tag, {
      files: { 'worker.mjs': IDLE_WORKER, 'version.txt': tag },
      command: ['node', 'worker.mjs'],
    });
  }

  async write(Name: string, Value: string): Promise<void> {
    await this.world.ssm.send(new PutParameterCommand({ Name, Value, Overwrite: true }));
  }

  async read(Name: string): Promise<string> {
    const { Parameter } = await this.world.ssm.send(new GetParameterCommand({ Name }));
    return Parameter?.Value ?? '';
  }

  /**
   * Leaves what a promotion leaves: new revisions with the image, as the pipeline registers them, on both
   * services, in the record and in the image parameter.
   */
  async promote(imageUri: string): Promise<void> {
    const [canary, stable] = [
      await this.#revision('Canary', imageUri),
      await this.#revision('Stable', imageUri),
    ];
    const lastGood = {
      executionId: imageUri.slice(-8),
      imageDigest: imageUri.slice(imageUri.indexOf('@') + 1),
      imageUri,
      canaryTaskDefinitionArn: canary,
      stableTaskDefinitionArn: stable,
      recordedAt: '2026-01-01T00:00:00.000Z',
    };
    const record = await this.output(PIPELINE_STACK, 'ReleaseParameterName');
    await this.write(record, JSON.stringify({ version: 1, lastGood }));
    await this.write(await this.output(IMAGE_STACK, 'ImageParameterName'), imageUri);
    await this.#use('Canary', canary);
    await this.#use('Stable', stable);
    await this.#steady();
  }

  /** The images that the two services are told to run, canary first. */
  async images(): Promise<(string | undefined)[]> {
    const images = [];
    for (const track of TRACKS) images.push((await this.#definition(track)).containerDefinitions?.[0]?.image);
    return images;
  }

  /** Both services, canary first. */
  async services() {
    const { services = [] } = await this.ecs.describeServices({
      cluster: await this.#cluster(),
      services: [await this.#name('Canary'), await this.#name('Stable')],
    });
    return services;
  }

  /** The images of the revisions that CloudFormation registered last and told both services to run. */
  async imagesOfTheStack(): Promise<(string | undefined)[]> {
    const told = this.world.engine.journal
      .read()
      .filter(({ type }) => type === 'service.updated')
      .map(({ detail }) => detail.taskDefinition);
    const images = [];
    for (const { ResourceType, PhysicalResourceId } of (
      await this.world.resources(PIPELINE_STACK)
    ).values()) {
      if (ResourceType !== 'AWS::ECS::TaskDefinition') continue;
      const { taskDefinition } = await this.ecs.describeTaskDefinition({
        taskDefinition: PhysicalResourceId,
      });
      if (told.includes(PhysicalResourceId?.split('/')[1])) {
        images.push(taskDefinition?.containerDefinitions?.[0]?.image);
      }
    }
    return images;
  }

  /** Waits until tasks of both services run an image, and nothing else is under way. */
  running(image: string): Promise<void> {
    return this.#until(async (services) => {
      const told = await this.images();
      return told.every((each) => each === image) && services.every(({ runningCount }) => runningCount !== 0);
    });
  }

  #steady(): Promise<void> {
    return this.#until(() => true);
  }

  /** Waits until both services are steady, and what is asked of them holds. */
  async #until(holds: (services: Service[]) => boolean | Promise<boolean>): Promise<void> {
    for (;;) {
      const { journal } = this.world.engine;
      const after = journal.seq;
      const services = await this.services();
      const steady = services.every(
        ({ deployments }) => deployments?.length === 1 && deployments[0]?.rolloutState === 'COMPLETED',
      );
      if (steady && (await holds(services))) return;
      await journal.waitFor(({ source }) => source === 'ecs', after);
    }
  }

  async #definition(track: (typeof TRACKS)[number]): Promise<TaskDefinition> {
    const [canary, stable] = await this.services();
    const { taskDefinition } = await this.ecs.describeTaskDefinition({
      taskDefinition: (track === 'Canary' ? canary : stable)?.taskDefinition,
    });
    return taskDefinition!;
  }

  async #revision(track: (typeof TRACKS)[number], image: string): Promise<string> {
    const { containerDefinitions, compatibilities: _, ...rest } = await this.#definition(track);
    const { taskDefinition } = await this.ecs.registerTaskDefinition({
      ...rest,
      family: rest.family,
      containerDefinitions: containerDefinitions?.map((container) => ({ ...container, image })),
    });
    return taskDefinition!.taskDefinitionArn!;
  }

  async #use(track: (typeof TRACKS)[number], taskDefinition: string): Promise<void> {
    await this.ecs.updateService({
      cluster: await this.#cluster(),
      service: await this.#name(track),
      taskDefinition,
    });
  }

  #cluster(): Promise<string> {
    return this.output(PIPELINE_STACK, 'ClusterName');
  }

  #name(track: (typeof TRACKS)[number]): Promise<string> {
    return this.output(PIPELINE_STACK, `${track}ServiceName`);
  }

  /** Puts the controller's bundle where the template looks for it. */
  async #publish(template: Template): Promise<void> {
    // The functions are of one asset.
    const [fn] = resources(template, 'AWS::Lambda::Function');
    if (fn === undefined) return;
    const { Code } = fn.properties as { Code: { S3Key: string } };
    const { client, accountId, region } = this.world.engine;
    const directory = join(import.meta.dirname, '..', 'assets', 'controller');
    const bundles = readdirSync(directory).map(
      (file) => [file, readFileSync(join(directory, file))] as const,
    );
    await new S3Client({ ...client, forcePathStyle: true }).send(
      new PutObjectCommand({
        Bucket: `cdk-hnb659fds-assets-${accountId}-${region}`,
        Key: Code.S3Key,
        Body: zipSync(Object.fromEntries(bundles)),
      }),
    );
  }
}
