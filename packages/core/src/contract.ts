/** Names that several packages must agree on. The worker imports none of ours; `tools/test/contract.test.ts` compares. */

/** One of the two services. */
export type Track = 'canary' | 'stable';

/** Both tracks. The one that is restored first comes first. */
export const tracks: readonly Track[] = ['canary', 'stable'];

/** The pipeline's stages and actions. */
export const stages = {
  source: { stage: 'Source', action: 'Source' },
  build: { stage: 'Build', action: 'Build' },
  canary: { stage: 'Canary', action: 'DeployCanary' },
  judge: { stage: 'Verdict', action: 'Judge' },
  approval: { stage: 'Verdict', action: 'Approve' },
  stable: { stage: 'Stable', action: 'DeployStable' },
  record: { stage: 'Record', action: 'Record' },
} as const;

/** The worker's container in both services, to which `imagedefinitions.json` refers. */
export const WORKER_CONTAINER = 'worker';

/** CloudWatch namespace of the metrics in the workers' outcome lines. */
export const OUTCOME_NAMESPACE = 'QueueCanary';

/** The numbers in the workers' outcome lines that are metrics; dashboards and alarms read them. */
export const WORKER_METRICS = [
  'Received',
  'FirstFinished',
  'FirstFailed',
  'ProcessingTimeMs',
  'QueueAgeMs',
] as const;

export type WorkerMetric = (typeof WORKER_METRICS)[number];

/** The worker's environment variables that the constructs set. */
export const WORKER_VARIABLES = {
  app: 'QC_APP',
  track: 'QC_TRACK',
  queueUrl: 'QUEUE_URL',
  visibilityTimeoutSeconds: 'VISIBILITY_TIMEOUT_SECONDS',
  stopTimeoutSeconds: 'STOP_TIMEOUT_SECONDS',
  maxReceiveCount: 'MAX_RECEIVE_COUNT',
  protectTasks: 'PROTECT_TASKS',
  protectedMinutesMax: 'PROTECTED_MINUTES_MAX',
} as const;

/** The controller's environment variables. */
export const CONTROLLER_VARIABLES = {
  app: 'QC_APP',
  pipeline: 'QC_PIPELINE_NAME',
  cluster: 'QC_CLUSTER',
  canaryService: 'QC_CANARY_SERVICE',
  stableService: 'QC_STABLE_SERVICE',
  canaryTasks: 'QC_CANARY_TASKS',
  stableTasksMin: 'QC_STABLE_TASKS_MIN',
  stableTasksMax: 'QC_STABLE_TASKS_MAX',
  container: 'QC_CONTAINER_NAME',
  releaseParameter: 'QC_RELEASE_PARAMETER',
  rollbackParameter: 'QC_ROLLBACK_PARAMETER',
  imageParameter: 'QC_IMAGE_PARAMETER',
  updateParameter: 'QC_UPDATE_PARAMETER',
  imageRepository: 'QC_IMAGE_REPOSITORY',
  alarms: 'QC_ALARM_NAMES',
  stopAlarms: 'QC_STOP_ALARM_NAMES',
  deadLetterQueue: 'QC_DLQ_NAME',
  topicArn: 'QC_TOPIC_ARN',
  policy: 'QC_POLICY',
} as const;

/** An environment: the values under the names of their variables. */
export function environmentOf<K extends string>(
  variables: Readonly<Record<K, string>>,
  values: Readonly<Partial<Record<K, string>>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries<string>(variables).flatMap(([key, variable]) => {
      const value = values[key as K];
      return value === undefined ? [] : [[variable, value]];
    }),
  );
}

/** Where the source of a pipeline that builds nothing takes what it releases, in the artifact bucket. */
export const RELEASE_REQUEST_KEY = 'requests/release.zip';

/** Outputs of every image stack. */
export const IMAGE_OUTPUTS = ['ImageRepositoryUri', 'ImageParameterName'] as const;

/** Outputs of an image stack that builds its images from the worker's source. */
export const BUILD_OUTPUTS = ['BuildProjectName', ...IMAGE_OUTPUTS] as const;

/** Outputs of an image stack whose source is a CodeCommit repository. */
export const SOURCE_OUTPUTS = [
  'RepositoryCloneUrlHttp',
  'RepositoryName',
  'BranchName',
  ...BUILD_OUTPUTS,
] as const;

/** Outputs of the pipeline stack. */
export const PIPELINE_OUTPUTS = [
  'QueueUrl',
  'ClusterName',
  'CanaryServiceName',
  'StableServiceName',
  'PipelineName',
  'ControllerFunctionName',
  'ReleaseParameterName',
  'RollbackParameterName',
  'ApprovalTopicArn',
  'CanaryLogGroupName',
  'StableLogGroupName',
  'ControllerLogGroupName',
  'ArtifactBucketName',
] as const;

/** Outputs that are absent where the queue has no dead-letter queue. */
export const DEAD_LETTER_OUTPUTS = ['DeadLetterQueueUrl', 'DeadLetterAlarmName'] as const;

export type ImageOutputs = Readonly<Record<(typeof IMAGE_OUTPUTS)[number], string>>;

/** With where the source is, unless it is a CodeCommit repository. */
export type BuildOutputs = Readonly<
  Record<(typeof BUILD_OUTPUTS)[number], string> &
    Partial<Record<(typeof SOURCE_OUTPUTS)[number] | 'SourceLocation', string>>
>;

export type SourceOutputs = Readonly<Record<(typeof SOURCE_OUTPUTS)[number], string>>;

export type PipelineOutputs = Readonly<
  Record<(typeof PIPELINE_OUTPUTS)[number], string> &
    Partial<Record<(typeof DEAD_LETTER_OUTPUTS)[number], string>>
>;
