import { RELEASE_REQUEST_KEY } from '@queue-canary/core';
import { NestedStack } from 'aws-cdk-lib';
import { Repository } from 'aws-cdk-lib/aws-ecr';
import { beforeAll, describe, expect, test } from 'vitest';
import { quickApp } from '../test/quick-app.ts';
import {
  actionsOf,
  ensureControllerBundle,
  joined,
  resource,
  resources,
  statementsOf,
  synthesizePublished,
} from '../test/synthesize.ts';
import { PublishedImage, PublishedImageStack } from './index.ts';

type Published = ReturnType<typeof synthesizePublished>;
let published: Published;

beforeAll(async () => {
  await ensureControllerBundle();
  published = synthesizePublished();
});

interface Stage {
  readonly Name: string;
  readonly Actions: readonly {
    readonly ActionTypeId: { readonly Provider: string };
    readonly Configuration: Record<string, unknown>;
    readonly OutputArtifacts?: unknown;
    readonly RoleArn: { readonly 'Fn::GetAtt': readonly [string, string] };
  }[];
}

function stagesOf({ pipeline }: Published): readonly Stage[] {
  return resource(pipeline, 'AWS::CodePipeline::Pipeline').properties.Stages as Stage[];
}

describe('a system whose images somebody else pushes', () => {
  test('has neither commits nor builds nor a repository of its own', () => {
    const types = [...resources(published.image), ...resources(published.pipeline)].map(({ type }) => type);
    expect(types.filter((type) => /CodeCommit|CodeBuild|::ECR::/.test(type))).toEqual([]);
    expect(resources(published.image).map(({ type }) => type)).toEqual(['AWS::SSM::Parameter']);
  });

  test('names its repository and parameter to the command line', () => {
    const { Outputs } = published.image.toJSON();
    expect(joined(Outputs.ImageRepositoryUri.Value)).toMatch(
      /^\$\{AWS::AccountId\}\.dkr\.ecr\..*\/team\/worker$/,
    );
    expect(Object.keys(Outputs)).toContain('ImageParameterName');
  });

  test('begins releases with a request, which is deployed as it is', () => {
    const stages = stagesOf(published);
    expect(stages.map(({ Name }) => Name)).toEqual(['Source', 'Canary', 'Verdict', 'Stable', 'Record']);
    expect(stages[0]?.Actions).toMatchObject([
      {
        ActionTypeId: { Provider: 'S3' },
        Configuration: {
          S3Bucket: { Ref: expect.stringContaining('Artifacts') },
          S3ObjectKey: RELEASE_REQUEST_KEY,
          PollForSourceChanges: false,
        },
        OutputArtifacts: [{ Name: 'Image' }],
      },
    ]);
  });

  test('starts by nothing but a call, so that no request is released twice', () => {
    const rules = resources(published.pipeline, 'AWS::Events::Rule');
    const targets = rules.map(({ properties }) => JSON.stringify(properties.Targets));
    expect(targets.filter((target) => target.includes(':codepipeline:'))).toEqual([]);
    expect(resource(published.pipeline, 'AWS::S3::Bucket').properties).not.toHaveProperty(
      'NotificationConfiguration',
    );
  });

  test('keeps versions of requests, and none of them longer than artifacts', () => {
    const { properties } = resource(published.pipeline, 'AWS::S3::Bucket');
    expect(properties).toMatchObject({
      VersioningConfiguration: { Status: 'Enabled' },
      LifecycleConfiguration: {
        Rules: [{ ExpirationInDays: 30, NoncurrentVersionExpiration: { NoncurrentDays: 30 } }],
      },
    });
  });

  test('lets the source read requests and write the artifact, and nothing else', () => {
    const [role] = stagesOf(published)[0]!.Actions[0]!.RoleArn['Fn::GetAtt'];
    const statements = statementsOf(published.pipeline, role);
    expect(actionsOf(statements)).toEqual([
      's3:GetBucketAcl',
      's3:GetBucketLocation',
      's3:GetBucketVersioning',
      's3:GetObject',
      's3:GetObjectTagging',
      's3:GetObjectVersion',
      's3:GetObjectVersionTagging',
      's3:ListBucket',
      's3:PutObject',
    ]);
    const writes = statements.filter(({ Action }) => [Action].flat().includes('s3:PutObject'));
    expect(writes.map(({ Resource }) => joined(Resource))).toEqual([
      expect.stringMatching(/\/\*\/Image\/\*$/),
    ]);
  });

  test('lets the tasks pull from the repository that is named', () => {
    const pulls = resources(published.pipeline, 'AWS::IAM::Policy').flatMap(({ properties }) =>
      JSON.stringify(properties).includes('ecr:BatchGetImage') ? [JSON.stringify(properties)] : [],
    );
    expect(pulls).toHaveLength(2);
    for (const policy of pulls) expect(policy).toContain(':repository/team/worker');
  });

  test('keeps its architecture until the change is asked for', () => {
    for (const template of [published.image, published.pipeline]) {
      expect(template.toJSON().Parameters.Architecture.Default).toBe('ARM64');
    }
  });
});

test('is refused in a nested stack, whose name is not known', () => {
  const stack = new PublishedImageStack(quickApp(), 'Image', { repositoryName: 'team/worker' });
  const nested = new NestedStack(stack, 'Nested');
  const repository = Repository.fromRepositoryName(nested, 'Repository', 'team/worker');
  expect(() => new PublishedImage(nested, 'Image', { repository })).toThrow(
    /put PublishedImage into a stack that is not nested/,
  );
});
