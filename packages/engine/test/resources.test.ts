import {
  CloudWatch,
  CloudWatchClient,
  DescribeAlarmsCommand,
  GetDashboardCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  CloudWatchLogs,
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  ListTagsForResourceCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { BatchGetProjectsCommand, CodeBuildClient } from '@aws-sdk/client-codebuild';
import { CodeCommit, CodeCommitClient, GetRepositoryCommand } from '@aws-sdk/client-codecommit';
import { CodePipelineClient, GetPipelineCommand } from '@aws-sdk/client-codepipeline';
import { DescribeSubnetsCommand, DescribeVpcsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { DescribeRepositoriesCommand, ECR, ECRClient, GetLifecyclePolicyCommand } from '@aws-sdk/client-ecr';
import { ECS } from '@aws-sdk/client-ecs';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import {
  GetRoleCommand,
  GetRolePolicyCommand,
  IAM,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
} from '@aws-sdk/client-iam';
import { Lambda } from '@aws-sdk/client-lambda';
import {
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand, SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { CloudFormationWorld } from './cloudformation-world.ts';
import { allow, CAPABLE, getAtt, outputs, ref, role } from './templates.ts';

test('AWS::IAM: roles, inline policies on them and managed policies follow the template', async () => {
  const world = await CloudFormationWorld.start();
  const iam = new IAMClient(world.engine.client);
  const template = (inline: string, action: string) => ({
    Resources: {
      Role: role('lambda.amazonaws.com', {
        Policies: [{ PolicyName: inline, PolicyDocument: allow('sqs:SendMessage') }],
        ManagedPolicyArns: [ref('Managed')],
      }),
      Policy: {
        Type: 'AWS::IAM::Policy',
        Properties: { PolicyName: 'extra', PolicyDocument: allow(action), Roles: [ref('Role')] },
      },
      Managed: { Type: 'AWS::IAM::ManagedPolicy', Properties: { PolicyDocument: allow(action) } },
    },
    Outputs: { Name: { Value: ref('Role') }, Arn: { Value: getAtt('Role', 'Arn') } },
  });
  const { Name, Arn } = outputs(await world.create('app', template('one', 's3:ListBucket'), CAPABLE));
  expect(Name).toMatch(/^app-Role-[A-Z2-7]{12}$/);
  const found = await iam.send(new GetRoleCommand({ RoleName: Name }));
  expect(found.Role!.Arn).toBe(Arn);
  await world.update('app', template('two', 's3:GetObject'), CAPABLE);
  const inline = await iam.send(new ListRolePoliciesCommand({ RoleName: Name }));
  expect(inline.PolicyNames!.sort()).toEqual(['extra', 'two']);
  const extra = await iam.send(new GetRolePolicyCommand({ RoleName: Name, PolicyName: 'extra' }));
  expect(decodeURIComponent(extra.PolicyDocument!)).toContain('s3:GetObject');
  const attached = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName: Name }));
  expect(attached.AttachedPolicies).toHaveLength(1);
  expect((await world.delete('app')).StackStatus).toBe('DELETE_COMPLETE');
  await expect(iam.send(new GetRoleCommand({ RoleName: Name }))).rejects.toThrow();
});

test('AWS::S3: a bucket with its settings and policy', async () => {
  const world = await CloudFormationWorld.start();
  const s3 = new S3Client({ ...world.engine.client, forcePathStyle: true });
  const template = (days: number) => ({
    Resources: {
      Bucket: {
        Type: 'AWS::S3::Bucket',
        Properties: {
          BucketEncryption: {
            ServerSideEncryptionConfiguration: [
              { ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } },
            ],
          },
          VersioningConfiguration: { Status: 'Enabled' },
          PublicAccessBlockConfiguration: { BlockPublicAcls: true },
          OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
          LifecycleConfiguration: {
            Rules: [
              {
                Status: 'Enabled',
                ExpirationInDays: days,
                AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
              },
            ],
          },
        },
      },
      Policy: {
        Type: 'AWS::S3::BucketPolicy',
        Properties: {
          Bucket: ref('Bucket'),
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [
              {
                Effect: 'Deny',
                Principal: '*',
                Action: 's3:*',
                Resource: getAtt('Bucket', 'Arn'),
                Condition: { Bool: { 'aws:SecureTransport': 'false' } },
              },
            ],
          },
        },
      },
    },
    Outputs: { Bucket: { Value: ref('Bucket') } },
  });
  const { Bucket } = outputs(await world.create('App', template(30)));
  expect(Bucket).toMatch(/^app-bucket-[a-z2-7]{12}$/);
  const encryption = await s3.send(new GetBucketEncryptionCommand({ Bucket }));
  expect(
    encryption.ServerSideEncryptionConfiguration!.Rules![0]!.ApplyServerSideEncryptionByDefault!.SSEAlgorithm,
  ).toBe('AES256');
  expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe('Enabled');
  expect((await s3.send(new GetBucketPolicyCommand({ Bucket }))).Policy).toContain('SecureTransport');
  await world.update('App', template(7));
  const lifecycle = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
  expect(lifecycle.Rules![0]!.Expiration!.Days).toBe(7);
  expect((await world.delete('App')).StackStatus).toBe('DELETE_COMPLETE');
});

