import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  actionsOf,
  plainStacks,
  resource,
  resources,
  type Statement,
  type Synthesized,
  statementsOf,
  synthesize,
  workerQueue,
} from '../test/synthesize.ts';

let stacks: Synthesized;
beforeAll(async () => {
  stacks = await plainStacks();
});

const role = (prefix: string) => resource(stacks.pipeline, 'AWS::IAM::Role', prefix).logicalId;
const statements = (prefix: string) => statementsOf(stacks.pipeline, role(prefix));
const onAnything = (of: readonly Statement[]) => actionsOf(of.filter(({ Resource }) => Resource === '*'));
const resourcesOf = (of: readonly Statement[], action: string) =>
  JSON.stringify(of.filter(({ Action }) => [Action].flat().includes(action)).map(({ Resource }) => Resource));

describe('every role', () => {
  test('is allowed named actions only, and all resources only where AWS knows no resource', () => {
    const all = [stacks.image, stacks.pipeline].flatMap((template) =>
      resources(template, 'AWS::IAM::Policy').flatMap(
        ({ properties }) =>
          (properties as { PolicyDocument: { Statement: Statement[] } }).PolicyDocument.Statement,
      ),
    );
    expect(actionsOf(all).filter((action) => action.includes('*'))).toEqual([]);
    expect(onAnything(all)).toEqual([
      'application-autoscaling:RegisterScalableTarget',
      'codepipeline:PutJobFailureResult',
      'codepipeline:PutJobSuccessResult',
      'ecr:GetAuthorizationToken',
      'ecs:DescribeTaskDefinition',
      'ecs:ListTasks',
      'ecs:RegisterTaskDefinition',
      'lambda:ListFunctions',
    ]);
  });

  test('gets no managed policy, which would grow without us', () => {
    for (const template of [stacks.image, stacks.pipeline]) {
      for (const { properties } of resources(template, 'AWS::IAM::Role')) {
        expect(properties).not.toHaveProperty('ManagedPolicyArns');
      }
    }
  });

  test('is passed on to ECS tasks only', () => {
    for (const prefix of ['ControllerRole', 'PipelineCanaryActionRole', 'PipelineStableActionRole']) {
      const passing = statements(prefix).filter(({ Action }) => Action === 'iam:PassRole');
      expect(passing).toHaveLength(1);
      expect(passing[0]?.Condition).toEqual({
        StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' },
      });
    }
  });
});

test('no policy names a role as its principal, which IAM may not know yet when the role was just made', () => {
  const principals = [stacks.image, stacks.pipeline].flatMap((template) => [
    ...JSON.stringify(resources(template)).matchAll(/"Principal":(\{.*?\}+)/g),
  ]);
  expect(principals.length).toBeGreaterThan(10);
  expect(principals.map(([, principal = '']) => principal).filter((each) => each.includes('GetAtt'))).toEqual(
    [],
  );
});

describe('the worker', () => {
  test.each(['ServicesCanaryTaskRole', 'ServicesStableTaskRole'])(
    '%s consumes its queue and nothing else',
    (prefix) => {
      const queue = workerQueue(stacks.pipeline).logicalId;
      expect(statements(prefix)).toEqual([
        {
          Effect: 'Allow',
          Action: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility'],
          Resource: { 'Fn::GetAtt': [queue, 'Arn'] },
        },
      ]);
    },
  );

  test.each(['Canary', 'Stable'])(
    'of %s is started with the right to pull the image and write its own log',
    (track) => {
      const of = statements(`Services${track}ExecutionRole`);
      expect(actionsOf(of)).toEqual([
        'ecr:BatchCheckLayerAvailability',
        'ecr:BatchGetImage',
        'ecr:GetAuthorizationToken',
        'ecr:GetDownloadUrlForLayer',
        'logs:CreateLogStream',
        'logs:PutLogEvents',
      ]);
      expect(resourcesOf(of, 'logs:PutLogEvents')).toContain(`Services${track}Logs`);
    },
  );
});

