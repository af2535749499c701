/** A context value of the app: the property that it sets, and what the property's docstring does not say of it. */
interface Setting {
  readonly context: string;
  /** The interface of the constructs, and its property; without one, `meaning` says everything. */
  readonly of: readonly [owner: string, property?: string];
  readonly meaning?: string;
  readonly usual?: string;
}

interface SettingsGroup {
  readonly title: string;
  readonly text?: string;
  readonly settings: readonly Setting[];
}

const policy = (context: string, property = context, more: Partial<Setting> = {}): Setting => ({
  context,
  of: ['ReleasePolicyProps', property],
  ...more,
});
const pipeline = (context: string, property = context, more: Partial<Setting> = {}): Setting => ({
  context,
  of: ['QueueCanaryProps', property],
  ...more,
});

/** The context values of the app, in groups. */
export const SETTINGS: readonly SettingsGroup[] = [
  {
    title: 'Who decides, and when',
    text: 'Minutes may be fractions.',
    settings: [
      policy('approval'),
      policy('bakeMinutes', 'bakeTime'),
      policy('watchMinutes', 'watchTime'),
      policy('decideWithinMinutes', 'decideWithin'),
      policy('onNewerCommit'),
      policy('releaseWindows'),
      policy('alarmThreshold'),
      policy('dryRun'),
    ],
  },
  {
    title: 'What the judge holds against a canary',
    settings: [
      policy('margin'),
      policy('slower'),
      policy('latencyMargin'),
      policy('falseRollbackRate'),
      policy('falsePromotionRate'),
      policy('warmUpSeconds', 'warmUpTime'),
      policy('messagesMin'),
      policy('taskSpread'),
      policy('counters'),
    ],
  },
  {
    title: 'Tasks',
    text: "The canary's share of the messages follows from the tasks; it is never an exact percentage.",
    settings: [
      pipeline('canaryTasks'),
      pipeline('stableTasks', 'stableTasksMin'),
      pipeline('stableTasksMax'),
      pipeline('backlogPerTask'),
      pipeline('cpu'),
      pipeline('memoryMiB', 'memoryLimitMiB'),
      {
        context: 'architecture',
        of: ['CanaryImageProps', 'architecture'],
        usual: 'arm64',
      },
      pipeline('spot'),
      pipeline('protectTasks'),
      pipeline('stopTimeoutSeconds', 'stopTimeout'),
      {
        context: 'retryDelaySeconds',
        of: ['QueueCanaryProps'],
        usual: "the worker's own, 1",
        meaning: 'Seconds before the first retry of a failed message (`RETRY_DELAY_SECONDS`).',
      },
      pipeline('judgeConfiguration'),
      pipeline('containerInsights'),
    ],
  },
  {
    title: 'Queue',
    settings: [
      pipeline('visibilityTimeoutSeconds', 'visibilityTimeout'),
      pipeline('maxReceiveCount', 'maxReceiveCount', {
        meaning: 'Deliveries before a message is dead-lettered. Below 3, synthesis warns.',
      }),
    ],
  },
  {
    title: 'Network',
    settings: [
      pipeline('natGateways'),
      pipeline('availabilityZones'),
      pipeline('egressPorts'),
      pipeline('restrictDefaultSecurityGroup'),
    ],
  },
  {
    title: 'Security and retention',
    text: '[Security](../security.md) describes the defaults.',
    settings: [
      {
        context: 'app',
        of: ['QueueCanaryProps', 'appName'],
        usual: 'QueueCanary',
        meaning:
          "Prefix of both stacks' names, and the name under which outcomes are reported. `--app-name` sets it.",
      },
      {
        context: 'removal',
        of: ['QueueCanaryProps'],
        usual: 'retain; destroy on the local engine',
        meaning:
          'Whether queues, source and images are deleted with the stacks. The artifact bucket always stays, and its objects expire after 30 days.',
      },
      {
        context: 'keyArn',
        of: ['StackEncryptionProps', 'encryptionKeyArn'],
        usual: 'keys of AWS',
        meaning: 'ARN of a KMS key of yours that encrypts everything. Give it with the first deployment.',
      },
      pipeline('logRetentionDays', 'logRetention'),
      { context: 'imageCountMax', of: ['CanaryImageProps', 'imageCountMax'] },
      {
        context: 'imageRepository',
        of: ['PublishedImageStackProps', 'repositoryName'],
        usual: 'the app builds the images from commits',
        meaning:
          'Name of an ECR repository that [your own CI pushes to](../how-to/release-your-own-images.md). Then the stacks have neither source nor builds.',
      },
      pipeline('user'),
      pipeline('readonlyRootFilesystem'),
      pipeline('reservedConcurrentExecutions'),
    ],
  },
];

/** What each name of the stacks' contract means. */
export const STACK_TEXTS: Readonly<
  Record<
    'imageOutputs' | 'pipelineOutputs' | 'containerEnvironment' | 'controllerEnvironment' | 'actions',
    Readonly<Record<string, string>>
  >
