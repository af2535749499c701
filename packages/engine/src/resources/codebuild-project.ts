import type { ComputeType, EnvironmentType, SourceType } from '@aws-sdk/client-codebuild';
import { defineResource, lowerTagList, type ResourceContext, unlessMissing } from './resource-type.ts';
import {
  flag,
  list,
  lowerFirst,
  number,
  object,
  oneOf,
  type Properties,
  required,
  tags,
  text,
} from './schema.ts';

const properties = {
  Name: text,
  Description: text,
  ServiceRole: required(text),
  Artifacts: required(
    object({
      Type: required(oneOf('CODEPIPELINE', 'S3', 'NO_ARTIFACTS')),
      Location: text,
      Name: text,
      NamespaceType: oneOf('NONE', 'BUILD_ID'),
      Packaging: oneOf('NONE', 'ZIP'),
      Path: text,
      EncryptionDisabled: flag,
      OverrideArtifactName: flag,
    }),
  ),
  BadgeEnabled: flag,
  Cache: object({
    Type: required(oneOf('NO_CACHE', 'S3', 'LOCAL')),
    Location: text,
    Modes: list(oneOf('LOCAL_DOCKER_LAYER_CACHE', 'LOCAL_SOURCE_CACHE', 'LOCAL_CUSTOM_CACHE')),
  }),
  ConcurrentBuildLimit: number,
  EncryptionKey: text,
  Environment: required(
    object({
      Type: required(text),
      ComputeType: required(text),
      Image: required(text),
      ImagePullCredentialsType: oneOf('CODEBUILD', 'SERVICE_ROLE'),
      PrivilegedMode: flag,
      EnvironmentVariables: list(
        object({
          Name: required(text),
          Value: required(text),
          Type: oneOf('PLAINTEXT', 'PARAMETER_STORE', 'SECRETS_MANAGER'),
        }),
      ),
    }),
  ),
  LogsConfig: object({
    CloudWatchLogs: object({
      Status: required(oneOf('ENABLED', 'DISABLED')),
      GroupName: text,
      StreamName: text,
    }),
    S3Logs: object({
      Status: required(oneOf('ENABLED', 'DISABLED')),
      Location: text,
      EncryptionDisabled: flag,
    }),
  }),
  QueuedTimeoutInMinutes: number,
  Source: required(
    object({
      Type: required(text),
      Location: text,
      BuildSpec: text,
      GitCloneDepth: number,
      InsecureSsl: flag,
      ReportBuildStatus: flag,
    }),
  ),
  SourceVersion: text,
  TimeoutInMinutes: number,
  Tags: tags,
};
type Project = Properties<typeof properties>;

const nameOf = (context: ResourceContext, project: Project) =>
  project.Name ?? context.name({ longest: 255, prefix: '' });

function requestOf(context: ResourceContext, name: string, project: Project) {
  const { source, environment, tags: _tags, name: _name, ...rest } = lowerFirst(properties, project);
  const { buildSpec, type, ...sourceRest } = source;
  return {
    ...rest,
    name,
    source: { ...sourceRest, type: type as SourceType, buildspec: buildSpec },
    environment: {
      ...environment,
      type: environment.type as EnvironmentType,
      computeType: environment.computeType as ComputeType,
    },
    tags: lowerTagList(context, project.Tags),
  };
}

export const codebuildProject = defineResource('AWS::CodeBuild::Project', {
  properties,
  attributes: ['Arn'],
  createOnly: ['Name'],
  identify: nameOf,
  async exists(context, name) {
    const { projects } = await context.call('codebuild', 'BatchGetProjects', { names: [name] });
    return (projects ?? []).length > 0;
  },
  async create(context, project) {
    const name = nameOf(context, project);
    const created = await context.call('codebuild', 'CreateProject', requestOf(context, name, project));
    return { id: name, attributes: { Arn: created.project!.arn! } };
  },
  async update(context, project, { id }) {
    await context.call('codebuild', 'UpdateProject', requestOf(context, id, project));
    return undefined;
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('codebuild', 'DeleteProject', { name: id }));
  },
});
