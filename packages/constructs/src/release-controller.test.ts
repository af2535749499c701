import { parsePolicy } from '@queue-canary/core';
import { Duration } from 'aws-cdk-lib';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  plainStacks,
  policyOf,
  resource,
  resources,
  type Synthesized,
  synthesize,
} from '../test/synthesize.ts';
import { ReleasePolicyError } from './release-policy.ts';

let stacks: Synthesized;
beforeAll(async () => {
  stacks = await plainStacks();
});

describe('controller', () => {
  const environment = (of = stacks) => {
    const { Environment } = resource(of.pipeline, 'AWS::Lambda::Function').properties as {
      Environment: { Variables: Record<string, unknown> };
    };
    return Environment.Variables;
  };

  test('runs the bundle on Node 24 and ARM64, with a log group of its own', () => {
    stacks.pipeline.hasResourceProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Handler: 'index.handler',
      LoggingConfig: {
        LogGroup: { Ref: resource(stacks.pipeline, 'AWS::Logs::LogGroup', 'Controller').logicalId },
      },
    });
  });

  test('knows the release by these variables', () => {
    expect(Object.keys(environment()).sort()).toEqual([
      'QC_ALARM_NAMES',
      'QC_APP',
      'QC_CANARY_SERVICE',
      'QC_CANARY_TASKS',
      'QC_CLUSTER',
      'QC_CONTAINER_NAME',
      'QC_DLQ_NAME',
      'QC_IMAGE_PARAMETER',
      'QC_IMAGE_REPOSITORY',
      'QC_PIPELINE_NAME',
      'QC_POLICY',
      'QC_RELEASE_PARAMETER',
      'QC_ROLLBACK_PARAMETER',
      'QC_STABLE_SERVICE',
      'QC_STABLE_TASKS_MAX',
      'QC_STABLE_TASKS_MIN',
      'QC_TOPIC_ARN',
    ]);
    expect(environment().QC_PIPELINE_NAME).toEqual(
      resource(stacks.pipeline, 'AWS::CodePipeline::Pipeline').properties.Name,
    );
  });

  test('gets the release policy in milliseconds', () => {
    expect(policyOf(stacks)).toEqual({
      approval: 'manual',
      bakeMs: 600_000,
      watchMs: 300_000,
      onNewerCommit: 'supersede',
      releaseWindows: [],
      alarmThreshold: 1,
      judge: {
        alpha: 0.01,
        beta: 0.05,
        margin: 0.02,
        latencyMargin: 0.05,
        required: ['failures'],
        slower: 0.5,
        taskSpread: 0.25,
        messagesMin: 30,
        visibilityTimeoutMs: 30_000,
        deadlineMs: 3_600_000,
        warmUpMs: 180_000,
        silenceMs: 60_000,
        counters: {},
        dryRun: false,
      },
    });
    expect(
      policyOf(
        synthesize({
          approval: 'automatic',
          bakeTime: Duration.seconds(5),
          watchTime: Duration.seconds(0),
          onNewerCommit: 'wait',
          releaseWindows: ['Mon 09:00-16:00 UTC'],
          alarmThreshold: 3,
          visibilityTimeout: Duration.seconds(10),
          decideWithin: Duration.minutes(20),
          margin: 0.05,
          latencyMargin: 0.1,
          slower: 0.25,
          falseRollbackRate: 0.001,
          falsePromotionRate: 0.2,
          messagesMin: 100,
          warmUpTime: Duration.seconds(0),
          taskSpread: 0.4,
          counters: { 'items shipped': { worse: 'less', tolerance: 0.25 } },
          dryRun: ['latency', 'throughput'],
        }),
      ),
    ).toEqual({
      approval: 'automatic',
      bakeMs: 5_000,
      watchMs: 0,
      onNewerCommit: 'wait',
      releaseWindows: ['Mon 09:00-16:00 UTC'],
      alarmThreshold: 3,
      judge: {
        alpha: 0.001,
        beta: 0.2,
        margin: 0.05,
        required: ['failures', 'latency'],
        latencyMargin: 0.1,
        slower: 0.25,
        taskSpread: 0.4,
        messagesMin: 100,
        visibilityTimeoutMs: 10_000,
        deadlineMs: 1_200_000,
        warmUpMs: 0,
        silenceMs: 60_000,
        counters: { 'items shipped': { worse: 'less', tolerance: 0.25 } },
        dryRun: ['latency', 'throughput'],
      },
    });
  });

  test('can be told to judge and do nothing', () => {
    expect(policyOf(synthesize({ dryRun: true })).judge).toMatchObject({ dryRun: true });
  });

  test('reads its own policy without a problem, and has no other defaults than the controller', () => {
    expect(parsePolicy(policyOf(stacks))).toEqual(parsePolicy({}));
  });

  test('gives a long bake the time to be decided, as far as the controller can judge', () => {
    const deadline = (props: Parameters<typeof synthesize>[0]) =>
      (policyOf(synthesize(props)).judge as { deadlineMs: number }).deadlineMs / 60_000;
    expect(deadline({ bakeTime: Duration.minutes(45) })).toBe(90);
    expect(deadline({ visibilityTimeout: Duration.minutes(40) })).toBe(80);
    expect(deadline({ bakeTime: Duration.hours(7) })).toBe(12 * 60);
  });

  test('lists everything that is impossible about a policy, by the names of the properties', () => {
    const impossible = () =>
      synthesize({
        margin: 2,
        falseRollbackRate: 0,
        messagesMin: 1.5,
        decideWithin: Duration.hours(13),
        counters: { shipped: { worse: 'less', tolerance: 0 } },
      });
    expect(impossible).toThrow(ReleasePolicyError);
    expect(impossible).toThrow(
      new RegExp(
        [
          '^The release policy is impossible:',
          'decideWithin must be between 0 and 720 minutes \\(twelve hours\\), in whole milliseconds, not 780 minutes',
          'falseRollbackRate must be a probability .*',
          'margin must be a difference of failure rates from 0.0001 to 0.5, not 2',
          'messagesMin must be a whole number of messages, 1 or more, not 1.5',
          'counters must give "shipped" as .*, not {"worse":"less","tolerance":0}$',
        ].join('\n {2}- '),
      ),
    );
  });

  test.each([
    [
      { bakeTime: Duration.days(2) },
      /- bakeTime must be .*twelve hours\), in whole milliseconds, not 2880 minutes$/,
    ],
    [{ watchTime: Duration.hours(13) }, /- watchTime must be .*twelve hours/],
    [
      { bakeTime: Duration.minutes(40), decideWithin: Duration.minutes(40) },
      /- decideWithin must be later than the shortest bake, 40 minutes \(the longer of bakeTime and visibilityTimeout\), not 40 minutes: such a release could never pass$/,
    ],
    [{ bakeTime: Duration.hours(12) }, /- decideWithin must be later than the shortest bake/],
    [{ visibilityTimeout: Duration.hours(12) }, /- decideWithin must be later than the shortest bake/],
    [
      { bakeTime: Duration.seconds(15) },
      /- bakeTime must be at least warmUpTime, 3 minutes, not 15 seconds: .*; bake longer, or set warmUpTime to what a task takes to be warm$/,
    ],
    [{ warmUpTime: Duration.minutes(20) }, /- bakeTime must be at least warmUpTime, 20 minutes, not 10 min/],
    [{ warmUpTime: Duration.days(2) }, /- warmUpTime must be .*one day/],
    [{ latencyMargin: 0.9 }, /- latencyMargin must be .*from 0\.001 to 0\.5/],
    [{ slower: 0.05 }, /- slower must be a part from 0\.1 to 10, not 0\.05$/],
    [{ taskSpread: 0 }, /- taskSpread must be a standard deviation from 0\.01 to 3, not 0$/],
    [{ falsePromotionRate: 1 }, /- falsePromotionRate must be a probability/],
    [
      { counters: { 'a,b': { worse: 'more', tolerance: 1 } } } as const,
      /- counters must have names of 1 to 64 letters, .*, not "a,b"$/,
    ],
  ])('refuses %j, under which it could never decide', (props, message) => {
    expect(() => synthesize(props)).toThrow(message);
  });

  test.each([
    [
      { approval: 'never' },
      /- approval must be "manual" or "automatic" or "automatic-then-manual", not "never"$/,
    ],
    [
      { releaseWindows: ['Mon 09:00-16:00'] },
      /- releaseWindows has "Mon 09:00-16:00", which must be days, hours and a time zone/,
    ],
    [{ onNewerCommit: 'panic' }, /- onNewerCommit must be "supersede" or "wait"/],
    [{ counters: { shipped: { worse: 'fewer', tolerance: 1 } } }, /- counters must give "shipped" as /],
    [
      { dryRun: ['speed'] },
      /- dryRun must be true, false or a list of failures, broken, .*, not \["speed"\]$/,
    ],
  ])('refuses %j of a program without types', (props, message) => {
    expect(() => synthesize(props as Parameters<typeof synthesize>[0])).toThrow(message);
  });

  test('has the time and the memory to judge', () => {
    stacks.pipeline.hasResourceProperties('AWS::Lambda::Function', { Timeout: 300, MemorySize: 1536 });
  });

  test.each([
    ['record of the last good release', 'ControllerRelease', '{"version":1}'],
    ['request for a rollback', 'ControllerRollback', '{}'],
  ])('starts with an empty %s', (_what, prefix, value) => {
    expect(resource(stacks.pipeline, 'AWS::SSM::Parameter', prefix).properties).toEqual({
      Type: 'String',
      Value: value,
    });
  });

  test('is woken by the alarm, the pipeline, a waiting approval, deployments, stopped tasks and every minute', () => {
    const ref = (type: string, prefix: string) => ({
      Ref: resource(stacks.pipeline, type, prefix).logicalId,
    });
    const alarm = resource(stacks.pipeline, 'AWS::CloudWatch::Alarm', 'QueueDeadLetterAlarm').logicalId;
    const cluster = resource(stacks.pipeline, 'AWS::ECS::Cluster').logicalId;
    const rules = resources(stacks.pipeline, 'AWS::Events::Rule').filter(({ logicalId }) =>
      logicalId.startsWith('Controller'),
    );
    expect(rules.map(({ properties }) => properties.EventPattern ?? properties.ScheduleExpression)).toEqual([
      {
        source: ['aws.cloudwatch'],
        'detail-type': ['CloudWatch Alarm State Change'],
        resources: [{ 'Fn::GetAtt': [alarm, 'Arn'] }],
      },
      {
        source: ['aws.codepipeline'],
        'detail-type': [
          'CodePipeline Pipeline Execution State Change',
          'CodePipeline Stage Execution State Change',
        ],
        detail: { pipeline: [{ Ref: 'AWS::StackName' }] },
      },
      {
        source: ['aws.codepipeline'],
        'detail-type': ['CodePipeline Action Execution State Change'],
        detail: {
          pipeline: [{ Ref: 'AWS::StackName' }],
          stage: ['Verdict'],
          action: ['Approve'],
          state: ['STARTED'],
        },
      },
      {
        source: ['aws.ecs'],
        'detail-type': ['ECS Deployment State Change'],
        resources: [ref('AWS::ECS::Service', 'ServicesCanary'), ref('AWS::ECS::Service', 'ServicesStable')],
      },
      {
        source: ['aws.ecs'],
        'detail-type': ['ECS Task State Change'],
        detail: { clusterArn: [{ 'Fn::GetAtt': [cluster, 'Arn'] }], lastStatus: ['STOPPED'] },
      },
      'rate(1 minute)',
    ]);
  });

  test('loses no event: what it fails on in every attempt goes to a queue as well', () => {
    const { logicalId } = resource(stacks.pipeline, 'AWS::SQS::Queue', 'ControllerUndeliveredEvents');
    const { properties } = resource(stacks.pipeline, 'AWS::Lambda::EventInvokeConfig', 'Controller');
    expect(properties).toMatchObject({
      DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': [logicalId, 'Arn'] } } },
      MaximumEventAgeInSeconds: 20 * 60,
    });
  });

  test('loses no event: what cannot be delivered goes to a queue that every rule may write to', () => {
    const undelivered = resource(stacks.pipeline, 'AWS::SQS::Queue', 'ControllerUndeliveredEvents').logicalId;
    const arn = { 'Fn::GetAtt': [undelivered, 'Arn'] };
    const rules = resources(stacks.pipeline, 'AWS::Events::Rule');
    expect(rules.length).toBeGreaterThan(5);
    const [queuePolicy] = resources(stacks.pipeline, 'AWS::SQS::QueuePolicy').filter(({ properties }) =>
      JSON.stringify(properties.Queues).includes(undelivered),
    );
    for (const { logicalId, properties } of rules) {
      expect(properties.Targets).toMatchObject([{ DeadLetterConfig: { Arn: arn } }]);
      expect(JSON.stringify(queuePolicy?.properties)).toContain(
        `"aws:SourceArn":{"Fn::GetAtt":["${logicalId}","Arn"]}`,
      );
    }
  });
});
