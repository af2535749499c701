import {
  ApplicationAutoScalingClient,
  DescribeScalableTargetsCommand,
  DescribeScalingPoliciesCommand,
} from '@aws-sdk/client-application-auto-scaling';
import {
  DescribeClustersCommand,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  ECS,
  ECSClient,
} from '@aws-sdk/client-ecs';
import { expect, test } from 'vitest';
import { CloudFormationWorld } from './cloudformation-world.ts';
import { CAPABLE, getAtt, outputs, ref, role } from './templates.ts';

test('AWS::ECS and AWS::ApplicationAutoScaling: cluster, revisions, service and its scaling', async () => {
  const world = await CloudFormationWorld.start();
  const ecs = new ECSClient(world.engine.client);
  const scaling = new ApplicationAutoScalingClient(world.engine.client);
  const template = (value: string) => ({
    Resources: {
      Cluster: {
        Type: 'AWS::ECS::Cluster',
        Properties: { ClusterSettings: [{ Name: 'containerInsights', Value: 'enabled' }] },
      },
      Role: role('ecs-tasks.amazonaws.com'),
      Task: {
        Type: 'AWS::ECS::TaskDefinition',
        Properties: {
          Family: 'workers',
          Cpu: 256,
          Memory: '512',
          NetworkMode: 'awsvpc',
          RequiresCompatibilities: ['FARGATE'],
          TaskRoleArn: getAtt('Role', 'Arn'),
          ContainerDefinitions: [
            {
              Name: 'worker',
              Image: 'none',
              Environment: [{ Name: 'VALUE', Value: value }],
              DockerLabels: { Team: 'blue' },
              StopTimeout: '20',
            },
          ],
        },
      },
      Service: {
        Type: 'AWS::ECS::Service',
        Properties: {
          Cluster: ref('Cluster'),
          TaskDefinition: ref('Task'),
          DesiredCount: 0,
          LaunchType: 'FARGATE',
          DeploymentConfiguration: {
            MaximumPercent: 200,
            MinimumHealthyPercent: 100,
            DeploymentCircuitBreaker: { Enable: true, Rollback: true },
          },
          NetworkConfiguration: {
            AwsvpcConfiguration: { Subnets: ['subnet-1'], AssignPublicIp: 'DISABLED' },
          },
        },
      },
      Target: {
        Type: 'AWS::ApplicationAutoScaling::ScalableTarget',
        Properties: {
          MinCapacity: 0,
          MaxCapacity: 5,
          ServiceNamespace: 'ecs',
          ScalableDimension: 'ecs:service:DesiredCount',
          ResourceId: { 'Fn::Join': ['/', ['service', ref('Cluster'), getAtt('Service', 'Name')]] },
        },
      },
      Step: {
        Type: 'AWS::ApplicationAutoScaling::ScalingPolicy',
        Properties: {
          PolicyName: 'wake',
          PolicyType: 'StepScaling',
          ScalingTargetId: ref('Target'),
          StepScalingPolicyConfiguration: {
            AdjustmentType: 'ExactCapacity',
            Cooldown: 60,
            StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }],
          },
        },
      },
    },
    Outputs: {
      Cluster: { Value: ref('Cluster') },
      Service: { Value: ref('Service') },
      Task: { Value: ref('Task') },
    },
  });
  const created = await world.create('app', template('one'), CAPABLE);
  expect(created.StackStatus).toBe('CREATE_COMPLETE');
  const { Cluster, Service, Task } = outputs(created);
  const updated = outputs(await world.update('app', template('two'), CAPABLE));
  expect(updated.Task).not.toBe(Task);
  const service = await ecs.send(new DescribeServicesCommand({ cluster: Cluster, services: [Service!] }));
  expect(service.services![0]).toMatchObject({ taskDefinition: updated.Task, desiredCount: 0 });
  const definition = await ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition: updated.Task }));
  expect(definition.taskDefinition).toMatchObject({
    family: 'workers',
    cpu: '256',
    containerDefinitions: [
      { environment: [{ name: 'VALUE', value: 'two' }], dockerLabels: { Team: 'blue' }, stopTimeout: 20 },
    ],
  });
  const old = await ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition: Task }));
  expect(old.taskDefinition!.status).toBe('INACTIVE');
  const targets = await scaling.send(new DescribeScalableTargetsCommand({ ServiceNamespace: 'ecs' }));
  expect(targets.ScalableTargets![0]).toMatchObject({ MaxCapacity: 5 });
  const policies = await scaling.send(new DescribeScalingPoliciesCommand({ ServiceNamespace: 'ecs' }));
  expect(policies.ScalingPolicies![0]!.PolicyName).toBe('wake');
  expect((await world.delete('app')).StackStatus).toBe('DELETE_COMPLETE');
  const clusters = await ecs.send(new DescribeClustersCommand({ clusters: [Cluster!] }));
  expect((clusters.clusters ?? []).filter(({ status }) => status === 'ACTIVE')).toEqual([]);
});

