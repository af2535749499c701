import type { Input, Output } from '../../../sdk/services.ts';
import { readArtifactFile } from '../artifacts.ts';
import { type ImageDefinition, parseImageDefinitions } from '../image-definitions.ts';
import {
  type ActionContext,
  ActionFailure,
  type ActionOutcome,
  type Executor,
  interrupted,
} from './action.ts';
import { JournalWatch } from './journal-watch.ts';

const MINUTE_MS = 60_000;
const DEFAULT_FILE = 'imagedefinitions.json';

interface DeployProgress {
  readonly taskDefinitionArn?: string;
  readonly deploymentId?: string;
  /** Newest journal entry before the deployment began. */
  readonly journalSeq?: number;
}

/**
 * Deploys to an ECS service: a new revision of the task definition that the service uses at that moment, with
 * images replaced by container name, and then the wait for its steady state, for DeploymentTimeout at most.
 *
 * Stopping or abandoning the action leaves the deployment going on, as on AWS.
 */
export const ecsDeploy: Executor = async (context) => {
  const watch = new JournalWatch(
    context,
    ({ source, type, detail }) =>
      source === 'ecs' && type === 'aws.event' && detail['detail-type'] !== 'ECS Task State Change',
  );
  const minutes = Number(context.configuration.DeploymentTimeout ?? '60');
  let timedOut = false;
  const deadlineMs = context.record().startedAtMs + minutes * MINUTE_MS;
  const elapsed = Promise.withResolvers<void>();
  const timer = context.engine.clock.setTimer(deadlineMs - context.engine.clock.nowMs(), () => {
    timedOut = true;
    elapsed.resolve();
  });
  try {
    if (progressOf(context).deploymentId === undefined) await beginDeployment(context);
    for (;;) {
      const next = watch.next();
      const outcome = await lookAtDeployment(context);
      if (outcome) return outcome;
      if (timedOut) {
        return {
          status: 'Failed',
          code: 'JobFailed',
          message: `The deployment of service ${context.configuration.ServiceName} did not reach a steady state within ${minutes} minutes. ECS goes on deploying.`,
        };
      }
      await Promise.race([next, elapsed.promise]);
      if (context.signal.aborted) return interrupted;
    }
  } finally {
    timer.cancel();
    watch.end();
  }
};

function progressOf({ record }: ActionContext): DeployProgress {
  return record().progress as DeployProgress;
}

async function beginDeployment(context: ActionContext): Promise<void> {
  const { engine, principal, configuration, note } = context;
  const images = await imageDefinitions(context);
  const service = await describeService(context);
  const taskDefinitionArn =
    progressOf(context).taskDefinitionArn ??
    (await registerRevision(context, service.taskDefinition ?? '', images));
  const journalSeq = engine.journal.seq;
  note({ progress: { taskDefinitionArn }, externalExecutionId: taskDefinitionArn });
  const updated = await engine.call(principal, 'ecs', 'UpdateService', {
    cluster: configuration.ClusterName,
    service: configuration.ServiceName,
    taskDefinition: taskDefinitionArn,
  });
  const deployment = updated.service?.deployments?.find(
    ({ status, taskDefinition }) => status === 'PRIMARY' && taskDefinition === taskDefinitionArn,
  );
  if (!deployment?.id) {
    throw new ActionFailure('JobFailed', `ECS began no deployment of ${taskDefinitionArn}.`);
  }
  note({
    progress: { taskDefinitionArn, deploymentId: deployment.id, journalSeq },
    externalExecutionId: deployment.id,
    externalExecutionUrl: `https://${engine.region}.console.aws.amazon.com/ecs/v2/clusters/${configuration.ClusterName}/services/${configuration.ServiceName}/deployments`,
    summary: `Deploying ${taskDefinitionArn.split('/').at(-1)}`,
  });
}

async function imageDefinitions(context: ActionContext): Promise<readonly ImageDefinition[]> {
  const { engine, principal, configuration, inputs } = context;
  const fileName = configuration.FileName ?? DEFAULT_FILE;
  const [artifactName, artifact] = Object.entries(inputs)[0]!;
  const text = await readArtifactFile(engine, principal, artifact, fileName);
  if (text === undefined) {
    throw new ActionFailure(
      'ConfigurationError',
      `Did not find the image definition file ${fileName} in the input artifacts ZIP file. Verify the file is stored in your pipeline's Amazon S3 artifact bucket: ${artifact.bucket} key: ${artifact.key}`,
    );
  }
  const images = parseImageDefinitions(text);
  if ('error' in images) {
    throw new ActionFailure(
      'ConfigurationError',
      `The image definition file ${fileName} of artifact ${artifactName} ${images.error}`,
    );
  }
  return images;
}

