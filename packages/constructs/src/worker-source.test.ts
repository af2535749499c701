import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as codecommit from 'aws-cdk-lib/aws-codecommit';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { beforeAll, describe, expect, test } from 'vitest';
import { quickApp } from '../test/quick-app.ts';
import {
  actionsOf,
  ensureControllerBundle,
  joined,
  resource,
  resources,
  statementsOf,
} from '../test/synthesize.ts';
import { ImageStack, PipelineStack, WorkerSource } from './index.ts';

beforeAll(ensureControllerBundle);

const CONNECTION = 'arn:aws:codeconnections:eu-west-1:123456789012:connection/0123-abcd';
const GITHUB = { connectionArn: CONNECTION, repository: 'team/orders' };

/** A system whose source a team has in a stack of its own, or elsewhere. */
function systemWith(sourceOf: (own: Stack) => WorkerSource) {
  const app = quickApp({ context: { '@aws-cdk/core:defaultCrossStackReferences': 'strong' } });
  const own = new Stack(app, 'Own');
  const imageStack = new ImageStack(app, 'OrdersImage', { source: sourceOf(own) });
  const pipelineStack = new PipelineStack(app, 'OrdersPipeline', { image: imageStack.image });
  return {
    own: Template.fromStack(own),
    image: Template.fromStack(imageStack),
    pipeline: Template.fromStack(pipelineStack),
  };
}

type System = ReturnType<typeof systemWith>;

interface Action {
  readonly ActionTypeId: object;
  readonly Configuration: object;
  readonly OutputArtifacts: object;
  readonly RoleArn: { readonly 'Fn::GetAtt': readonly [string, string] };
}

function sourceAction({ pipeline }: System): Action {
  const { Stages } = resource(pipeline, 'AWS::CodePipeline::Pipeline').properties as {
    Stages: readonly { readonly Actions: readonly Action[] }[];
  };
  return Stages[0]!.Actions[0]!;
}

function permissionsOf(system: System) {
  return statementsOf(system.pipeline, sourceAction(system).RoleArn['Fn::GetAtt'][0]);
}

/** The rules that start the pipeline. */
function starts({ pipeline }: System) {
  return resources(pipeline, 'AWS::Events::Rule').filter(({ properties }) =>
    JSON.stringify(properties.Targets).includes(':codepipeline:'),
  );
}

const build = ({ image }: System) =>
  resource(image, 'AWS::CodeBuild::Project').properties as { Source: object; Artifacts: object };
const outputs = ({ image }: System) => image.toJSON().Outputs as Record<string, { Value: unknown }>;
const made = ({ image }: System) => resources(image).map(({ type }) => type);

describe('a CodeCommit repository that there is', () => {
  const system = () =>
    systemWith((own) =>
      WorkerSource.codeCommit({
        repository: codecommit.Repository.fromRepositoryName(own, 'Repository', 'orders'),
        branch: 'release',
      }),
    );

  test('is what pipeline, build and command line use, with its branch', () => {
    const there = system();
    expect(made(there)).not.toContain('AWS::CodeCommit::Repository');
    expect(sourceAction(there).Configuration).toEqual({
      RepositoryName: 'orders',
      BranchName: 'release',
      PollForSourceChanges: false,
    });
    expect(build(there)).toMatchObject({ Source: { Type: 'CODECOMMIT' }, SourceVersion: 'release' });
    expect(outputs(there)).toMatchObject({
      RepositoryName: { Value: 'orders' },
      BranchName: { Value: 'release' },
    });
    expect(starts(there).map(({ properties }) => properties.EventPattern)).toMatchObject([
      { source: ['aws.codecommit'], detail: { referenceName: ['release'] } },
    ]);
  });

  test('has the name that it has', () => {
    const repository = codecommit.Repository.fromRepositoryName(new Stack(), 'Repository', 'orders');
    expect(() => WorkerSource.codeCommit({ repository, repositoryName: 'other' })).toThrow(
      /leave it out where repository is given/,
    );
  });
});