test('AWS::SQS::QueuePolicy: is set on its queues and taken away again', async () => {
  const world = await CloudFormationWorld.start();
  const queue = { Type: 'AWS::SQS::Queue' };
  const policy = {
    Type: 'AWS::SQS::QueuePolicy',
    Properties: {
      Queues: [ref('Queue')],
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Service: 'events.amazonaws.com' },
            Action: 'sqs:SendMessage',
            Resource: getAtt('Queue', 'Arn'),
          },
        ],
      },
    },
  };
  const Outputs = { Url: { Value: ref('Queue') } };
  const { Url } = outputs(
    await world.create('app', { Resources: { Queue: queue, Policy: policy }, Outputs }),
  );
  const read = () =>
    world.sqs.send(new GetQueueAttributesCommand({ QueueUrl: Url, AttributeNames: ['Policy'] }));
  expect((await read()).Attributes!.Policy).toContain('events.amazonaws.com');
  await world.update('app', { Resources: { Queue: queue }, Outputs });
  expect((await read()).Attributes?.Policy ?? '').toBe('');
});

test('AWS::ECR, AWS::CodeCommit, AWS::CodeBuild: source, build and images', async () => {
  const world = await CloudFormationWorld.start();
  const ecr = new ECRClient(world.engine.client);
  const codecommit = new CodeCommitClient(world.engine.client);
  const codebuild = new CodeBuildClient(world.engine.client);
  const lifecycle = JSON.stringify({
    rules: [
      {
        rulePriority: 1,
        selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 5 },
        action: { type: 'expire' },
      },
    ],
  });
  const template = (description: string) => ({
    Resources: {
      Code: {
        Type: 'AWS::CodeCommit::Repository',
        Properties: { RepositoryName: 'code', RepositoryDescription: description },
      },
      Images: {
        Type: 'AWS::ECR::Repository',
        Properties: {
          ImageTagMutability: 'IMMUTABLE',
          ImageScanningConfiguration: { ScanOnPush: 'true' },
          LifecyclePolicy: { LifecyclePolicyText: lifecycle },
          EmptyOnDelete: true,
        },
      },
      Role: role('codebuild.amazonaws.com'),
      Build: {
        Type: 'AWS::CodeBuild::Project',
        Properties: {
          Description: description,
          ServiceRole: getAtt('Role', 'Arn'),
          Artifacts: { Type: 'NO_ARTIFACTS' },
          Source: {
            Type: 'CODECOMMIT',
            Location: getAtt('Code', 'CloneUrlHttp'),
            BuildSpec: 'buildspec.yml',
          },
          SourceVersion: 'main',
          Environment: {
            Type: 'LINUX_CONTAINER',
            ComputeType: 'BUILD_GENERAL1_SMALL',
            Image: 'aws/codebuild/standard:7.0',
            PrivilegedMode: true,
            EnvironmentVariables: [{ Name: 'REPOSITORY_URI', Value: getAtt('Images', 'RepositoryUri') }],
          },
        },
      },
    },
    Outputs: {
      Images: { Value: ref('Images') },
      Uri: { Value: getAtt('Images', 'RepositoryUri') },
      Build: { Value: ref('Build') },
      Clone: { Value: getAtt('Code', 'CloneUrlHttp') },
    },
  });
  const { Images, Uri, Build, Clone } = outputs(await world.create('App', template('first'), CAPABLE));
  const images = await ecr.send(new DescribeRepositoriesCommand({ repositoryNames: [Images!] }));
  expect(images.repositories![0]).toMatchObject({
    repositoryUri: Uri,
    imageTagMutability: 'IMMUTABLE',
    imageScanningConfiguration: { scanOnPush: true },
  });
  const policy = await ecr.send(new GetLifecyclePolicyCommand({ repositoryName: Images }));
  expect(JSON.parse(policy.lifecyclePolicyText!)).toEqual(JSON.parse(lifecycle));
  await world.update('App', template('second'), CAPABLE);
  const code = await codecommit.send(new GetRepositoryCommand({ repositoryName: 'code' }));
  expect(code.repositoryMetadata).toMatchObject({ cloneUrlHttp: Clone, repositoryDescription: 'second' });
  const { projects } = await codebuild.send(new BatchGetProjectsCommand({ names: [Build!] }));
  expect(projects![0]).toMatchObject({
    description: 'second',
    sourceVersion: 'main',
    source: { type: 'CODECOMMIT', location: Clone, buildspec: 'buildspec.yml' },
    environment: { environmentVariables: [{ name: 'REPOSITORY_URI', value: Uri }], privilegedMode: true },
  });
  expect((await world.delete('App')).StackStatus).toBe('DELETE_COMPLETE');
  await expect(codecommit.send(new GetRepositoryCommand({ repositoryName: 'code' }))).rejects.toThrow();
});

