import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duration } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  joined,
  plainStacks,
  resource,
  resources,
  type Synthesized,
  synthesize,
} from '../test/synthesize.ts';

let stacks: Synthesized;
beforeAll(async () => {
  stacks = await plainStacks();
});

const service = (track: 'Canary' | 'Stable', of = stacks) =>
  resource(of.pipeline, 'AWS::ECS::Service', `Services${track}`);

describe('pipeline', () => {
  interface Action {
    readonly Name: string;
    readonly ActionTypeId: { Category: string; Provider: string };
    readonly Configuration: Record<string, unknown>;
    readonly Namespace?: string;
    readonly RunOrder: number;
    readonly InputArtifacts: { Name: string }[];
    readonly OutputArtifacts: { Name: string }[];
    readonly RoleArn: { 'Fn::GetAtt': [string, string] };
  }
  const stages = () =>
    resource(stacks.pipeline, 'AWS::CodePipeline::Pipeline').properties.Stages as {
      Name: string;
      Actions: Action[];
    }[];
  const actions = () => stages().flatMap(({ Actions }) => Actions);

  test('has the agreed stages and actions, in which a newer release supersedes an older one', () => {
    expect(resource(stacks.pipeline, 'AWS::CodePipeline::Pipeline').properties).toMatchObject({
      PipelineType: 'V1',
      ExecutionMode: 'SUPERSEDED',
    });
    expect(
      stages().map(({ Name, Actions }) => [
        Name,
        ...Actions.map(
          (action) => `${action.Name}: ${action.ActionTypeId.Category} ${action.ActionTypeId.Provider}`,
        ),
      ]),
    ).toEqual([
      ['Source', 'Source: Source CodeCommit'],
      ['Build', 'Build: Build CodeBuild'],
      ['Canary', 'DeployCanary: Deploy ECS'],
      ['Verdict', 'Judge: Invoke Lambda', 'Approve: Approval Manual'],
      ['Stable', 'DeployStable: Deploy ECS'],
      ['Record', 'Record: Invoke Lambda'],
    ]);
  });

  test('judges before it asks a person, and shows them the verdict and both tracks', () => {
    const action = (name: string) => {
      const found = actions().find(({ Name }) => Name === name);
      if (found === undefined) throw new Error(`there is no action ${name}`);
      return found;
    };
    const [judge, approve] = [action('Judge'), action('Approve')];
    expect([judge.RunOrder, approve.RunOrder]).toEqual([1, 2]);
    expect(judge.Namespace).toBe('judge');
    expect(approve.Configuration.CustomData).toBe('#{judge.Message}');
    const dashboard = resource(stacks.pipeline, 'AWS::CloudWatch::Dashboard').logicalId;
    expect(joined(approve.Configuration.ExternalEntityLink)).toBe(
      `https://console.aws.amazon.com/cloudwatch/home?region=\${AWS::Region}#dashboards/dashboard/\${${dashboard}}`,
    );
  });

  test('says to the controller which action of which execution it is asked for', () => {
    const controller = { Ref: resource(stacks.pipeline, 'AWS::Lambda::Function').logicalId };
    const invoked = actions().filter(({ ActionTypeId }) => ActionTypeId.Provider === 'Lambda');
    expect(invoked.map(({ Configuration }) => Configuration)).toEqual(
      ['Judge', 'Record'].map((action) => ({
        FunctionName: controller,
        UserParameters: `{"executionId":"#{codepipeline.PipelineExecutionId}","action":"${action}"}`,
      })),
    );
  });

  test('hands each action an artifact that an earlier one made', () => {
    const made = new Set<string>();
    for (const { InputArtifacts, OutputArtifacts } of actions()) {
      for (const { Name } of InputArtifacts) expect(made).toContain(Name);
      for (const { Name } of OutputArtifacts) made.add(Name);
    }
    expect(made.size).toBe(2);
  });

  test('deploys the same image to the canary first and to stable later', () => {
    const [canary, stable] = actions().filter(({ ActionTypeId }) => ActionTypeId.Provider === 'ECS');
    expect(canary?.Configuration.ServiceName).toEqual({
      'Fn::GetAtt': [service('Canary').logicalId, 'Name'],
    });
    expect(stable?.Configuration.ServiceName).toEqual({
      'Fn::GetAtt': [service('Stable').logicalId, 'Name'],
    });
    expect(canary?.InputArtifacts).toEqual(stable?.InputArtifacts);
  });

  test('starts by event when main is pushed, and by nothing else', () => {
    expect(actions()[0]?.Configuration).toMatchObject({ BranchName: 'main', PollForSourceChanges: false });
    expect(resource(stacks.pipeline, 'AWS::Events::Rule', 'Pipeline').properties.EventPattern).toMatchObject({
      source: ['aws.codecommit'],
      'detail-type': ['CodeCommit Repository State Change'],
      detail: { referenceType: ['branch'], referenceName: ['main'] },
    });
  });

  test('keeps artifacts private, encrypted, behind TLS and for a limited time', () => {
    const bucket = resource(stacks.pipeline, 'AWS::S3::Bucket');
    expect(bucket.properties).toMatchObject({
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
      LifecycleConfiguration: { Rules: [{ ExpirationInDays: 30, Status: 'Enabled' }] },
    });
    expect(bucket.deletionPolicy).toBe('RetainExceptOnCreate');
    stacks.pipeline.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Action: 's3:*',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ]),
      },
    });
  });

  test('is created only when all its roles have their permissions, because it starts at once', () => {
    const { DependsOn } = stacks.pipeline.toJSON().Resources[
      resource(stacks.pipeline, 'AWS::CodePipeline::Pipeline').logicalId
    ] as { DependsOn: string[] };
    const policies = resources(stacks.pipeline, 'AWS::IAM::Policy')
      .map(({ logicalId }) => logicalId)
      .filter((logicalId) => logicalId.startsWith('Pipeline') && !logicalId.includes('Events'));
    expect(policies).toHaveLength(9);
    expect(DependsOn).toEqual(expect.arrayContaining(policies));
  });

  test('is created only when all that listens to it is in place, because it starts at once', () => {
    const { DependsOn } = stacks.pipeline.toJSON().Resources[
      resource(stacks.pipeline, 'AWS::CodePipeline::Pipeline').logicalId
    ] as { DependsOn: string[] };
    const listening = ['AWS::Lambda::Function', 'AWS::Lambda::Permission', 'AWS::Events::Rule'].flatMap(
      (type) => resources(stacks.pipeline, type).map(({ logicalId }) => logicalId),
    );
    const own = listening.filter((logicalId) => logicalId.startsWith('Controller'));
    expect(own).toHaveLength(13);
    expect(DependsOn).toEqual(expect.arrayContaining(own));
  });

  test('refuses a deployment timeout that CodePipeline would refuse', () => {
    expect(() => synthesize({ deploymentTimeout: Duration.hours(2) })).toThrow(/at most 60 minutes, got 120/);
  });

  test('asks for approval through a topic that takes nothing without TLS', () => {
    const topic = resource(stacks.pipeline, 'AWS::SNS::Topic').logicalId;
    expect(actions().find(({ Name }) => Name === 'Approve')?.Configuration.NotificationArn).toEqual({
      Ref: topic,
    });
    stacks.pipeline.hasResourceProperties('AWS::SNS::TopicPolicy', {
      Topics: [{ Ref: topic }],
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      },
    });
  });
});

