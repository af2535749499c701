import type { PipelineDeclaration } from '@aws-sdk/client-codepipeline';
import type { Call, Engine, Principal, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Identity } from '../../iam/identity.ts';
import { manualApproval } from './actions/approval-manual.ts';
import { codeBuild } from './actions/build-codebuild.ts';
import { ecsDeploy } from './actions/deploy-ecs.ts';
import { lambdaInvoke } from './actions/invoke-lambda.ts';
import { type CommitArchives, codeCommitSource } from './actions/source-codecommit.ts';
import { checkDeclaration } from './declaration.ts';
import { PipelineRunner } from './runner.ts';
import { PipelineStore, type StoredJob, type StoredPipeline, type TriggerType } from './store.ts';
import { actionDetail, executionDetails, executionSummary, page, stageStates } from './views.ts';

const LARGEST_OUTPUT_VARIABLES_BYTES = 122_880;

interface CodePipelineParts {
  readonly identity: Identity;
  readonly archives: CommitArchives;
}

/**
 * CodePipeline V2: pipelines that really run, in all three execution modes, with the action types that
 * `declaration.ts` lists. Webhooks, triggers, custom actions, cross-region stores and stage conditions with rules
 * are refused by name.
 */
export function createCodePipeline(engine: Engine, parts: CodePipelineParts): Service<'codepipeline'> {
  const store = new PipelineStore(engine.state);
  const build = codeBuild;
  const runner = new PipelineRunner(engine, {
    store,
    principalOf: (accessKeyId, sessionToken) => parts.identity.principalOf(accessKeyId, sessionToken),
    executors: {
      'Source/AWS/CodeCommit/1': codeCommitSource(parts.archives),
      'Build/AWS/CodeBuild/1': build,
      'Test/AWS/CodeBuild/1': build,
      'Deploy/AWS/ECS/1': ecsDeploy,
      'Approval/AWS/Manual/1': manualApproval,
      'Invoke/AWS/Lambda/1': lambdaInvoke,
    },
  });

  const arn = (name: string | undefined, ...below: Array<string | undefined>) =>
    [`arn:aws:codepipeline:${engine.region}:${engine.accountId}:${name ?? '*'}`, ...below].join('/');
  const byName = (input: { name?: string | undefined }) => [arn(input.name)];
  const byPipeline = (input: { pipelineName?: string | undefined }) => [arn(input.pipelineName)];
  const byStage = (input: { pipelineName?: string | undefined; stageName?: string | undefined }) => [
    arn(input.pipelineName, input.stageName),
  ];
  const byArn = (input: { resourceArn?: string | undefined }) => [input.resourceArn ?? '*'];
  const passesRole = (input: { pipeline?: PipelineDeclaration | undefined }) =>
    input.pipeline?.roleArn === undefined
      ? []
      : [{ roleArn: input.pipeline.roleArn, service: 'codepipeline.amazonaws.com' }];

  const find = (name: string | undefined): StoredPipeline => {
    const pipeline = store.pipelines.get(name ?? '');
    if (!pipeline) {
      throw new AwsFault(
        'PipelineNotFoundException',
        `Account '${engine.accountId}' does not have a pipeline with name '${name}'`,
      );
    }
    return pipeline;
  };
  const findByArn = (resourceArn: string | undefined): StoredPipeline => {
    const pipeline = [...store.pipelines.values()].find(({ name }) => arn(name) === resourceArn);
    if (!pipeline) throw new AwsFault('ResourceNotFoundException', `${resourceArn} was not found`);
    return pipeline;
  };
  const requireStage = (pipeline: StoredPipeline, stageName: string | undefined) => {
    const stage = pipeline.declaration.stages?.find(({ name }) => name === stageName);
    if (!stage) {
      throw new AwsFault(
        'StageNotFoundException',
        `The pipeline ${pipeline.name} has no stage ${stageName}: it has ${(pipeline.declaration.stages ?? []).map(({ name }) => name).join(', ')}`,
      );
    }
    return stage;
  };
  const shown = (pipeline: StoredPipeline): PipelineDeclaration => ({
    ...pipeline.declaration,
    version: pipeline.version,
  });
  const modeOf = (pipeline: StoredPipeline) => pipeline.declaration.executionMode ?? 'SUPERSEDED';
  const tagsOf = (
    tags: ReadonlyArray<{ key?: string | undefined; value?: string | undefined }> | undefined,
  ) => Object.fromEntries((tags ?? []).map(({ key, value }) => [key ?? '', value ?? '']));

  const variablesOf = (
    pipeline: StoredPipeline,
    given: ReadonlyArray<{ name?: string | undefined; value?: string | undefined }>,
  ): Record<string, string> => {
    const declared = pipeline.declaration.variables ?? [];
    for (const { name } of given) {
      if (!declared.some((variable) => variable.name === name)) {
        throw new AwsFault('ValidationException', `The pipeline declares no variable ${name}.`);
      }
    }
    const values: Record<string, string> = {};
    for (const { name, defaultValue } of declared) {
      const value = given.find((variable) => variable.name === name)?.value ?? defaultValue;
      if (value === undefined) {
        throw new AwsFault('ValidationException', `The variable ${name} has no default: give it a value.`);
      }
      values[name ?? ''] = value;
    }
    return values;
  };

  /** EventBridge starts pipelines with a role that it assumes; AWS then names the event as the trigger. */
  const triggerOf = (principal: Principal): { type: TriggerType; detail: string } => {
    const service = principal.kind === 'service' ? principal.arn : principal.assumedBy;
    const byEvent = service === 'events.amazonaws.com';
    return { type: byEvent ? 'CloudWatchEvent' : 'StartPipelineExecution', detail: principal.arn };
  };

  const setTransition = (
    input: {
      pipelineName?: string | undefined;
      stageName?: string | undefined;
      transitionType?: string | undefined;
    },
    closed: { reason: string; by: string; atMs: number } | undefined,
  ) => {
    const pipeline = find(input.pipelineName);
    const stage = requireStage(pipeline, input.stageName).name ?? '';
    const key = input.transitionType === 'Outbound' ? 'closedOutbound' : 'closedInbound';
    const { [stage]: _before, ...others } = pipeline[key];
    store.pipelines.put(pipeline.name, {
      ...pipeline,
      [key]: closed ? { ...others, [stage]: closed } : others,
    });
    engine.journal.append('codepipeline', closed ? 'transition.disabled' : 'transition.enabled', {
      pipeline: pipeline.name,
      stage,
      transition: input.transitionType,
      ...(closed ? { reason: closed.reason, by: closed.by } : {}),
    });
    runner.transitionsChanged(pipeline.name);
  };

  const findJob = (jobId: string | undefined): StoredJob => {
    const job = store.jobs.get(jobId ?? '');
    if (!job) throw new AwsFault('JobNotFoundException', `The job ${jobId} was not found.`);
    return job;
  };
  const finishJob = (job: StoredJob, result: NonNullable<StoredJob['result']>, { principal }: Call) => {
    const action = store.actions.get(job.actionId);
    if (job.state !== 'InProgress' || action?.status !== 'InProgress') {
      throw new AwsFault(
        'InvalidJobStateException',
        `The job ${job.id} is not in progress: ${job.state === 'InProgress' ? `its action is ${action?.status ?? 'gone'}` : `it has ${job.state.toLowerCase()}`}.`,
      );
    }
    store.jobs.put(job.id, { ...job, state: result.kind === 'success' ? 'Succeeded' : 'Failed', result });
    runner.update(job.actionId, { lastUpdatedBy: principal.arn });
  };

  return {
    name: 'codepipeline',
    operations: {
      CreatePipeline: {
        resources: (input) => [arn(input.pipeline?.name)],
        passesRoles: passesRole,
        run: (input, { principal, atMs }) => {
          const declaration = input.pipeline!;
          checkDeclaration(declaration, engine.region);
          const name = declaration.name ?? '';
          if (store.pipelines.has(name)) {
            throw new AwsFault(
              'PipelineNameInUseException',
              `A pipeline with the name '${name}' already exists in account '${engine.accountId}'`,
            );
          }
          const pipeline = store.pipelines.put(name, {
            name,
            declaration,
            version: 1,
            createdAtMs: atMs,
            updatedAtMs: atMs,
            tags: tagsOf(input.tags),
            started: 0,
            latest: {},
            latestActions: {},
            closedInbound: {},
            closedOutbound: {},
          });
          const undecided = (declaration.variables ?? []).some(
            ({ defaultValue }) => defaultValue === undefined,
          );
          if (!undecided) {
            runner.start(pipeline, {
              trigger: { type: 'CreatePipeline', detail: principal.arn },
              variables: variablesOf(pipeline, []),
            });
          }
          return { pipeline: shown(pipeline), ...(input.tags ? { tags: input.tags } : {}) };
        },
      },
      UpdatePipeline: {
        resources: (input) => [arn(input.pipeline?.name)],
        passesRoles: passesRole,
        run: (input, { atMs }) => {
          const declaration = input.pipeline!;
          checkDeclaration(declaration, engine.region);
          const before = find(declaration.name);
          const { version: _version, ...structure } = declaration;
          const { version: _versionBefore, ...structureBefore } = before.declaration;
          if (JSON.stringify(structure) === JSON.stringify(structureBefore))
            return { pipeline: shown(before) };
          runner.structureChanged(before.name);
          const current = find(before.name);
          const stages = new Set((declaration.stages ?? []).map(({ name }) => name ?? ''));
          const keep = <T>(record: Readonly<Record<string, T>>) =>
            Object.fromEntries(Object.entries(record).filter(([key]) => stages.has(key.split('/')[0]!)));
          const pipeline = store.pipelines.put(before.name, {
            ...current,
            declaration,
            version: before.version + 1,
            updatedAtMs: atMs,
            latest: keep(current.latest),
            latestActions: keep(current.latestActions),
            closedInbound: keep(current.closedInbound),
            closedOutbound: keep(current.closedOutbound),
          });
          return { pipeline: shown(pipeline) };
        },
      },
      GetPipeline: {
        resources: byName,
        run: (input) => {
          const pipeline = find(input.name);
          if (input.version !== undefined && input.version !== pipeline.version) {
            throw new AwsFault(
              'PipelineVersionNotFoundException',
              `Version ${input.version} of pipeline ${pipeline.name} was not found: the local engine keeps the current version (${pipeline.version}) only.`,
            );
          }
          return {
            pipeline: shown(pipeline),
            metadata: {
              pipelineArn: arn(pipeline.name),
              created: new Date(pipeline.createdAtMs),
              updated: new Date(pipeline.updatedAtMs),
            },
          };
        },
      },
      DeletePipeline: {
        resources: byName,
        run: (input) => {
          const pipeline = store.pipelines.get(input.name ?? '');
          if (!pipeline) return {};
          runner.structureChanged(pipeline.name);
          store.remove(pipeline.name);
          return {};
        },
      },
      ListPipelines: {
        run: (input) => {
          const { items, nextToken } = page(
            [...store.pipelines.values()],
            input.maxResults,
            input.nextToken,
            1000,
          );
          return {
            pipelines: items.map((pipeline) => ({
              name: pipeline.name,
              version: pipeline.version,
              pipelineType: pipeline.declaration.pipelineType ?? 'V1',
              executionMode: modeOf(pipeline),
              created: new Date(pipeline.createdAtMs),
              updated: new Date(pipeline.updatedAtMs),
            })),
            ...(nextToken === undefined ? {} : { nextToken }),
          };
        },
      },
      StartPipelineExecution: {
        resources: byName,
        run: (input, { principal }) => {
          const pipeline = find(input.name);
          const overrides: Record<string, string> = {};
          for (const { actionName, revisionType, revisionValue } of input.sourceRevisions ?? []) {
            const first = pipeline.declaration.stages?.[0]?.actions ?? [];
            if (!first.some(({ name }) => name === actionName)) {
              throw new AwsFault('ValidationException', `The pipeline has no source action ${actionName}.`);
            }
            if (revisionType !== 'COMMIT_ID') {
              throw new AwsFault(
                'ValidationException',
                `revisionType ${revisionType} is not valid for a CodeCommit source: use COMMIT_ID.`,
              );
            }
            overrides[actionName ?? ''] = revisionValue ?? '';
          }
          const pipelineExecutionId = runner.start(pipeline, {
            trigger: triggerOf(principal),
            variables: variablesOf(pipeline, input.variables ?? []),
            revisionOverrides: overrides,
            ...(input.clientRequestToken === undefined
              ? {}
              : { clientRequestToken: input.clientRequestToken }),
          });
          return { pipelineExecutionId };
        },
      },
      StopPipelineExecution: {
        resources: byPipeline,
        run: (input) => {
          find(input.pipelineName);
          runner.stop(
            input.pipelineName ?? '',
            input.pipelineExecutionId ?? '',
            input.abandon ?? false,
            input.reason,
          );
          return { pipelineExecutionId: input.pipelineExecutionId };
        },
      },
      RetryStageExecution: {
        resources: byStage,
        run: (input) => {
          requireStage(find(input.pipelineName), input.stageName);
          runner.retry(
            input.pipelineName ?? '',
            input.pipelineExecutionId ?? '',
            input.stageName ?? '',
            input.retryMode ?? 'FAILED_ACTIONS',
          );
          return { pipelineExecutionId: input.pipelineExecutionId };
        },
      },
      RollbackStage: {
        resources: byStage,
        run: (input, { principal }) => {
          requireStage(find(input.pipelineName), input.stageName);
          const pipelineExecutionId = runner.rollBack(
            input.pipelineName ?? '',
            input.stageName ?? '',
            input.targetPipelineExecutionId ?? '',
            { type: 'ManualRollback', detail: principal.arn },
          );
          return { pipelineExecutionId };
        },
      },
      EnableStageTransition: {
        resources: byStage,
        run: (input) => {
          setTransition(input, undefined);
          return {};
        },
      },
      DisableStageTransition: {
        resources: byStage,
        run: (input, { principal, atMs }) => {
          setTransition(input, { reason: input.reason ?? '', by: principal.arn, atMs });
          return {};
        },
      },
      GetPipelineState: {
        resources: byName,
        run: (input) => {
          const pipeline = find(input.name);
          return {
            pipelineName: pipeline.name,
            pipelineVersion: pipeline.version,
            stageStates: stageStates(store, pipeline),
            created: new Date(pipeline.createdAtMs),
            updated: new Date(pipeline.updatedAtMs),
          };
        },
      },
      GetPipelineExecution: {
        resources: byPipeline,
        run: (input) => {
          const pipeline = find(input.pipelineName);
          const execution = store.executions.get(input.pipelineExecutionId ?? '');
          if (execution?.pipelineName !== pipeline.name) {
            throw new AwsFault(
              'PipelineExecutionNotFoundException',
              `The pipeline execution ${input.pipelineExecutionId} was not found in pipeline ${pipeline.name}.`,
            );
          }
          return { pipelineExecution: executionDetails(execution, modeOf(pipeline)) };
        },
      },
      ListPipelineExecutions: {
        resources: byPipeline,
        run: (input) => {
          const pipeline = find(input.pipelineName);
          const stage = input.filter?.succeededInStage?.stageName;
          const wanted = store
            .history(pipeline.name)
            .filter(({ run }) => stage === undefined || run.stages[stage]?.status === 'Succeeded');
          const { items, nextToken } = page(wanted, input.maxResults, input.nextToken);
          return {
            pipelineExecutionSummaries: items.map((item) => executionSummary(item, modeOf(pipeline))),
            ...(nextToken === undefined ? {} : { nextToken }),
          };
        },
      },
      ListActionExecutions: {
        resources: byPipeline,
        run: (input) => {
          const pipeline = find(input.pipelineName);
          const wanted =
            input.filter?.latestInPipelineExecution?.pipelineExecutionId ?? input.filter?.pipelineExecutionId;
          const list = store
            .actionHistory(pipeline.name)
            .filter(({ executionId }) => wanted === undefined || executionId === wanted);
          const { items, nextToken } = page(list, input.maxResults, input.nextToken);
          return {
            actionExecutionDetails: items.map(actionDetail),
            ...(nextToken === undefined ? {} : { nextToken }),
          };
        },
      },
      PutApprovalResult: {
        resources: (input) => [arn(input.pipelineName, input.stageName, input.actionName)],
        run: (input, { principal, atMs }) => {
          const pipeline = find(input.pipelineName);
          const stage = requireStage(pipeline, input.stageName);
          if (!stage.actions?.some(({ name }) => name === input.actionName)) {
            throw new AwsFault(
              'ActionNotFoundException',
              `Stage ${input.stageName} of pipeline ${pipeline.name} has no action ${input.actionName}.`,
            );
          }
          const action = store
            .actionHistory(pipeline.name)
            .find(
              ({ token, stage: of, declaration }) =>
                token !== undefined &&
                token === input.token &&
                of === input.stageName &&
                declaration.name === input.actionName,
            );
          if (!action || (action.status !== 'InProgress' && !action.approval)) {
            throw new AwsFault(
              'InvalidApprovalTokenException',
              'The approval request already received a response or has expired: get the current token with GetPipelineState.',
            );
          }
          if (action.approval) {
            throw new AwsFault(
              'ApprovalAlreadyCompletedException',
              `The approval action has already been ${action.approval.status.toLowerCase()}.`,
            );
          }
          const status = input.result?.status === 'Approved' ? 'Approved' : 'Rejected';
          const summary = input.result?.summary ?? '';
          runner.update(action.id, {
            approval: { status, summary, by: principal.arn },
            summary,
            lastUpdatedBy: principal.arn,
          });
          engine.journal.append('codepipeline', `approval.${status.toLowerCase()}`, {
            pipeline: pipeline.name,
            executionId: action.executionId,
            stage: action.stage,
            action: input.actionName,
            by: principal.arn,
            summary,
          });
          return { approvedAt: new Date(atMs) };
        },
      },
      PutJobSuccessResult: {
        run: (input, call) => {
          const outputVariables = input.outputVariables ?? {};
          if (Buffer.byteLength(JSON.stringify(outputVariables)) > LARGEST_OUTPUT_VARIABLES_BYTES) {
            throw new AwsFault(
              'OutputVariablesSizeExceededException',
              'The total size of the output variables exceeds 122880 bytes.',
            );
          }
          const details = input.executionDetails;
          finishJob(
            findJob(input.jobId),
            {
              kind: 'success',
              outputVariables,
              ...(input.continuationToken === undefined
                ? {}
                : { continuationToken: input.continuationToken }),
              ...(details?.summary === undefined ? {} : { summary: details.summary }),
              ...(details?.externalExecutionId === undefined
                ? {}
                : { externalExecutionId: details.externalExecutionId }),
              ...(details?.percentComplete === undefined ? {} : { percentComplete: details.percentComplete }),
            },
            call,
          );
          return {};
        },
      },
      PutJobFailureResult: {
        run: (input, call) => {
          const details = input.failureDetails;
          finishJob(
            findJob(input.jobId),
            {
              kind: 'failure',
              type: details?.type ?? 'JobFailed',
              message: details?.message ?? '',
              ...(details?.externalExecutionId === undefined
                ? {}
                : { externalExecutionId: details.externalExecutionId }),
            },
            call,
          );
          return {};
        },
      },
      GetJobDetails: {
        run: (input) => {
          const job = findJob(input.jobId);
          const action = store.actions.get(job.actionId);
          if (!action) throw new AwsFault('JobNotFoundException', `The job ${job.id} was not found.`);
          const artifacts = (list: typeof action.inputArtifacts) =>
            Object.entries(list).map(([name, { bucket, key, revision }]) => ({
              name,
              revision,
              location: { type: 'S3' as const, s3Location: { bucketName: bucket, objectKey: key } },
            }));
          return {
            jobDetails: {
              id: job.id,
              accountId: engine.accountId,
              data: {
                actionTypeId: action.declaration.actionTypeId,
                actionConfiguration: { configuration: action.resolvedConfiguration },
                pipelineContext: {
                  pipelineName: action.pipelineName,
                  pipelineArn: arn(action.pipelineName),
                  pipelineExecutionId: action.executionId,
                  stage: { name: action.stage },
                  action: { name: action.declaration.name, actionExecutionId: action.id },
                },
                inputArtifacts: artifacts(action.inputArtifacts),
                outputArtifacts: artifacts(action.outputArtifacts),
                continuationToken: job.continuationToken,
              },
            },
          };
        },
      },
      TagResource: {
        resources: byArn,
        run: (input) => {
          const pipeline = findByArn(input.resourceArn);
          store.pipelines.put(pipeline.name, {
            ...pipeline,
            tags: { ...pipeline.tags, ...tagsOf(input.tags) },
          });
          return {};
        },
      },
      UntagResource: {
        resources: byArn,
        run: (input) => {
          const pipeline = findByArn(input.resourceArn);
          const gone = new Set(input.tagKeys ?? []);
          store.pipelines.put(pipeline.name, {
            ...pipeline,
            tags: Object.fromEntries(Object.entries(pipeline.tags).filter(([key]) => !gone.has(key))),
          });
          return {};
        },
      },
      ListTagsForResource: {
        resources: byArn,
        run: (input) => ({
          tags: Object.entries(findByArn(input.resourceArn).tags).map(([key, value]) => ({ key, value })),
        }),
      },
    },
    resourceTags: (resourceArn) => store.pipelines.get(resourceArn.split(':')[5]?.split('/')[0] ?? '')?.tags,
    start: () => runner.recover(),
    stop: () => runner.close(),
  };
}