type Service = NonNullable<Output<'ecs', 'DescribeServices'>['services']>[number];

async function describeService({ engine, principal, configuration }: ActionContext): Promise<Service> {
  const { services } = await engine.call(principal, 'ecs', 'DescribeServices', {
    cluster: configuration.ClusterName,
    services: [configuration.ServiceName ?? ''],
  });
  const service = services?.[0];
  if (service?.status !== 'ACTIVE') {
    throw new ActionFailure(
      'ConfigurationError',
      `The Amazon ECS service ${configuration.ServiceName} was not found or is not active in cluster ${configuration.ClusterName}.`,
    );
  }
  return service;
}

async function registerRevision(
  { engine, principal }: ActionContext,
  currentArn: string,
  images: readonly ImageDefinition[],
): Promise<string> {
  const { taskDefinition: current, tags } = await engine.call(principal, 'ecs', 'DescribeTaskDefinition', {
    taskDefinition: currentArn,
    include: ['TAGS'],
  });
  const containers = current?.containerDefinitions ?? [];
  for (const { name } of images) {
    if (!containers.some((container) => container.name === name)) {
      throw new ActionFailure(
        'ConfigurationError',
        `The image definition file names the container ${name}, but the task definition ${currentArn} has no such container: it has ${containers.map((container) => container.name).join(', ')}.`,
      );
    }
  }
  const {
    taskDefinitionArn: _arn,
    revision: _revision,
    status: _status,
    requiresAttributes: _requiresAttributes,
    compatibilities: _compatibilities,
    registeredAt: _registeredAt,
    registeredBy: _registeredBy,
    deregisteredAt: _deregisteredAt,
    deleteRequestedAt: _deleteRequestedAt,
    ...kept
  } = current ?? {};
  const input: Input<'ecs', 'RegisterTaskDefinition'> = {
    ...kept,
    family: current?.family,
    containerDefinitions: containers.map((container) => {
      const image = images.find(({ name }) => name === container.name);
      return image ? { ...container, image: image.imageUri } : container;
    }),
    ...(tags && tags.length > 0 ? { tags } : {}),
  };
  const { taskDefinition } = await engine.call(principal, 'ecs', 'RegisterTaskDefinition', input);
  return taskDefinition?.taskDefinitionArn ?? '';
}

/**
 * The action's success once its deployment has completed. It hears of nothing else: one that the circuit breaker has
 * failed, or that was replaced, it goes on waiting for (https://github.com/aws/containers-roadmap/issues/1399).
 */
async function lookAtDeployment(context: ActionContext): Promise<ActionOutcome | undefined> {
  const { taskDefinitionArn, deploymentId } = progressOf(context);
  const service = await describeService(context);
  const deployment = service.deployments?.find(({ id }) => id === deploymentId);
  // ECS forgets a deployment that another has replaced; an event says whether it had completed by then.
  const completed = deployment ? deployment.rolloutState === 'COMPLETED' : hasCompleted(context);
  if (!completed) return undefined;
  return {
    status: 'Succeeded',
    summary: `Service ${context.configuration.ServiceName} runs ${taskDefinitionArn?.split('/').at(-1)}`,
  };
}

/** Whether an `ECS Deployment State Change` has said that this action's deployment completed. */
function hasCompleted(context: ActionContext): boolean {
  const { deploymentId, journalSeq = 0 } = progressOf(context);
  const { journal } = context.engine;
  for (let seq = journalSeq; seq < journal.seq; ) {
    const entries = journal.read(seq);
    for (const { source, type, detail } of entries) {
      if (source !== 'ecs' || type !== 'aws.event') continue;
      const event = detail.detail as Record<string, unknown>;
      if (event.deploymentId === deploymentId && event.eventName === 'SERVICE_DEPLOYMENT_COMPLETED')
        return true;
    }
    seq = entries.at(-1)?.seq ?? journal.seq;
  }
  return false;
}
