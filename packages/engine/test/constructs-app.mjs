import {
  App,
  aws_applicationautoscaling as autoscaling,
  aws_cloudwatch as cloudwatch,
  aws_cloudwatch_actions as cloudwatchActions,
  aws_codebuild as codebuild,
  aws_codepipeline as codepipeline,
  custom_resources as customResources,
  Duration,
  aws_servicediscovery as discovery,
  aws_dynamodb as dynamodb,
  aws_ec2 as ec2,
  aws_ecr as ecr,
  aws_ecs as ecs,
  aws_events as events,
  aws_iam as iam,
  aws_kms as kms,
  aws_lambda as lambda,
  aws_lambda_event_sources as lambdaSources,
  aws_logs as logs,
  NestedStack,
  aws_ecs_patterns as patterns,
  aws_codepipeline_actions as pipelineActions,
  RemovalPolicy,
  Stack,
  aws_s3 as s3,
  aws_s3_notifications as s3Notifications,
  aws_scheduler as scheduler,
  aws_secretsmanager as secrets,
  aws_sns as sns,
  aws_sqs as sqs,
  aws_ssm as ssm,
  aws_stepfunctions as stepFunctions,
  aws_sns_subscriptions as subscriptions,
  aws_events_targets as targets,
} from 'aws-cdk-lib';

/** A CDK app with one small stack for each construct that people use around ECS, queues and functions. */

const image = (stack) =>
  ecs.ContainerImage.fromEcrRepository(
    stack.node.tryFindChild('Repo') ?? ecr.Repository.fromRepositoryName(stack, 'Repo', 'constructs'),
    'latest',
  );
const command = [
  'node',
  '-e',
  "process.on('SIGTERM', () => process.exit(0)); require('node:net').createServer().listen(0)",
];
const sized = (stack) => ({ image: image(stack), command, memoryLimitMiB: 512, cpu: 256 });

const fn = (stack, extra = {}, id = 'Fn') =>
  new lambda.Function(stack, id, {
    runtime: lambda.Runtime.NODEJS_24_X,
    handler: 'index.handler',
    code: lambda.Code.fromInline('exports.handler = async (event) => ({});'),
    ...extra,
  });
const queue = (stack, props = {}) => new sqs.Queue(stack, 'Queue', props);
const destroyed = { removalPolicy: RemovalPolicy.DESTROY };

const network = (stack) =>
  new ec2.Vpc(stack, 'Vpc', {
    maxAzs: 2,
    natGateways: 0,
    restrictDefaultSecurityGroup: false,
    subnetConfiguration: [{ name: 'public', subnetType: ec2.SubnetType.PUBLIC }],
  });

function worker(stack, { task: taskProps, container, service, define } = {}) {
  const vpc = network(stack);
  const cluster = new ecs.Cluster(stack, 'Cluster', { vpc });
  const task = new ecs.FargateTaskDefinition(stack, 'Task', taskProps);
  const main = task.addContainer('worker', {
    image: image(stack),
    command,
    logging: ecs.LogDrivers.awsLogs({ streamPrefix: 'worker' }),
    ...container,
  });
  define?.(task, main);
  return new ecs.FargateService(stack, 'Service', {
    cluster,
    taskDefinition: task,
    desiredCount: 1,
    assignPublicIp: true,
    minHealthyPercent: 0,
    ...service?.(vpc),
  });
}

function builtPipeline(stack, source) {
  const input = new codepipeline.Artifact();
  const project = new codebuild.PipelineProject(stack, 'Project');
  const build = new pipelineActions.CodeBuildAction({ actionName: 'Build', project, input });
  new codepipeline.Pipeline(stack, 'Pipeline', {
    stages: [
      { stageName: 'Source', actions: [source(input)] },
      { stageName: 'Build', actions: [build] },
    ],
  });
}