describe('the pipeline', () => {
  const actionRoles = ['Source', 'Build', 'Canary', 'Judge', 'Approve', 'Stable', 'Record'].map(
    (action) => `Pipeline${action}ActionRole`,
  );

  test('may itself only take on the roles of its actions and use its bucket', () => {
    const of = statements('PipelineRole');
    expect(actionsOf(of).filter((action) => !action.startsWith('s3:'))).toEqual(['sts:AssumeRole']);
    const assumable = resourcesOf(of, 'sts:AssumeRole');
    for (const prefix of actionRoles) expect(assumable).toContain(role(prefix));
  });

  test('lets each reach only the artifacts that it makes or takes', () => {
    const build = resource(stacks.pipeline, 'AWS::IAM::Policy', 'PipelineBuildArtifacts').properties
      .PolicyDocument as { Statement: Statement[] };
    expect(resourcesOf(build.Statement, 's3:PutObject')).toContain('/*/Image/*');
    expect(resourcesOf(build.Statement, 's3:GetObject')).toContain('/*/Source/*');
    expect(resourcesOf(statements('PipelineSourceActionRole'), 's3:PutObject')).toContain('/*/Source/*');
    for (const track of ['Canary', 'Stable']) {
      const of = statements(`Pipeline${track}ActionRole`);
      expect(resourcesOf(of, 's3:GetObject')).toContain('/*/Image/*');
      expect(actionsOf(of)).not.toContain('s3:PutObject');
    }
  });

  test('is the only one that may take on those roles', () => {
    for (const prefix of actionRoles) {
      expect(
        resource(stacks.pipeline, 'AWS::IAM::Role', prefix).properties.AssumeRolePolicyDocument,
      ).toMatchObject({
        Statement: [
          {
            Action: 'sts:AssumeRole',
            Condition: { ArnEquals: { 'aws:PrincipalArn': { 'Fn::GetAtt': [role('PipelineRole'), 'Arn'] } } },
          },
        ],
      });
    }
  });

  test.each([
    ['Canary', 'Stable'],
    ['Stable', 'Canary'],
  ])('deploys to %s without being able to touch %s', (track, other) => {
    const of = statements(`Pipeline${track}ActionRole`);
    expect(JSON.stringify(of)).not.toContain(`Services${other}`);
    expect(resourcesOf(of, 'ecs:UpdateService')).toContain(`Services${track}Service`);
    expect(resourcesOf(of, 'iam:PassRole')).toMatch(
      new RegExp(`Services${track}TaskRole.*Services${track}ExecutionRole`),
    );
    expect(of).toContainEqual(
      expect.objectContaining({
        Action: 'ecs:ListTasks',
        Condition: {
          ArnEquals: {
            'ecs:cluster': {
              'Fn::GetAtt': [resource(stacks.pipeline, 'AWS::ECS::Cluster').logicalId, 'Arn'],
            },
          },
        },
      }),
    );
  });

  test('lets the approval only announce itself, and the build only be started and followed', () => {
    expect(actionsOf(statements('PipelineApproveActionRole'))).toEqual(['sns:Publish']);
    expect(actionsOf(statements('PipelineBuildActionRole'))).toEqual([
      'codebuild:BatchGetBuilds',
      'codebuild:StartBuild',
      'codebuild:StopBuild',
    ]);
  });

  test('lets judging and recording only invoke the controller', () => {
    for (const action of ['Judge', 'Record']) {
      const of = statements(`Pipeline${action}ActionRole`);
      expect(actionsOf(of)).toEqual(['lambda:InvokeFunction', 'lambda:ListFunctions']);
      expect(resourcesOf(of, 'lambda:InvokeFunction')).toBe(
        `[{"Fn::GetAtt":["${resource(stacks.pipeline, 'AWS::Lambda::Function').logicalId}","Arn"]}]`,
      );
    }
  });

  test('is started by events through a role that can do nothing else', () => {
    expect(actionsOf(statements('PipelineTargetEventsRole'))).toEqual([
      'codepipeline:StartPipelineExecution',
    ]);
  });
});

