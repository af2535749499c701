import type { Compatibility } from '@aws-sdk/client-ecs';
import { defineResource, lowerTagList, unlessMissing } from './resource-type.ts';
import { flag, list, lowerFirst, map, number, object, oneOf, required, tags, text } from './schema.ts';

const nameAndValue = list(object({ Name: text, Value: text }));
const secrets = list(object({ Name: required(text), ValueFrom: required(text) }));

const containerDefinition = object({
  Name: required(text),
  Image: required(text),
  Command: list(text),
  Cpu: number,
  DependsOn: list(
    object({
      ContainerName: required(text),
      Condition: required(oneOf('START', 'COMPLETE', 'SUCCESS', 'HEALTHY')),
    }),
  ),
  DockerLabels: map(text),
  EntryPoint: list(text),
  Environment: nameAndValue,
  EnvironmentFiles: list(object({ Type: required(oneOf('s3')), Value: required(text) })),
  Essential: flag,
  HealthCheck: object({
    Command: required(list(text)),
    Interval: number,
    Retries: number,
    StartPeriod: number,
    Timeout: number,
  }),
  Hostname: text,
  LinuxParameters: object({ InitProcessEnabled: flag }),
  LogConfiguration: object({
    LogDriver: required(
      oneOf('awslogs', 'awsfirelens', 'fluentd', 'gelf', 'journald', 'json-file', 'splunk', 'syslog'),
    ),
    Options: map(text),
    SecretOptions: secrets,
  }),
  Memory: number,
  MemoryReservation: number,
  MountPoints: list(object({ ContainerPath: text, ReadOnly: flag, SourceVolume: text })),
  PortMappings: list(
    object({
      AppProtocol: oneOf('http', 'http2', 'grpc'),
      ContainerPort: number,
      ContainerPortRange: text,
      HostPort: number,
      Name: text,
      Protocol: oneOf('tcp', 'udp'),
    }),
  ),
  Privileged: flag,
  PseudoTerminal: flag,
  ReadonlyRootFilesystem: flag,
  RestartPolicy: object({
    Enabled: required(flag),
    IgnoredExitCodes: list(number),
    RestartAttemptPeriod: number,
  }),
  Secrets: secrets,
  StartTimeout: number,
  StopTimeout: number,
  Ulimits: list(
    object({
      Name: required(oneOf('nofile', 'nproc', 'core', 'memlock', 'stack')),
      HardLimit: required(number),
      SoftLimit: required(number),
    }),
  ),
  User: text,
  VersionConsistency: oneOf('enabled', 'disabled'),
  WorkingDirectory: text,
});

const properties = {
  ContainerDefinitions: required(list(containerDefinition)),
  Cpu: text,
  EphemeralStorage: object({ SizeInGiB: required(number) }),
  ExecutionRoleArn: text,
  Family: text,
  Memory: text,
  NetworkMode: oneOf('awsvpc', 'bridge', 'host', 'none'),
  RequiresCompatibilities: list(text),
  RuntimePlatform: object({
    CpuArchitecture: oneOf('ARM64', 'X86_64'),
    OperatingSystemFamily: oneOf('LINUX'),
  }),
  TaskRoleArn: text,
  Volumes: list(object({ Name: text, Host: object({ SourcePath: text }) })),
  Tags: tags,
};

/** Each change registers a new revision and deregisters the old one after the update, as CloudFormation does. */
export const ecsTaskDefinition = defineResource('AWS::ECS::TaskDefinition', {
  properties,
  attributes: ['TaskDefinitionArn'],
  async create(context, definition) {
    const { family, tags: _tags, ...rest } = lowerFirst(properties, definition);
    const { taskDefinition } = await context.call('ecs', 'RegisterTaskDefinition', {
      ...rest,
      requiresCompatibilities: definition.RequiresCompatibilities as Compatibility[] | undefined,
      family: family ?? context.name({ longest: 255 }),
      tags: lowerTagList(context, definition.Tags),
    });
    const arn = taskDefinition!.taskDefinitionArn!;
    return { id: arn, attributes: { TaskDefinitionArn: arn } };
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('ecs', 'DeregisterTaskDefinition', { taskDefinition: id }));
  },
});