> = {
  imageOutputs: {
    RepositoryCloneUrlHttp:
      'Address to push the source to. Only with a source in CodeCommit, as the next two.',
    RepositoryName: 'Name of the CodeCommit repository.',
    BranchName: 'Branch whose commits are released.',
    SourceLocation:
      'Where the source is, in words. Only with [another source](../how-to/use-your-own-source.md).',
    BuildProjectName:
      'CodeBuild project that builds a commit into an image. Only where the stacks build the images.',
    ImageRepositoryUri: 'ECR repository of the images.',
    ImageParameterName:
      'Parameter with the image that new task definitions start with, by digest; `none` at first.',
  },
  pipelineOutputs: {
    QueueUrl: 'Queue that the worker consumes. Producers send to it.',
    DeadLetterQueueUrl: 'Queue of the messages that failed `maxReceiveCount` deliveries.',
    ClusterName: 'ECS cluster of both services.',
    CanaryServiceName: 'The canary service.',
    StableServiceName: 'The stable service.',
    PipelineName: 'The pipeline, named after the stack.',
    ControllerFunctionName: 'Lambda function that judges and acts.',
    ReleaseParameterName: 'Parameter with the record of releases, JSON.',
    RollbackParameterName: 'Parameter with the last rollback that a person asked for, JSON.',
    DeadLetterAlarmName: 'Alarm on new dead letters.',
    ApprovalTopicArn:
      'Topic that reports approvals, promotions, rollbacks, alarms and changes from outside. Subscribe to it.',
    CanaryLogGroupName: "Log of the canary's tasks.",
    StableLogGroupName: "Log of stable's tasks.",
    ControllerLogGroupName: "The controller's log.",
    ArtifactBucketName: 'Bucket of the pipeline. It stays when the stack is deleted.',
  },
  actions: {
    Source:
      'CodeCommit, branch main. An EventBridge rule starts it; nothing polls. [Other sources](../how-to/use-your-own-source.md): a connection or S3. Where [your own CI builds](../how-to/release-your-own-images.md): S3, the release request.',
    Build: 'CodeBuild. Exports the image digest as `IMAGE_DIGEST`. Only where the app builds the images.',
    DeployCanary: 'ECS: the new image on the canary service.',
    Judge:
      'Lambda: waits for the verdict. Its output variables `Verdict` and `Message` go into the approval.',
    Approve: 'Manual approval, which also publishes to the topic and links the dashboard.',
    DeployStable: 'ECS: the same image on the stable service.',
    Record: 'Lambda: waits for steady state and the watch, then records the last good release.',
  },
  containerEnvironment: {
    QC_APP: 'Name of the application: dimension `App`.',
    QC_TRACK: '`canary` or `stable`.',
    QUEUE_URL: 'Queue to consume.',
    VISIBILITY_TIMEOUT_SECONDS: "The queue's visibility timeout.",
    STOP_TIMEOUT_SECONDS: 'Seconds between SIGTERM and SIGKILL.',
    MAX_RECEIVE_COUNT: "The queue's `maxReceiveCount`: the last delivery of a message.",
    RETRY_DELAY_SECONDS: 'Only with the setting `retryDelaySeconds`: seconds before the first retry.',
  },
  controllerEnvironment: {
    QC_APP: 'Name of the application.',
    QC_PIPELINE_NAME: 'The pipeline.',
    QC_CLUSTER: 'The cluster.',
    QC_CANARY_SERVICE: 'The canary service.',
    QC_STABLE_SERVICE: 'The stable service.',
    QC_CANARY_TASKS: 'Tasks of the canary service.',
    QC_STABLE_TASKS_MIN: 'Fewest tasks of the stable service.',
    QC_STABLE_TASKS_MAX: 'Most tasks of the stable service.',
    QC_CONTAINER_NAME: 'The container whose image is released: `worker`.',
    QC_RELEASE_PARAMETER: 'Parameter of the record.',
    QC_ROLLBACK_PARAMETER: "Parameter of a person's rollback.",
    QC_IMAGE_PARAMETER: 'Parameter of the image for new task definitions.',
    QC_IMAGE_REPOSITORY: 'The only repository whose images are accepted.',
    QC_ALARM_NAMES:
      'Alarms that are shown with a release, each on a line; none where the queue has no dead-letter queue.',
    QC_STOP_ALARM_NAMES: 'Alarms that end a release during which they go off, each on a line.',
    QC_DLQ_NAME: 'The dead-letter queue; absent where the queue has none.',
    QC_TOPIC_ARN: 'The topic.',
    QC_POLICY: '[The policy](settings.md#the-policy-as-json), JSON.',
  },
};

interface JsonDocument {
  readonly title: string;
  readonly text: string;
  readonly documents: readonly {
    readonly file: string;
    readonly name: string;
    /** Fields that the command leaves out. */
    readonly without?: readonly string[];
  }[];
}

const core = 'packages/core/src';
const demo = 'packages/cli/src/demo/report.ts';