test('AWS::CloudWatch: an alarm on metric math and a dashboard', async () => {
  const world = await CloudFormationWorld.start();
  const cloudwatch = new CloudWatchClient(world.engine.client);
  const template = (threshold: number) => ({
    Resources: {
      Queue: { Type: 'AWS::SQS::Queue' },
      Alarm: {
        Type: 'AWS::CloudWatch::Alarm',
        Properties: {
          ComparisonOperator: 'GreaterThanOrEqualToThreshold',
          EvaluationPeriods: 1,
          Threshold: threshold,
          TreatMissingData: 'notBreaching',
          Metrics: [
            { Id: 'grown', Expression: 'IF(DIFF(visible) > 0, DIFF(visible), 0)', ReturnData: true },
            {
              Id: 'visible',
              ReturnData: false,
              MetricStat: {
                Period: 60,
                Stat: 'Maximum',
                Metric: {
                  Namespace: 'AWS/SQS',
                  MetricName: 'ApproximateNumberOfMessagesVisible',
                  Dimensions: [{ Name: 'QueueName', Value: getAtt('Queue', 'QueueName') }],
                },
              },
            },
          ],
        },
      },
      Dashboard: {
        Type: 'AWS::CloudWatch::Dashboard',
        Properties: {
          DashboardBody: {
            'Fn::Join': [
              '',
              ['{"widgets":[{"type":"alarm","properties":{"alarms":["', getAtt('Alarm', 'Arn'), '"]}}]}'],
            ],
          },
        },
      },
    },
    Outputs: { Alarm: { Value: ref('Alarm') }, Dashboard: { Value: ref('Dashboard') } },
  });
  const { Alarm, Dashboard } = outputs(await world.create('app', template(1)));
  await world.update('app', template(2));
  const { MetricAlarms } = await cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: [Alarm!] }));
  expect(MetricAlarms![0]).toMatchObject({ Threshold: 2, TreatMissingData: 'notBreaching' });
  expect(MetricAlarms![0]!.Metrics!.map(({ Id }) => Id).sort()).toEqual(['grown', 'visible']);
  const { DashboardBody } = await cloudwatch.send(new GetDashboardCommand({ DashboardName: Dashboard }));
  expect(DashboardBody).toContain(MetricAlarms![0]!.AlarmArn!);
  await world.delete('app');
  const left = await cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: [Alarm!] }));
  expect(left.MetricAlarms ?? []).toEqual([]);
});

test('AWS::CodePipeline::Pipeline: stages, artifacts and execution mode', async () => {
  const world = await CloudFormationWorld.start();
  const codepipeline = new CodePipelineClient(world.engine.client);
  const action = (Name: string, Category: string, Provider: string, extra: object) => ({
    Name,
    ActionTypeId: { Category, Owner: 'AWS', Provider, Version: '1' },
    RunOrder: 1,
    ...extra,
  });
  const template = (branch: string) => ({
    Resources: {
      Artifacts: { Type: 'AWS::S3::Bucket' },
      Code: { Type: 'AWS::CodeCommit::Repository', Properties: { RepositoryName: 'code' } },
      Role: role('codepipeline.amazonaws.com', {
        Policies: [{ PolicyName: 'all', PolicyDocument: allow('*') }],
      }),
      Pipeline: {
        Type: 'AWS::CodePipeline::Pipeline',
        Properties: {
          Name: ref('AWS::StackName'),
          RoleArn: getAtt('Role', 'Arn'),
          ArtifactStore: { Type: 'S3', Location: ref('Artifacts') },
          PipelineType: 'V2',
          ExecutionMode: 'SUPERSEDED',
          Stages: [
            {
              Name: 'Source',
              Actions: [
                action('Source', 'Source', 'CodeCommit', {
                  Configuration: {
                    RepositoryName: getAtt('Code', 'Name'),
                    BranchName: branch,
                    PollForSourceChanges: false,
                  },
                  OutputArtifacts: [{ Name: 'Source' }],
                }),
              ],
            },
            { Name: 'Verdict', Actions: [action('Approve', 'Approval', 'Manual', {})] },
          ],
        },
      },
    },
  });
  const stack = await world.create('release', template('main'), CAPABLE);
  expect(stack.StackStatus).toBe('CREATE_COMPLETE');
  await world.update('release', template('trunk'), CAPABLE);
  const { pipeline } = await codepipeline.send(new GetPipelineCommand({ name: 'release' }));
  expect(pipeline).toMatchObject({ executionMode: 'SUPERSEDED', pipelineType: 'V2', version: 2 });
  expect(pipeline!.stages!.map(({ name }) => name)).toEqual(['Source', 'Verdict']);
  expect(pipeline!.stages![0]!.actions![0]!.configuration).toEqual({
    RepositoryName: 'code',
    BranchName: 'trunk',
    PollForSourceChanges: 'false',
  });
  expect((await world.delete('release')).StackStatus).toBe('DELETE_COMPLETE');
});