describe('the controller', () => {
  const controllerOf = (approval: 'manual' | 'automatic' | 'automatic-then-manual') => {
    const { pipeline } = synthesize({ approval });
    return statementsOf(pipeline, resource(pipeline, 'AWS::IAM::Role', 'ControllerRole').logicalId);
  };

  test('may call exactly the operations that its gateways call', () => {
    const others = [
      // For its own log, and for the queue of events that it fails on.
      ...['logs:CreateLogStream', 'logs:PutLogEvents', 'sqs:SendMessage'],
      // UpdateService and RegisterTaskDefinition ask for them.
      ...['iam:PassRole', 'ecs:TagResource'],
    ];
    const allowed = actionsOf(controllerOf('automatic')).filter((action) => !others.includes(action));
    expect(allowed).toEqual(operationsOfGateways());
  });

  test.each(['manual', 'automatic-then-manual'] as const)(
    'cannot approve or reject anything under %s, where a person must',
    (approval) => {
      expect(actionsOf(controllerOf(approval))).not.toContain('codepipeline:PutApprovalResult');
    },
  );

  test('answers its own approval action only, where a pass counts as an approval', () => {
    expect(resourcesOf(controllerOf('automatic'), 'codepipeline:PutApprovalResult')).toContain(
      '/Verdict/Approve',
    );
  });

  test('changes the two services, the release’s parameters and its own pipeline only', () => {
    const of = statements('ControllerRole');
    expect(resourcesOf(of, 'ecs:UpdateService')).toMatch(/ServicesCanaryService.*ServicesStableService/);
    expect(resourcesOf(of, 'codepipeline:DisableStageTransition')).toContain('/Canary');
    expect(resourcesOf(of, 'ssm:PutParameter')).toMatch(/ControllerRelease.*ImageParameter/);
  });

  test('reads the logs of the two services only', () => {
    const group = (track: string) => ({
      'Fn::GetAtt': [
        resource(stacks.pipeline, 'AWS::Logs::LogGroup', `Services${track}Logs`).logicalId,
        'Arn',
      ],
    });
    expect(statements('ControllerRole')).toContainEqual({
      Effect: 'Allow',
      Action: 'logs:FilterLogEvents',
      Resource: [group('Canary'), group('Stable')],
    });
  });

  test('sees the tasks of its own cluster only', () => {
    const of = statements('ControllerRole');
    const cluster = resource(stacks.pipeline, 'AWS::ECS::Cluster').logicalId;
    expect(of).toContainEqual({
      Effect: 'Allow',
      Action: 'ecs:ListTasks',
      Resource: '*',
      Condition: { ArnEquals: { 'ecs:cluster': { 'Fn::GetAtt': [cluster, 'Arn'] } } },
    });
    expect(resourcesOf(of, 'ecs:DescribeTasks')).toContain(`":task/",{"Ref":"${cluster}"},"/*"`);
  });
});

/** How IAM names a service, where that is not how the SDK does. */
const prefixes: Readonly<Record<string, string>> = {
  'application-auto-scaling': 'application-autoscaling',
  'cloudwatch-logs': 'logs',
};

/** IAM actions of the SDK commands in the controller's gateways, where action and operation share a name. */
function operationsOfGateways(): string[] {
  const gateways = join(import.meta.dirname, '..', '..', 'controller', 'src', 'gateways');
  const actions = new Set<string>();
  for (const file of readdirSync(gateways).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  )) {
    const source = readFileSync(join(gateways, file), 'utf8');
    for (const [, names, client = ''] of source.matchAll(
      /import \{([^}]+)\} from '@aws-sdk\/client-([a-z-]+)'/g,
    )) {
      for (const [, operation] of names?.matchAll(/\b([A-Z]\w+)Command\b(?!\w)/g) ?? []) {
        if (source.includes(`new ${operation}Command(`))
          actions.add(`${prefixes[client] ?? client}:${operation}`);
      }
    }
  }
  return [...actions].sort();
}