/** The documents that commands print with `--json`. */
export const JSON_DOCUMENTS: readonly JsonDocument[] = [
  {
    title: 'release status',
    text: '`queue-canary release status --json` prints a `ReleaseView`. [Phases and verdicts](phases-and-verdicts.md) explains the names.',
    documents: [
      { file: `${core}/view/view.ts`, name: 'ReleaseView' },
      { file: `${core}/view/view.ts`, name: 'ExecutionView' },
      { file: `${core}/view/view.ts`, name: 'StageView' },
      { file: `${core}/view/view.ts`, name: 'TrackView' },
      { file: `${core}/view/view.ts`, name: 'AlarmView' },
      { file: `${core}/view/view.ts`, name: 'VerdictView' },
      { file: `${core}/judge/effect.ts`, name: 'Effects' },
      { file: `${core}/judge/rate-difference.ts`, name: 'Interval' },
      { file: `${core}/judge/evidence.ts`, name: 'Concern' },
      { file: `${core}/release/record.ts`, name: 'LastGood' },
      { file: `${core}/release/record.ts`, name: 'Decision' },
      { file: `${core}/release/record.ts`, name: 'Drift' },
      { file: `${core}/release/record.ts`, name: 'DriftedTrack' },
      { file: `${core}/measurement/lateness.ts`, name: 'Lateness' },
    ],
  },
  {
    title: 'release start and release watch',
    text: '`queue-canary release start --json` prints `executionId` and, where an image was named, `image`. With `--wait`, and with `queue-canary release watch --until-done --json`, it is a `ReleaseOutcome`.',
    documents: [{ file: `${core}/view/outcome.ts`, name: 'ReleaseOutcome' }],
  },
  {
    title: 'demo',
    text: '`npm run --silent demo -- --json` prints a `DemoReport`. The exit status is 0 only if `ok` is true.',
    documents: [
      { file: demo, name: 'DemoReport' },
      { file: demo, name: 'ReleaseReport' },
      { file: demo, name: 'Figure' },
      { file: demo, name: 'Count' },
      { file: demo, name: 'Check' },
    ],
  },
  {
    title: 'calibrate',
    text: "`queue-canary calibrate --json` prints a `Calibration` with two more fields: `policy`, the judge's settings that were used, and `unreadableLines`, the outcome lines that could not be read.",
    documents: [
      { file: `${core}/calibration/calibration.ts`, name: 'Calibration' },
      { file: `${core}/calibration/calibration.ts`, name: 'ReplayOutcomes' },
      { file: `${core}/calibration/calibration.ts`, name: 'FailedRelease' },
      { file: `${core}/calibration/differences.ts`, name: 'TaskDifferences' },
      { file: `${core}/calibration/warming.ts`, name: 'Warming' },
      { file: `${core}/calibration/warming.ts`, name: 'Manner' },
      { file: `${core}/calibration/traffic.ts`, name: 'Traffic' },
      { file: `${core}/calibration/certification.ts`, name: 'Certification' },
      { file: `${core}/calibration/recommendations.ts`, name: 'Recommendation' },
      { file: `${core}/calibration/calibration.ts`, name: 'Recommended' },
    ],
  },
  {
    title: 'doctor',
    text: '`queue-canary doctor --json` prints `ok` (whether nothing fails), `target` (where it looked) and `checks`, a list of `Check`. The exit status is 0 only if `ok` is true.',
    documents: [{ file: 'packages/cli/src/doctor/check.ts', name: 'Check' }],
  },
  {
    title: 'iam',
    text: '`queue-canary iam --json` prints an `Access`.',
    documents: [
      { file: 'packages/engine/src/cloudformation/read-access.ts', name: 'Access' },
      { file: 'packages/engine/src/cloudformation/read-access.ts', name: 'RoleAccess' },
      { file: 'packages/engine/src/cloudformation/read-access.ts', name: 'GrantUse' },
      { file: 'packages/engine/src/iam/access-record.ts', name: 'Grant' },
      { file: 'packages/engine/src/iam/access-record.ts', name: 'Denial' },
    ],
  },
  {
    title: 'sample',
    text: '`queue-canary sample --json` prints a `RequiredSample`. A unit is a message. `null` stands for a figure that is infinite.',
    documents: [{ file: `${core}/judge/required-sample.ts`, name: 'RequiredSample' }],
  },
  {
    title: 'cost',
    text: '`queue-canary cost --json` prints `pricesAsOf`, `lines` (a list of `CostLine`), `totalUsd` (at list prices), `freeUsd` (the allowances), `sample` (the table of the AWS sample: `statedUsd` and `lines`), `choices` and `prices`, each price with its source.',
    documents: [{ file: `${core}/cost/cost.ts`, name: 'CostLine', without: ['units'] }],
  },
  {
    title: 'env',
    text: '`queue-canary env --json` prints the environment variables by name. `null` means that a variable must not be set.',
    documents: [],
  },
];