test('AWS::EC2: networks are recorded, say so, and EC2 shows them', async () => {
  const world = await CloudFormationWorld.start();
  const ec2 = new EC2Client(world.engine.client);
  const stack = await world.create(
    'net',
    {
      Resources: {
        Vpc: { Type: 'AWS::EC2::VPC', Properties: { CidrBlock: '10.0.0.0/16' } },
        Subnet: {
          Type: 'AWS::EC2::Subnet',
          Properties: {
            VpcId: ref('Vpc'),
            CidrBlock: { 'Fn::Select': [1, { 'Fn::Cidr': [getAtt('Vpc', 'CidrBlock'), 2, 8] }] },
            AvailabilityZone: { 'Fn::Select': [1, { 'Fn::GetAZs': '' }] },
            Tags: [{ Key: 'Name', Value: 'private' }],
          },
        },
        Address: { Type: 'AWS::EC2::EIP', Properties: { Domain: 'vpc' } },
        Nat: {
          Type: 'AWS::EC2::NatGateway',
          Properties: { AllocationId: getAtt('Address', 'AllocationId'), SubnetId: ref('Subnet') },
        },
      },
      Outputs: { Vpc: { Value: ref('Vpc') }, Nat: { Value: ref('Nat') }, Ip: { Value: ref('Address') } },
    },
    { Tags: [{ Key: 'team', Value: 'blue' }] },
  );
  const { Vpc, Nat, Ip } = outputs(stack);
  expect(Nat).toMatch(/^nat-[0-9a-f]{17}$/);
  expect(Ip).toMatch(/^203\.0\.113\.\d+$/);
  expect(await world.reason('net', 'Vpc', 'CREATE_COMPLETE')).toContain('Recorded only');
  const vpcs = await ec2.send(new DescribeVpcsCommand({ Filters: [{ Name: 'tag:team', Values: ['bl*'] }] }));
  expect(vpcs.Vpcs!.map(({ VpcId }) => VpcId)).toEqual([Vpc]);
  const subnets = await ec2.send(
    new DescribeSubnetsCommand({ Filters: [{ Name: 'vpc-id', Values: [Vpc!] }] }),
  );
  expect(subnets.Subnets).toMatchObject([{ CidrBlock: '10.0.1.0/24', AvailabilityZone: 'us-east-1b' }]);
  await world.delete('net');
  const left = await ec2.send(new DescribeVpcsCommand({}));
  expect(left.Vpcs!.map(({ IsDefault }) => IsDefault)).toEqual([true]);
});

test('AWS::Logs::LogGroup: retention and tags', async () => {
  const world = await CloudFormationWorld.start();
  const logs = new CloudWatchLogsClient(world.engine.client);
  const template = (properties: object) => ({
    Resources: { Group: { Type: 'AWS::Logs::LogGroup', Properties: properties } },
    Outputs: { Name: { Value: ref('Group') }, Arn: { Value: getAtt('Group', 'Arn') } },
  });
  const { Name, Arn } = outputs(
    await world.create('app', template({ RetentionInDays: 7, Tags: [{ Key: 'team', Value: 'blue' }] })),
  );
  const read = async () =>
    (await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: Name }))).logGroups![0]!;
  expect(await read()).toMatchObject({ arn: Arn, retentionInDays: 7 });
  const { tags } = await logs.send(new ListTagsForResourceCommand({ resourceArn: Arn!.replace(/:\*$/, '') }));
  expect(tags).toEqual({ team: 'blue' });
  await world.update('app', template({ RetentionInDays: 30 }));
  expect((await read()).retentionInDays).toBe(30);
  await world.update('app', template({}));
  expect((await read()).retentionInDays).toBeUndefined();
  await world.delete('app');
  expect(
    (await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: Name }))).logGroups ?? [],
  ).toEqual([]);
});