describe('dashboard', () => {
  interface Widget {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly type: string;
    readonly properties: {
      readonly title: string;
      readonly query?: string;
      readonly metrics?: readonly (readonly unknown[])[];
      readonly yAxis?: { readonly left?: { readonly min: number } };
    };
  }
  const body = () => joined(resource(stacks.pipeline, 'AWS::CloudWatch::Dashboard').properties.DashboardBody);
  const widgets = (): Widget[] => JSON.parse(body()).widgets;
  const titled = (title: string): Widget => {
    const found = widgets().find(({ properties }) => properties.title === title);
    if (found === undefined) throw new Error(`no widget is titled ${title}`);
    return found;
  };
  /** What a widget draws: metrics as `name statistic`, mathematics as they are. */
  const drawn = (title: string) =>
    (titled(title).properties.metrics ?? []).map((line) => {
      const options = line.at(-1) as { expression?: string; stat?: string; visible?: boolean };
      return options.expression ?? `${line[1]} ${options.stat ?? 'Average'}`;
    });

  const both: readonly [what: string, draws: readonly string[]][] = [
    [
      'failed first deliveries (% of those that finished)',
      ['100 * failed / finished', 'FirstFailed Sum', 'FirstFinished Sum'],
    ],
    ['processing time (ms)', ['ProcessingTimeMs p50', 'ProcessingTimeMs p90', 'ProcessingTimeMs p99']],
    ['age of received messages (ms)', ['QueueAgeMs p50', 'QueueAgeMs p99']],
    ['running tasks', ['CPUUtilization SampleCount']],
  ];

  test.each(both)('shows %s of both tracks side by side, canary left, on axes from zero', (what, draws) => {
    const [canary, stable] = [titled(`Canary: ${what}`), titled(`Stable: ${what}`)];
    expect([canary.x, stable.x, canary.width, stable.width]).toEqual([0, 12, 12, 12]);
    expect(canary.y).toBe(stable.y);
    for (const track of ['Canary', 'Stable']) expect(drawn(`${track}: ${what}`)).toEqual(draws);
    for (const { properties } of [canary, stable]) expect(properties.yAxis?.left?.min).toBe(0);
  });

  test('reads each track from its own dimensions, in points of ten seconds that are obeyed', () => {
    for (const track of ['canary', 'stable'] as const) {
      const { metrics = [] } = titled(
        `${track === 'canary' ? 'Canary' : 'Stable'}: processing time (ms)`,
      ).properties;
      for (const line of metrics) {
        expect(line.slice(0, 1).concat(line.slice(2, -1))).toEqual([
          'QueueCanary',
          'App',
          'TestPipeline',
          'Track',
          track,
        ]);
        expect(line.at(-1)).toMatchObject({ period: 10 });
      }
    }
    expect(JSON.parse(body())).toMatchObject({ periodOverride: 'inherit', start: '-PT1H' });
  });

  test.each([
    [
      'outcomes (messages)',
      'sum(Received) as received, sum(Succeeded) as succeeded, sum(Failed) as failed, sum(TimedOut) as timedout, sum(Poisoned) as poisoned, sum(Expired) as expired, sum(Released) as released',
    ],
    [
      'messages in flight per task, and longest event-loop lag (ms)',
      'avg(InFlight) as inflight, max(LoopLagMs) as lag',
    ],
  ])('asks the logs of both tracks for %s, which is no metric', (what, fields) => {
    for (const track of ['Canary', 'Stable']) {
      const { query } = titled(`${track}: ${what}`).properties;
      expect(query).toContain(`Services${track}Logs`);
      expect(query).toContain(`filter QueueCanary = "outcomes"\n| stats ${fields} by bin(10s)`);
    }
  });

  test('draws the share that the canary receives across the share that its tasks are', () => {
    const title = 'Canary: share of the received messages, measured and by task count (%)';
    expect(titled(title)).toMatchObject({ x: 0, width: 24 });
    expect(drawn(title)).toEqual([
      '100 * FILL(measured_canary, 0) / (FILL(measured_canary, 0) + FILL(measured_stable, 0))',
      'Received Sum',
      'Received Sum',
      '100 * FILL(by_task_count_canary, 0) / (FILL(by_task_count_canary, 0) + FILL(by_task_count_stable, 0))',
      'CPUUtilization SampleCount',
      'CPUUtilization SampleCount',
    ]);
  });

  test('begins with the alarm and ends with the queue and the dead-letter queue', () => {
    expect(widgets()[0]).toMatchObject({ type: 'alarm', y: 0, width: 24 });
    const last = Math.max(...widgets().map(({ y }) => y));
    expect(
      widgets()
        .filter(({ y }) => y === last)
        .map(({ properties }) => properties.title),
    ).toEqual(['Queue: depth', 'Queue: age of oldest message (s)', 'Dead-letter queue: depth']);
  });

  test('shows only metrics that the worker runtime reports', () => {
    const metrics = readFileSync(
      join(import.meta.dirname, '..', '..', 'worker', 'src', 'reporting', 'metrics.ts'),
      'utf8',
    );
    const shown = new Set(
      widgets().flatMap(({ properties }) =>
        (properties.metrics ?? [])
          .filter(([namespace]) => namespace === 'QueueCanary')
          .map(([, name]) => name),
      ),
    );
    expect([...shown].sort()).toEqual([
      'FirstFailed',
      'FirstFinished',
      'ProcessingTimeMs',
      'QueueAgeMs',
      'Received',
    ]);
    for (const name of shown) expect(metrics).toContain(`'${name}'`);
  });
});
