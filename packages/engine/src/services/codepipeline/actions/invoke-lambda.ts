import { sleep } from '../../../clock/clock.ts';
import type { StoredArtifact, StoredJob } from '../store.ts';
import { type ActionContext, type ActionOutcome, type Executor, interrupted } from './action.ts';

/**
 * How long CodePipeline waits for the answer to one job; an answer with a continuation token begins another. It is the
 * customer's function that takes this time, so the pace leaves it alone.
 * https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
 */
const ANSWER_WITHIN_MS = 20 * 60_000;

interface LambdaProgress {
  readonly jobId?: string;
  readonly answerByMs?: number;
  readonly continuationToken?: string;
  readonly resumeAtMs?: number;
}

/**
 * Invokes a Lambda function with a job and waits for PutJobSuccessResult or PutJobFailureResult. A result with a
 * continuation token means "call me again": a new job with that token, after CodePipeline's own pause. The action fails
 * when a job goes unanswered, and after 24 hours in all.
 *
 * A job that was out when the engine went down is handed to the function again under the same id.
 */
export const lambdaInvoke: Executor = async (context) => {
  const { engine, signal, record, note, putJob } = context;
  for (;;) {
    const progress = record().progress as LambdaProgress;
    if (progress.resumeAtMs !== undefined) {
      await sleep(engine.clock, progress.resumeAtMs - engine.clock.nowMs(), signal);
      if (signal.aborted) return interrupted;
    }
    const jobId = progress.jobId ?? engine.ids.uuid();
    const answerByMs = progress.answerByMs ?? engine.clock.nowMs() + ANSWER_WITHIN_MS;
    if (progress.jobId === undefined) {
      putJob({
        id: jobId,
        actionId: record().id,
        state: 'InProgress',
        ...(progress.continuationToken === undefined
          ? {}
          : { continuationToken: progress.continuationToken }),
      });
      const { resumeAtMs: _due, ...rest } = progress;
      note({ progress: { ...rest, jobId, answerByMs } });
    }
    const result = await work(context, jobId, answerByMs);
    if (signal.aborted) return interrupted;
    if (!result) return unanswered(context.configuration.FunctionName);
    if (result.kind === 'failure') {
      if (result.externalExecutionId !== undefined) note({ externalExecutionId: result.externalExecutionId });
      return { status: 'Failed', code: failureCode(result.type), message: result.message };
    }
    note({
      ...(result.externalExecutionId === undefined
        ? {}
        : { externalExecutionId: result.externalExecutionId }),
      ...(result.summary === undefined ? {} : { summary: result.summary }),
      ...(result.percentComplete === undefined ? {} : { percentComplete: result.percentComplete }),
    });
    if (result.continuationToken === undefined) {
      return {
        status: 'Succeeded',
        outputArtifacts: context.outputs,
        outputVariables: result.outputVariables,
      };
    }
    note({
      progress: {
        continuationToken: result.continuationToken,
        resumeAtMs: engine.clock.nowMs() + engine.pace.ms('pipeline-continuation'),
      },
    });
  }
};

/** Gives the job to the function, unless its result is already there, and waits for the result; undefined without one. */
async function work(
  context: ActionContext,
  jobId: string,
  answerByMs: number,
): Promise<StoredJob['result'] | undefined> {
  const { engine, principal, configuration, job, changed, signal } = context;
  let handedOver = false;
  const overdue = Promise.withResolvers<void>();
  const timer = engine.clock.setTimer(answerByMs - engine.clock.nowMs(), () => overdue.resolve());
  try {
    for (;;) {
      const next = changed();
      const current = job(jobId);
      if (current?.result) return current.result;
      if (engine.clock.nowMs() >= answerByMs) return undefined;
      if (!handedOver) {
        handedOver = true;
        await engine.call(principal, 'lambda', 'Invoke', {
          FunctionName: configuration.FunctionName,
          InvocationType: 'Event',
          Payload: Buffer.from(JSON.stringify({ 'CodePipeline.job': jobEvent(context, current!) })),
        });
        continue;
      }
      await Promise.race([next, overdue.promise]);
      if (signal.aborted) return undefined;
    }
  } finally {
    timer.cancel();
  }
}

function unanswered(functionName: string | undefined): ActionOutcome {
  return {
    status: 'Failed',
    code: 'TimedOut',
    message: `The Lambda function ${functionName} did not answer its job within ${ANSWER_WITHIN_MS / 60_000} minutes. It must call PutJobSuccessResult or PutJobFailureResult, and be allowed to.`,
  };
}

function failureCode(type: string) {
  return type === 'ConfigurationError' ||
    type === 'PermissionError' ||
    type === 'RevisionOutOfSync' ||
    type === 'RevisionUnavailable' ||
    type === 'SystemUnavailable'
    ? type
    : 'JobFailed';
}

function jobEvent(context: ActionContext, job: StoredJob) {
  const { engine, principal, configuration, inputs, outputs, artifactBucket } = context;
  const bucketOnly = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'],
        Resource: `arn:aws:s3:::${artifactBucket}/*`,
      },
    ],
  });
  const credentials = engine.credentials({ ...principal, sessionPolicy: bucketOnly });
  return {
    id: job.id,
    accountId: engine.accountId,
    data: {
      actionConfiguration: { configuration },
      inputArtifacts: Object.entries(inputs).map(describeArtifact),
      outputArtifacts: Object.entries(outputs).map(describeArtifact),
      artifactCredentials: {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: credentials.secretAccessKey,
        sessionToken: credentials.sessionToken,
        expirationTime: credentials.expiration.getTime(),
      },
      ...(job.continuationToken === undefined ? {} : { continuationToken: job.continuationToken }),
    },
  };
}

function describeArtifact([name, artifact]: [string, StoredArtifact]) {
  return {
    name,
    revision: artifact.revision ?? null,
    location: { type: 'S3', s3Location: { bucketName: artifact.bucket, objectKey: artifact.key } },
  };
}