test('tags of stack and template reach every resource, also when they change or go', async () => {
  const world = await CloudFormationWorld.start();
  const { client } = world.engine;
  const template = (Tags: Array<{ Key: string; Value: string }>) => ({
    Resources: {
      Alarm: {
        Type: 'AWS::CloudWatch::Alarm',
        Properties: {
          ComparisonOperator: 'GreaterThanThreshold',
          EvaluationPeriods: 1,
          Threshold: 1,
          Namespace: 'N',
          MetricName: 'M',
          Period: 60,
          Statistic: 'Sum',
          Tags,
        },
      },
      Cluster: { Type: 'AWS::ECS::Cluster', Properties: { Tags } },
      Code: { Type: 'AWS::CodeCommit::Repository', Properties: { RepositoryName: 'code', Tags } },
      Group: { Type: 'AWS::Logs::LogGroup', Properties: { Tags } },
      Images: { Type: 'AWS::ECR::Repository', Properties: { Tags } },
      Queue: { Type: 'AWS::SQS::Queue', Properties: { Tags } },
      Role: role('lambda.amazonaws.com', { Tags }),
      Function: {
        Type: 'AWS::Lambda::Function',
        Properties: {
          Role: getAtt('Role', 'Arn'),
          Runtime: 'nodejs24.x',
          Handler: 'index.handler',
          Code: { ZipFile: 'exports.handler = async () => 1' },
          Tags,
        },
      },
      Rule: {
        Type: 'AWS::Events::Rule',
        Properties: { ScheduleExpression: 'rate(5 minutes)', State: 'DISABLED', Tags },
      },
    },
    Outputs: Object.fromEntries(
      ['Alarm', 'Cluster', 'Code', 'Group', 'Images', 'Function', 'Rule']
        .map((id) => [id, { Value: getAtt(id, 'Arn') }])
        .concat([
          ['Queue', { Value: ref('Queue') }],
          ['Role', { Value: ref('Role') }],
        ] as never),
    ),
  });
  type Tag = { [K in 'Key' | 'Value' | 'key' | 'value']?: string | undefined };
  const read = async (arns: Record<string, string>) => {
    const pairs = (tags: Tag[] | undefined) =>
      Object.fromEntries((tags ?? []).map((tag) => [tag.Key ?? tag.key ?? '', tag.Value ?? tag.value ?? '']));
    const { Group, Function: fn, ...rest } = arns;
    return {
      Alarm: pairs((await new CloudWatch(client).listTagsForResource({ ResourceARN: rest.Alarm })).Tags),
      Cluster: pairs((await new ECS(client).listTagsForResource({ resourceArn: rest.Cluster })).tags),
      Code: (await new CodeCommit(client).listTagsForResource({ resourceArn: rest.Code })).tags,
      Function: (await new Lambda(client).listTags({ Resource: fn })).Tags,
      Group: (
        await new CloudWatchLogs(client).listTagsForResource({ resourceArn: Group!.replace(/:\*$/, '') })
      ).tags,
      Images: pairs((await new ECR(client).listTagsForResource({ resourceArn: rest.Images })).tags),
      Queue: (await new SQS(client).listQueueTags({ QueueUrl: rest.Queue })).Tags,
      Role: pairs((await new IAM(client).getRole({ RoleName: rest.Role })).Role!.Tags),
      Rule: pairs((await new EventBridge(client).listTagsForResource({ ResourceARN: rest.Rule })).Tags),
    };
  };
  const everywhere = (tags: Record<string, string>) =>
    Object.fromEntries(
      ['Alarm', 'Cluster', 'Code', 'Function', 'Group', 'Images', 'Queue', 'Role', 'Rule'].map((id) => [
        id,
        tags,
      ]),
    );
  const stack = (Value: string) => ({ ...CAPABLE, Tags: [{ Key: 'stack', Value }] });
  const arns = outputs(await world.create('app', template([{ Key: 'own', Value: 'a' }]), stack('one')));
  expect(await read(arns)).toEqual(everywhere({ stack: 'one', own: 'a' }));
  await world.update('app', template([{ Key: 'other', Value: 'b' }]), stack('two'));
  expect(await read(arns)).toEqual(everywhere({ stack: 'two', other: 'b' }));
});