describe('a connection', () => {
  let system: System;
  beforeAll(() => {
    system = systemWith(() => WorkerSource.connection(GITHUB));
  });

  test('is the source action, which notices commits by itself', () => {
    expect(sourceAction(system)).toMatchObject({
      ActionTypeId: {
        Category: 'Source',
        Owner: 'AWS',
        Provider: 'CodeStarSourceConnection',
        Version: '1',
      },
      Configuration: {
        ConnectionArn: CONNECTION,
        FullRepositoryId: 'team/orders',
        BranchName: 'main',
        DetectChanges: true,
      },
      OutputArtifacts: [{ Name: 'Source' }],
    });
    expect(starts(system)).toEqual([]);
  });

  test('may be used by the action of that role, under both names of the service, and by nobody else', () => {
    const statements = permissionsOf(system);
    expect(statements.filter(({ Resource }) => Resource === CONNECTION)).toEqual([
      {
        Effect: 'Allow',
        Action: ['codeconnections:UseConnection', 'codestar-connections:UseConnection'],
        Resource: CONNECTION,
      },
    ]);
    expect(actionsOf(statements)).toEqual([
      'codeconnections:UseConnection',
      'codestar-connections:UseConnection',
      's3:GetBucketAcl',
      's3:GetBucketLocation',
      's3:GetBucketVersioning',
      's3:GetObject',
      's3:GetObjectVersion',
      's3:PutObject',
      's3:PutObjectAcl',
    ]);
    const policies = resources(system.pipeline, 'AWS::IAM::Policy').map(({ properties }) =>
      JSON.stringify(properties),
    );
    expect(policies.filter((policy) => policy.includes('UseConnection'))).toHaveLength(1);
  });

  test('leaves the build to take its source from the pipeline', () => {
    expect(build(system)).toMatchObject({
      Source: { Type: 'CODEPIPELINE' },
      Artifacts: { Type: 'CODEPIPELINE' },
    });
    expect(made(system)).not.toContain('AWS::CodeCommit::Repository');
    const role = resource(system.image, 'AWS::IAM::Role').logicalId;
    expect(actionsOf(statementsOf(system.image, role)).join()).not.toContain('codecommit');
  });

  test('is named to the command line instead of a repository', () => {
    expect(outputs(system).SourceLocation).toEqual({ Value: 'branch main of team/orders' });
    expect(outputs(system)).not.toHaveProperty('RepositoryName');
    expect(outputs(system)).toHaveProperty('BuildProjectName');
  });

  test.each([
    ['team/orders', 'an address of GitHub'],
    ['group/subgroup/orders', 'a group of GitLab'],
  ])('takes %s', (repository) => {
    expect(() => WorkerSource.connection({ ...GITHUB, repository })).not.toThrow();
  });

  test.each(['orders', 'https://github.com/team/orders', 'team/', 'team/the orders'])(
    'refuses the repository "%s"',
    (repository) => {
      expect(() => WorkerSource.connection({ ...GITHUB, repository })).toThrow(
        `repository must be named as owner/name, without the provider's address, not "${repository}"`,
      );
    },
  );

  test.each(['my-connection', 'arn:aws:iam::123456789012:role/github'])('refuses the ARN "%s"', (arn) => {
    expect(() => WorkerSource.connection({ ...GITHUB, connectionArn: arn })).toThrow(
      /^connectionArn must be the ARN of a connection \(arn:aws:codeconnections:.*list-connections/,
    );
  });
});

describe('a bucket', () => {
  test('starts a release with each version of one object, and is not changed', () => {
    const system = systemWith((own) =>
      WorkerSource.bucket({
        bucket: s3.Bucket.fromBucketName(own, 'Sources', 'team-sources'),
        key: 'orders/source.zip',
      }),
    );
    expect(system.own.toJSON()).not.toHaveProperty('Resources');
    expect(sourceAction(system)).toMatchObject({
      ActionTypeId: { Provider: 'S3' },
      Configuration: {
        S3Bucket: 'team-sources',
        S3ObjectKey: 'orders/source.zip',
        PollForSourceChanges: false,
      },
      OutputArtifacts: [{ Name: 'Source' }],
    });
    expect(starts(system).map(({ properties }) => properties.EventPattern)).toMatchObject([
      {
        source: ['aws.s3'],
        'detail-type': ['Object Created'],
        detail: { bucket: { name: ['team-sources'] }, object: { key: ['orders/source.zip'] } },
      },
    ]);
    expect(outputs(system).SourceLocation).toEqual({ Value: 's3://team-sources/orders/source.zip' });
    const reads = permissionsOf(system).filter(({ Action }) =>
      [Action].flat().includes('s3:GetObjectTagging'),
    );
    expect(reads.map(({ Resource }) => joined(Resource))).toEqual([
      `arn:\${AWS::Partition}:s3:::team-sources/orders/source.zip`,
    ]);
  });

  test('of the same app reports its uploads, and its key decrypts for the action', () => {
    const system = systemWith((own) =>
      WorkerSource.bucket({
        bucket: new s3.Bucket(own, 'Sources', {
          versioned: true,
          encryptionKey: new kms.Key(own, 'Key') as kms.IKey,
        }) as s3.IBucket,
        key: 'source.zip',
      }),
    );
    expect(resource(system.own, 'Custom::S3BucketNotifications').properties).toMatchObject({
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    });
    const decrypts = permissionsOf(system).filter(({ Action }) => Action === 'kms:Decrypt');
    expect(decrypts.map(({ Resource }) => joined(Resource))).toEqual([expect.stringContaining('Key')]);
  });

  test('of the same app must keep versions', () => {
    const bucket = new s3.Bucket(new Stack(quickApp(), 'Own'), 'Sources') as s3.IBucket;
    expect(() => WorkerSource.bucket({ bucket, key: 'source.zip' })).toThrow(
      'CodePipeline takes sources from versioned buckets only: set versioned on Own/Sources',
    );
  });
});
