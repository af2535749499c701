import type { Task } from '@aws-sdk/client-ecs';
import type { AwsEvent } from '../../journal/journal.ts';
import type { StoredTask } from './model.ts';
import { dateOf } from './task-definitions.ts';

/** A task as `DescribeTasks` shows it. The engine gives tasks no network interface of their own. */
export function shownTask(task: StoredTask, region: string, include: readonly string[] = []): Task {
  const { container } = task;
  return {
    taskArn: task.arn,
    clusterArn: task.clusterArn,
    taskDefinitionArn: task.taskDefinitionArn,
    group: task.group,
    startedBy: task.startedBy,
    launchType: task.launchType ?? 'FARGATE',
    capacityProviderName: task.capacityProviderName,
    platformVersion: task.platformVersion,
    platformFamily: 'Linux',
    availabilityZone: `${region}a`,
    lastStatus: task.lastStatus,
    desiredStatus: task.desiredStatus,
    healthStatus: container.health ?? 'UNKNOWN',
    version: task.version,
    cpu: task.cpu,
    memory: task.memory,
    connectivity: task.startedAtMs === undefined ? undefined : 'CONNECTED',
    connectivityAt: dateOf(task.pullStartedAtMs),
    createdAt: dateOf(task.createdAtMs),
    pullStartedAt: dateOf(task.pullStartedAtMs),
    pullStoppedAt: dateOf(task.pullStoppedAtMs),
    startedAt: dateOf(task.startedAtMs),
    stoppingAt: dateOf(task.stoppingAtMs),
    executionStoppedAt: dateOf(task.executionStoppedAtMs),
    stoppedAt: dateOf(task.stoppedAtMs),
    stopCode: task.stopCode,
    stoppedReason: task.stoppedReason,
    enableExecuteCommand: task.enableExecuteCommand ?? false,
    attachments: [],
    attributes: [],
    inferenceAccelerators: [],
    overrides: {
      inferenceAcceleratorOverrides: [],
      ...task.overrides,
      containerOverrides: task.overrides.containerOverrides ?? [{ name: container.name }],
    },
    containers: [
      {
        containerArn: container.arn,
        taskArn: task.arn,
        name: container.name,
        image: container.image,
        imageDigest: container.imageDigest,
        runtimeId: container.runtimeId,
        lastStatus: containerStatus(task),
        exitCode: container.exitCode,
        reason: container.reason,
        healthStatus: container.health ?? 'UNKNOWN',
        networkBindings: [],
        networkInterfaces: [],
        cpu: '0',
      },
    ],
    tags: include.includes('TAGS') ? [...task.tags] : [],
  };
}

function containerStatus(task: StoredTask): string {
  switch (task.lastStatus) {
    case 'PROVISIONING':
      return 'PENDING';
    case 'DEACTIVATING':
    case 'STOPPING':
      return 'RUNNING';
    case 'DEPROVISIONING':
      return 'STOPPED';
    default:
      return task.lastStatus;
  }
}

/** The event that ECS sends for every change of a task: the task as described, plus version and update time. */
export function taskStateChange(task: StoredTask, region: string): AwsEvent {
  const {
    healthStatus: _health,
    tags: _tags,
    platformFamily: _family,
    ...described
  } = shownTask(task, region);
  return {
    source: 'aws.ecs',
    'detail-type': 'ECS Task State Change',
    resources: [task.arn],
    detail: { ...plain(described), updatedAt: new Date(task.updatedAtMs).toISOString() },
  };
}

/** As it travels in an event: instants as text, absent members absent. */
function plain(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
}