test('AWS::ECS::ClusterCapacityProviderAssociations: comes before the services that use it, and goes after them', async () => {
  const world = await CloudFormationWorld.start();
  const template = (associationNeeds: object, serviceNeeds: object) => ({
    Resources: {
      Cluster: { Type: 'AWS::ECS::Cluster', Properties: {} },
      Task: {
        Type: 'AWS::ECS::TaskDefinition',
        Properties: {
          Cpu: '256',
          Memory: '512',
          NetworkMode: 'awsvpc',
          RequiresCompatibilities: ['FARGATE'],
          ContainerDefinitions: [{ Name: 'worker', Image: 'none' }],
        },
      },
      Association: {
        Type: 'AWS::ECS::ClusterCapacityProviderAssociations',
        Properties: {
          Cluster: ref('Cluster'),
          CapacityProviders: ['FARGATE', 'FARGATE_SPOT'],
          DefaultCapacityProviderStrategy: [],
        },
        ...associationNeeds,
      },
      Service: {
        Type: 'AWS::ECS::Service',
        Properties: {
          Cluster: ref('Cluster'),
          TaskDefinition: ref('Task'),
          DesiredCount: 0,
          CapacityProviderStrategy: [{ CapacityProvider: 'FARGATE_SPOT', Weight: 1 }],
          NetworkConfiguration: { AwsvpcConfiguration: { Subnets: ['subnet-1'] } },
        },
        ...serviceNeeds,
      },
    },
    Outputs: { Cluster: { Value: ref('Cluster') } },
  });
  await world.create('late', template({ DependsOn: 'Service' }, {}));
  expect(await world.reason('late', 'Service', 'CREATE_FAILED')).toContain(
    'not associated with the cluster: FARGATE_SPOT',
  );
  const created = await world.create('app', template({}, { DependsOn: 'Association' }));
  expect(created.StackStatus).toBe('CREATE_COMPLETE');
  const cluster = outputs(created).Cluster!;
  const ecs = new ECS(world.engine.client);
  await expect(
    ecs.putClusterCapacityProviders({
      cluster,
      capacityProviders: ['FARGATE'],
      defaultCapacityProviderStrategy: [],
    }),
  ).rejects.toThrow('The specified capacity provider is in use and cannot be removed.');
  expect((await world.delete('app')).StackStatus).toBe('DELETE_COMPLETE');
});

test('AWS::ECS::Service: another capacity provider strategy needs another nonce, without which the update fails and is rolled back', async () => {
  const world = await CloudFormationWorld.start();
  const template = (capacityProvider: string, nonce?: string) => ({
    Resources: {
      Cluster: { Type: 'AWS::ECS::Cluster', Properties: { CapacityProviders: ['FARGATE', 'FARGATE_SPOT'] } },
      Task: {
        Type: 'AWS::ECS::TaskDefinition',
        Properties: {
          Cpu: '256',
          Memory: '512',
          NetworkMode: 'awsvpc',
          ContainerDefinitions: [{ Name: 'worker', Image: 'none' }],
        },
      },
      Service: {
        Type: 'AWS::ECS::Service',
        Properties: {
          Cluster: ref('Cluster'),
          TaskDefinition: ref('Task'),
          DesiredCount: 0,
          CapacityProviderStrategy: [{ CapacityProvider: capacityProvider, Weight: 1 }],
          NetworkConfiguration: { AwsvpcConfiguration: { Subnets: ['subnet-1'] } },
          ...(nonce === undefined
            ? {}
            : { ForceNewDeployment: { EnableForceNewDeployment: true, ForceNewDeploymentNonce: nonce } }),
        },
      },
    },
  });
  const update = async (capacityProvider: string, nonce?: string) =>
    (await world.update('app', template(capacityProvider, nonce), CAPABLE)).StackStatus;
  await world.create('app', template('FARGATE'), CAPABLE);
  expect(await update('FARGATE_SPOT')).toBe('UPDATE_ROLLBACK_COMPLETE');
  expect(await world.reason('app', 'Service', 'UPDATE_FAILED')).toMatch(/you must force a new deployment/);
  expect(await update('FARGATE_SPOT', 'spot')).toBe('UPDATE_COMPLETE');
  expect(await update('FARGATE', 'spot')).toBe('UPDATE_ROLLBACK_COMPLETE');
  expect(await update('FARGATE', 'on demand')).toBe('UPDATE_COMPLETE');
});

test('AWS::ECS::Service: tasks that cannot start fail the stack and leave nothing', async () => {
  const world = await CloudFormationWorld.start();
  const stack = await world.create('app', {
    Resources: {
      Cluster: { Type: 'AWS::ECS::Cluster' },
      Task: {
        Type: 'AWS::ECS::TaskDefinition',
        Properties: {
          Cpu: '256',
          Memory: '512',
          NetworkMode: 'awsvpc',
          RequiresCompatibilities: ['FARGATE'],
          ContainerDefinitions: [{ Name: 'worker', Image: 'nowhere.example/none:1' }],
        },
      },
      Service: {
        Type: 'AWS::ECS::Service',
        Properties: {
          Cluster: ref('Cluster'),
          TaskDefinition: ref('Task'),
          DesiredCount: 1,
          LaunchType: 'FARGATE',
          DeploymentConfiguration: { DeploymentCircuitBreaker: { Enable: true, Rollback: true } },
          NetworkConfiguration: { AwsvpcConfiguration: { Subnets: ['subnet-1'] } },
        },
      },
    },
  });
  expect(stack.StackStatus).toBe('ROLLBACK_COMPLETE');
  const reason = await world.reason('app', 'Service', 'CREATE_FAILED');
  expect(reason).toContain('ECS Deployment Circuit Breaker was triggered');
  expect(reason).toMatch(/The last task stopped: CannotPullContainerError.*nowhere\.example/);
});
