import type { Input } from '../../sdk/services.ts';
import { invalid } from './request.ts';
import { checkTargetInput, type TargetInput } from './target-input.ts';

/** A target of a rule. */
export interface Target extends TargetInput {
  readonly id: string;
  readonly arn: string;
  readonly roleArn?: string;
  readonly deadLetterArn?: string;
  readonly retryAttemptsMax: number;
  readonly ageSecondsMax: number;
  readonly messageGroupId?: string;
  /** As it was put, for `ListTargetsByRule`. */
  readonly given: PutTarget;
}

/** A rule of the default event bus. */
export interface Rule {
  readonly name: string;
  readonly arn: string;
  readonly pattern?: string;
  readonly schedule?: string;
  readonly description?: string;
  readonly roleArn?: string;
  readonly enabled: boolean;
  /** Schedules count from here. */
  readonly createdAtMs: number;
  readonly targets: readonly Target[];
  readonly tags: Readonly<Record<string, string>>;
}

export type PutTarget = NonNullable<Input<'events', 'PutTargets'>['Targets']>[number];

/** What kinds of target the engine delivers to. */
export type TargetKind = 'function' | 'topic' | 'queue' | 'pipeline' | 'log-group';

const RETRY_ATTEMPTS_MAX = 185;
const AGE_SECONDS_MAX = 86_400;
const UNSUPPORTED = [
  'KinesisParameters',
  'RunCommandParameters',
  'EcsParameters',
  'BatchParameters',
  'HttpParameters',
  'RedshiftDataParameters',
  'SageMakerPipelineParameters',
  'AppSyncParameters',
] as const;

/** Told from a target's ARN; `undefined` for what the engine cannot deliver to. */
export function targetKind(arn: string): TargetKind | undefined {
  if (/^arn:aws:lambda:[^:]+:\d+:function:[^:]+(:[^:]+)?$/.test(arn)) return 'function';
  if (/^arn:aws:sns:[^:]+:\d+:[^:]+$/.test(arn)) return 'topic';
  if (/^arn:aws:sqs:[^:]+:\d+:[^:]+$/.test(arn)) return 'queue';
  if (/^arn:aws:codepipeline:[^:]+:\d+:[^:]+$/.test(arn)) return 'pipeline';
  if (/^arn:aws:logs:[^:]+:\d+:log-group:[^:]+(:\*)?$/.test(arn)) return 'log-group';
  return undefined;
}

/** Checks a target as `PutTargets` does. */
export function defineTarget(given: PutTarget): Target {
  const id = given.Id ?? '';
  const arn = given.Arn ?? '';
  if (!/^[.\-_A-Za-z0-9]{1,64}$/.test(id)) {
    throw invalid(`Target Id '${id}' must be 1 to 64 letters, digits, dots, hyphens or underscores.`);
  }
  for (const field of UNSUPPORTED) {
    if (given[field] !== undefined) {
      throw invalid(`The local engine does not support ${field} (target ${id}): leave it out.`);
    }
  }
  const kind = targetKind(arn);
  if (!kind) {
    throw invalid(
      `The local engine does not deliver to ${arn} (target ${id}): it knows Lambda functions, SNS topics, SQS queues, CodePipeline pipelines and log groups.`,
    );
  }
  if (kind === 'pipeline' && given.RoleArn === undefined) {
    throw invalid(`RoleArn is required for target ${arn}.`);
  }
  const deadLetterArn = given.DeadLetterConfig?.Arn;
  if (deadLetterArn !== undefined && targetKind(deadLetterArn) !== 'queue') {
    throw invalid(`The dead-letter queue ${deadLetterArn} of target ${id} must be an SQS queue.`);
  }
  const transformer = given.InputTransformer;
  const target: Target = {
    id,
    arn,
    ...(given.RoleArn === undefined ? {} : { roleArn: given.RoleArn }),
    ...(deadLetterArn === undefined ? {} : { deadLetterArn }),
    retryAttemptsMax: bounded(
      given.RetryPolicy?.MaximumRetryAttempts,
      RETRY_ATTEMPTS_MAX,
      0,
      'MaximumRetryAttempts',
    ),
    ageSecondsMax: bounded(
      given.RetryPolicy?.MaximumEventAgeInSeconds,
      AGE_SECONDS_MAX,
      60,
      'MaximumEventAgeInSeconds',
    ),
    ...(given.SqsParameters?.MessageGroupId === undefined
      ? {}
      : { messageGroupId: given.SqsParameters.MessageGroupId }),
    ...(given.Input === undefined ? {} : { input: given.Input }),
    ...(given.InputPath === undefined ? {} : { inputPath: given.InputPath }),
    ...(transformer === undefined
      ? {}
      : {
          transformer: { paths: transformer.InputPathsMap ?? {}, template: transformer.InputTemplate ?? '' },
        }),
    given,
  };
  checkTargetInput(target, id);
  return target;
}

function bounded(value: number | undefined, most: number, least: number, field: string): number {
  const bound = value ?? most;
  if (bound < least || bound > most) throw invalid(`${field} must be between ${least} and ${most}.`);
  return bound;
}