const STACKS = {
  QueueProcessing: (stack) =>
    new patterns.QueueProcessingFargateService(stack, 'Service', {
      ...sized(stack),
      minScalingCapacity: 1,
      maxScalingCapacity: 3,
    }),
  QueueProcessingBreaker: (stack) =>
    new patterns.QueueProcessingFargateService(stack, 'Service', {
      ...sized(stack),
      cluster: new ecs.Cluster(stack, 'Cluster', {
        vpc: network(stack),
        enableFargateCapacityProviders: true,
      }),
      assignPublicIp: true,
      circuitBreaker: { rollback: true },
      capacityProviderStrategies: [{ capacityProvider: 'FARGATE_SPOT', weight: 1 }],
    }),
  LambdaSqs: (stack) =>
    fn(stack, { timeout: Duration.seconds(10) }).addEventSource(
      new lambdaSources.SqsEventSource(queue(stack), { batchSize: 5, reportBatchItemFailures: true }),
    ),
  Dynamo: (stack) =>
    new dynamodb.Table(stack, 'Table', {
      partitionKey: { name: 'id', type: dynamodb.AttributeType.STRING },
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      ...destroyed,
    }),
  SecretInContainer: (stack) =>
    worker(stack, {
      container: { secrets: { TOKEN: ecs.Secret.fromSecretsManager(new secrets.Secret(stack, 'Secret')) } },
    }),
  SsmInContainer: (stack) =>
    worker(stack, {
      container: {
        secrets: {
          TOKEN: ecs.Secret.fromSsmParameter(
            new ssm.StringParameter(stack, 'Parameter', { stringValue: 'value' }),
          ),
        },
      },
    }),
  CloudMap: (stack) =>
    worker(stack, {
      service: (vpc) => ({
        cloudMapOptions: {
          name: 'worker',
          cloudMapNamespace: new discovery.PrivateDnsNamespace(stack, 'Namespace', { name: 'local', vpc }),
        },
      }),
    }),
  Sidecar: (stack) =>
    worker(stack, {
      define: (task, main) => {
        const container = task.addContainer('side', { image: image(stack), command, essential: false });
        main.addContainerDependencies({ container, condition: ecs.ContainerDependencyCondition.START });
      },
    }),
  HealthCheck: (stack) =>
    worker(stack, {
      container: {
        healthCheck: { command: ['CMD-SHELL', 'exit 0'], interval: Duration.seconds(5) },
        stopTimeout: Duration.seconds(60),
        ulimits: [{ name: ecs.UlimitName.NOFILE, softLimit: 65_536, hardLimit: 65_536 }],
        readonlyRootFilesystem: true,
        user: '1000',
      },
    }),
  Volume: (stack) =>
    worker(stack, {
      define: (task, main) => {
        task.addVolume({ name: 'scratch' });
        main.addMountPoints({ containerPath: '/scratch', sourceVolume: 'scratch', readOnly: false });
      },
    }),
  Arm: (stack) =>
    worker(stack, {
      task: {
        cpu: 512,
        memoryLimitMiB: 1024,
        ephemeralStorageGiB: 30,
        runtimePlatform: {
          cpuArchitecture: ecs.CpuArchitecture.ARM64,
          operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
        },
      },
    }),
  Scaling: (stack) => {
    const scaling = worker(stack).autoScaleTaskCount({ minCapacity: 1, maxCapacity: 4 });
    scaling.scaleOnCpuUtilization('Cpu', { targetUtilizationPercent: 60 });
    scaling.scaleOnMetric('Depth', {
      metric: queue(stack).metricApproximateNumberOfMessagesVisible(),
      scalingSteps: [
        { upper: 0, change: -1 },
        { lower: 100, change: 1 },
        { lower: 500, change: 5 },
      ],
    });
    scaling.scaleOnSchedule('Night', {
      schedule: autoscaling.Schedule.cron({ hour: '20', minute: '0' }),
      maxCapacity: 1,
    });
  },
  ScheduledTask: (stack) =>
    new patterns.ScheduledFargateTask(stack, 'Job', {
      schedule: events.Schedule.rate(Duration.minutes(5)),
      scheduledFargateTaskImageOptions: sized(stack),
    }),
  Ec2Service: (stack) => {
    const cluster = new ecs.Cluster(stack, 'Cluster', { vpc: network(stack) });
    cluster.addCapacity('Capacity', {
      instanceType: new ec2.InstanceType('t3.micro'),
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
    });
    const taskDefinition = new ecs.Ec2TaskDefinition(stack, 'Task');
    taskDefinition.addContainer('worker', { image: image(stack), command, memoryLimitMiB: 128 });
    new ecs.Ec2Service(stack, 'Service', { cluster, taskDefinition });
  },
  Fifo: (stack) =>
    queue(stack, {
      fifo: true,
      contentBasedDeduplication: true,
      deduplicationScope: sqs.DeduplicationScope.MESSAGE_GROUP,
      fifoThroughputLimit: sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
      deadLetterQueue: { queue: new sqs.Queue(stack, 'Dead', { fifo: true }), maxReceiveCount: 3 },
    }),
  QueueKms: (stack) =>
    queue(stack, {
      encryption: sqs.QueueEncryption.KMS,
      encryptionMasterKey: new kms.Key(stack, 'Key', destroyed),
      redriveAllowPolicy: { redrivePermission: sqs.RedrivePermission.DENY_ALL },
    }),
  QueueSse: (stack) =>
    queue(stack, {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      deliveryDelay: Duration.seconds(5),
      maxMessageSizeBytes: 2048,
      receiveMessageWaitTime: Duration.seconds(20),
    }),
  SnsToSqs: (stack) =>
    new sns.Topic(stack, 'Topic').addSubscription(
      new subscriptions.SqsSubscription(queue(stack, { enforceSSL: true }), {
        rawMessageDelivery: true,
        filterPolicy: { kind: sns.SubscriptionFilter.stringFilter({ allowlist: ['a'] }) },
      }),
    ),
  S3ToSqs: (stack) =>
    new s3.Bucket(stack, 'Bucket', destroyed).addEventNotification(
      s3.EventType.OBJECT_CREATED,
      new s3Notifications.SqsDestination(queue(stack)),
    ),
  BucketAutoDelete: (stack) =>
    new s3.Bucket(stack, 'Bucket', {
      autoDeleteObjects: true,
      versioned: true,
      lifecycleRules: [{ expiration: Duration.days(3) }],
      ...destroyed,
    }),
  EventsToSqs: (stack) =>
    new events.Rule(stack, 'Rule', {
      eventPattern: { source: ['app'] },
      targets: [new targets.SqsQueue(queue(stack))],
    }),
  EventBus: (stack) =>
    new events.Rule(stack, 'Rule', {
      eventBus: new events.EventBus(stack, 'Bus'),
      eventPattern: { source: ['app'] },
      targets: [new targets.LambdaFunction(fn(stack))],
    }),
  Scheduler: (stack) =>
    new scheduler.CfnSchedule(stack, 'Schedule', {
      flexibleTimeWindow: { mode: 'OFF' },
      scheduleExpression: 'rate(5 minutes)',
      target: {
        arn: queue(stack).queueArn,
        roleArn: new iam.Role(stack, 'Role', {
          assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com'),
        }).roleArn,
      },
    }),
  Alarms: (stack) =>
    new cloudwatch.Alarm(stack, 'Alarm', {
      metric: new cloudwatch.MathExpression({
        expression: 'sent / 60',
        usingMetrics: { sent: queue(stack).metricNumberOfMessagesSent() },
      }),
      threshold: 1,
      evaluationPeriods: 3,
      datapointsToAlarm: 2,
      treatMissingData: cloudwatch.TreatMissingData.BREACHING,
    }).addAlarmAction(new cloudwatchActions.SnsAction(new sns.Topic(stack, 'Topic'))),
  CompositeAlarm: (stack) => {
    const alarm = queue(stack)
      .metricApproximateNumberOfMessagesVisible()
      .createAlarm(stack, 'Alarm', { threshold: 1, evaluationPeriods: 1 });
    new cloudwatch.CompositeAlarm(stack, 'Both', {
      alarmRule: cloudwatch.AlarmRule.fromAlarm(alarm, cloudwatch.AlarmState.ALARM),
    });
  },
  LambdaPython: (stack) =>
    fn(stack, {
      runtime: lambda.Runtime.PYTHON_3_13,
      code: lambda.Code.fromInline('def handler(event, context): return {}'),
    }),
  LambdaUrlAlias: (stack) => {
    const served = fn(stack);
    served.addFunctionUrl({ authType: lambda.FunctionUrlAuthType.NONE });
    served.addAlias('live');
  },
  LogFilter: (stack) =>
    new logs.LogGroup(stack, 'Group', { retention: 7, ...destroyed }).addMetricFilter('Filter', {
      filterPattern: logs.FilterPattern.literal('ERROR'),
      metricNamespace: 'App',
      metricName: 'Errors',
    }),
  LogRetention: (stack) => fn(stack, { logRetention: logs.RetentionDays.ONE_WEEK }),
  AwsCustom: (stack) =>
    new customResources.AwsCustomResource(stack, 'Made', {
      onCreate: {
        service: 'SSM',
        action: 'putParameter',
        parameters: { Name: '/made/by/custom', Value: 'value', Type: 'String' },
        physicalResourceId: customResources.PhysicalResourceId.of('made'),
      },
      policy: customResources.AwsCustomResourcePolicy.fromSdkCalls({
        resources: customResources.AwsCustomResourcePolicy.ANY_RESOURCE,
      }),
      installLatestAwsSdk: false,
    }),
  Nested: (stack) => new sqs.Queue(new NestedStack(stack, 'Inner'), 'Queue'),
  StepFunctions: (stack) =>
    new stepFunctions.StateMachine(stack, 'Machine', {
      definitionBody: stepFunctions.DefinitionBody.fromChainable(new stepFunctions.Pass(stack, 'Pass')),
    }),
  DefaultVpc: (stack) => new ec2.Vpc(stack, 'Vpc', { maxAzs: 2 }),
  VpcEndpoints: (stack) => {
    const vpc = network(stack);
    vpc.addInterfaceEndpoint('Queues', { service: ec2.InterfaceVpcEndpointAwsService.SQS });
    vpc.addGatewayEndpoint('Buckets', { service: ec2.GatewayVpcEndpointAwsService.S3 });
  },
  EcrLifecycle: (stack) =>
    new ecr.Repository(stack, 'Repository', {
      lifecycleRules: [{ maxImageCount: 10 }],
      emptyOnDelete: true,
      ...destroyed,
    }),
  S3Pipeline: (stack) =>
    builtPipeline(
      stack,
      (output) =>
        new pipelineActions.S3SourceAction({
          actionName: 'Source',
          bucket: new s3.Bucket(stack, 'Bucket', { versioned: true }),
          bucketKey: 'source.zip',
          output,
        }),
    ),
  GithubPipeline: (stack) =>
    builtPipeline(
      stack,
      (output) =>
        new pipelineActions.CodeStarConnectionsSourceAction({
          actionName: 'Source',
          connectionArn: 'arn:aws:codestar-connections:us-east-1:000000000000:connection/one',
          owner: 'owner',
          repo: 'repository',
          output,
        }),
    ),
  Cron: (stack) =>
    new events.Rule(stack, 'Rule', {
      schedule: events.Schedule.cron({ minute: '0/5' }),
      targets: [
        new targets.LambdaFunction(fn(stack), {
          retryAttempts: 1,
          deadLetterQueue: new sqs.Queue(stack, 'Dead'),
        }),
      ],
    }),
};

const app = new App();
for (const [name, define] of Object.entries(STACKS)) define(new Stack(app, name));
