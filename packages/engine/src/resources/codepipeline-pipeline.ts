import type { ActionCategory } from '@aws-sdk/client-codepipeline';
import {
  defineResource,
  lowerListed,
  lowerTagList,
  type ResourceContext,
  retag,
  unlessMissing,
} from './resource-type.ts';
import {
  flag,
  list,
  lowerFirst,
  map,
  number,
  object,
  oneOf,
  type Properties,
  required,
  tags,
  text,
} from './schema.ts';

const artifactStore = object({
  Type: required(oneOf('S3')),
  Location: required(text),
  EncryptionKey: object({ Id: required(text), Type: required(oneOf('KMS')) }),
});
const artifactNames = list(object({ Name: required(text) }));
const conditions = list(
  object({
    Result: oneOf('ROLLBACK', 'FAIL', 'RETRY', 'SKIP'),
    Rules: list(
      object({
        Name: required(text),
        RuleTypeId: required(
          object({
            Category: required(oneOf('Rule')),
            Owner: oneOf('AWS'),
            Provider: required(text),
            Version: text,
          }),
        ),
        Configuration: map(text),
        Commands: list(text),
        InputArtifacts: artifactNames,
        RoleArn: text,
        Region: text,
      }),
    ),
  }),
);

const properties = {
  Name: text,
  RoleArn: required(text),
  ArtifactStore: artifactStore,
  ArtifactStores: list(object({ Region: required(text), ArtifactStore: required(artifactStore) })),
  DisableInboundStageTransitions: list(object({ Reason: required(text), StageName: required(text) })),
  ExecutionMode: oneOf('QUEUED', 'SUPERSEDED', 'PARALLEL'),
  PipelineType: oneOf('V1', 'V2'),
  RestartExecutionOnUpdate: flag,
  Stages: required(
    list(
      object({
        Name: required(text),
        Actions: required(
          list(
            object({
              Name: required(text),
              ActionTypeId: required(
                object({
                  Category: required(text),
                  Owner: required(oneOf('AWS', 'ThirdParty', 'Custom')),
                  Provider: required(text),
                  Version: required(text),
                }),
              ),
              Configuration: map(text),
              Commands: list(text),
              InputArtifacts: artifactNames,
              OutputArtifacts: list(object({ Name: required(text), Files: list(text) })),
              OutputVariables: list(text),
              Namespace: text,
              Region: text,
              RoleArn: text,
              RunOrder: number,
              TimeoutInMinutes: number,
            }),
          ),
        ),
        BeforeEntry: object({ Conditions: conditions }),
        OnFailure: object({
          Result: oneOf('ROLLBACK', 'FAIL', 'RETRY', 'SKIP'),
          RetryConfiguration: object({ RetryMode: oneOf('ALL_ACTIONS', 'FAILED_ACTIONS') }),
          Conditions: conditions,
        }),
        OnSuccess: object({ Conditions: conditions }),
      }),
    ),
  ),
  Variables: list(object({ Name: required(text), DefaultValue: text, Description: text })),
  Tags: tags,
};
type Pipeline = Properties<typeof properties>;

const nameOf = (context: ResourceContext, pipeline: Pipeline) =>
  pipeline.Name ?? context.name({ longest: 100 });

function declarationOf(name: string, pipeline: Pipeline) {
  const {
    name: _name,
    tags: _tags,
    disableInboundStageTransitions: _transitions,
    restartExecutionOnUpdate: _restart,
    artifactStores,
    stages,
    ...rest
  } = lowerFirst(properties, pipeline);
  return {
    ...rest,
    name,
    artifactStores:
      artifactStores &&
      Object.fromEntries(artifactStores.map((entry) => [entry.region, entry.artifactStore])),
    stages: stages.map(({ beforeEntry, onSuccess, onFailure, ...stage }) => ({
      ...stage,
      actions: stage.actions.map((action) => ({
        ...action,
        actionTypeId: { ...action.actionTypeId, category: action.actionTypeId.category as ActionCategory },
      })),
      beforeEntry: beforeEntry && { conditions: beforeEntry.conditions ?? [] },
      onSuccess: onSuccess && { conditions: onSuccess.conditions ?? [] },
      onFailure,
    })),
  };
}

async function setTransitions(
  context: ResourceContext,
  pipelineName: string,
  pipeline: Pipeline,
  before?: Pipeline,
) {
  const transitionType = 'Inbound';
  for (const { StageName, Reason } of pipeline.DisableInboundStageTransitions ?? []) {
    await context.call('codepipeline', 'DisableStageTransition', {
      pipelineName,
      stageName: StageName,
      transitionType,
      reason: Reason,
    });
  }
  for (const { StageName } of before?.DisableInboundStageTransitions ?? []) {
    if (pipeline.DisableInboundStageTransitions?.some((entry) => entry.StageName === StageName)) continue;
    await context.call('codepipeline', 'EnableStageTransition', {
      pipelineName,
      stageName: StageName,
      transitionType,
    });
  }
}

function attributesOf(context: ResourceContext, name: string, version: number | undefined) {
  return {
    Arn: `arn:aws:codepipeline:${context.region}:${context.accountId}:${name}`,
    Version: String(version ?? 1),
  };
}

export const codepipelinePipeline = defineResource('AWS::CodePipeline::Pipeline', {
  properties,
  attributes: ['Arn', 'Version'],
  createOnly: ['Name'],
  identify: nameOf,
  exists: async (context, name) =>
    (await unlessMissing(() => context.call('codepipeline', 'GetPipeline', { name }))) !== undefined,
  async create(context, pipeline) {
    const name = nameOf(context, pipeline);
    const created = await context.call('codepipeline', 'CreatePipeline', {
      pipeline: declarationOf(name, pipeline),
      tags: lowerTagList(context, pipeline.Tags),
    });
    await setTransitions(context, name, pipeline);
    return { id: name, attributes: attributesOf(context, name, created.pipeline?.version) };
  },
  async update(context, pipeline, existing) {
    const { id, properties: before } = existing;
    const updated = await context.call('codepipeline', 'UpdatePipeline', {
      pipeline: declarationOf(id, pipeline),
    });
    await setTransitions(context, id, pipeline, before);
    if (pipeline.RestartExecutionOnUpdate) {
      await context.call('codepipeline', 'StartPipelineExecution', { name: id });
    }
    const resourceArn = String(existing.attributes.Arn);
    await retag(context, pipeline.Tags, existing, {
      set: (tags) => context.call('codepipeline', 'TagResource', { resourceArn, tags: lowerListed(tags) }),
      remove: (tagKeys) => context.call('codepipeline', 'UntagResource', { resourceArn, tagKeys }),
    });
    return attributesOf(context, id, updated.pipeline?.version);
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('codepipeline', 'DeletePipeline', { name: id }));
  },
});
