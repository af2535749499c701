import type { Call, Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { PipelineRunner } from './pipeline-runner.ts';
import type { Pipelines } from './pipelines.ts';
import type { PipelineStore, StoredJob } from './store.ts';

const OUTPUT_VARIABLES_BYTES_MAX = 122_880;

/** The jobs that a Lambda function works off for an action, and the results that it reports. */
export function jobOperations(
  engine: Engine,
  { store, pipelines, runner }: { store: PipelineStore; pipelines: Pipelines; runner: PipelineRunner },
) {
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
    runner.actions.update(job.actionId, { lastUpdatedBy: principal.arn });
  };

  return {
    PutJobSuccessResult: {
      run: (input, call) => {
        const outputVariables = input.outputVariables ?? {};
        if (Buffer.byteLength(JSON.stringify(outputVariables)) > OUTPUT_VARIABLES_BYTES_MAX) {
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
            ...(input.continuationToken === undefined ? {} : { continuationToken: input.continuationToken }),
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
                pipelineArn: pipelines.arn(action.pipelineName),
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
  } satisfies OperationTable<'codepipeline'>;
}
