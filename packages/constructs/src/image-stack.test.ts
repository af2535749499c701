import { SOURCE_OUTPUTS } from '@queue-canary/core';
import { RemovalPolicy } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { BuildSpec } from 'aws-cdk-lib/aws-codebuild';
import { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  actionsOf,
  normalised,
  plainStacks,
  resource,
  resources,
  type Synthesized,
  statementsOf,
  synthesize,
} from '../test/synthesize.ts';

let stacks: Synthesized;
beforeAll(async () => {
  stacks = await plainStacks();
});

describe('ImageStack', () => {
  test('outputs what the command line needs, under the agreed names', () => {
    for (const name of SOURCE_OUTPUTS) {
      stacks.image.hasOutput(name, { Value: Match.anyValue() });
    }
  });

  test('keeps a tag and a digest one thing, and scans what is pushed', () => {
    stacks.image.hasResourceProperties('AWS::ECR::Repository', {
      ImageTagMutability: 'IMMUTABLE',
      ImageScanningConfiguration: { ScanOnPush: true },
    });
  });

  test('says to the build where the image goes as ECR itself reports it, so that any registry host works', () => {
    const repository = resource(stacks.image, 'AWS::ECR::Repository').logicalId;
    stacks.image.hasResourceProperties('AWS::CodeBuild::Project', {
      Environment: {
        PrivilegedMode: true,
        EnvironmentVariables: Match.arrayWith([
          Match.objectLike({
            Name: 'REPOSITORY_URI',
            Value: { 'Fn::GetAtt': [repository, 'RepositoryUri'] },
          }),
          Match.objectLike({ Name: 'CONTAINER_NAME', Value: 'worker' }),
        ]),
      },
      Source: { Type: 'CODECOMMIT' },
      SourceVersion: 'main',
    });
    expect(resource(stacks.image, 'AWS::CodeBuild::Project').properties.Source).not.toHaveProperty(
      'BuildSpec',
    );
  });

  test('can be given a way to build that no commit changes', () => {
    const buildSpec = BuildSpec.fromObject({ version: '0.2', phases: { build: { commands: ['make'] } } });
    const { Source } = resource(synthesize({}, { buildSpec }).image, 'AWS::CodeBuild::Project').properties;
    expect((Source as { BuildSpec: string }).BuildSpec).toContain('make');
  });

  test('builds on the architecture that the tasks run on', () => {
    const build = (architecture: CpuArchitecture) =>
      resource(synthesize({}, { architecture }).image, 'AWS::CodeBuild::Project').properties.Environment;
    expect(build(CpuArchitecture.ARM64)).toMatchObject({ Type: 'ARM_CONTAINER' });
    expect(build(CpuArchitecture.X86_64)).toMatchObject({ Type: 'LINUX_CONTAINER' });
  });

  test('names no image before the first build', () => {
    expect(resource(stacks.image, 'AWS::SSM::Parameter').properties).toEqual({
      Name: '/queue-canary/TestImage/Image',
      Type: 'String',
      Value: 'none',
    });
  });

  test('lets the build pull the source, push the image and write its own log, and nothing else', () => {
    const statements = statementsOf(stacks.image, resource(stacks.image, 'AWS::IAM::Role').logicalId);
    expect(actionsOf(statements)).toEqual([
      'codecommit:GitPull',
      'ecr:BatchCheckLayerAvailability',
      'ecr:BatchGetImage',
      'ecr:CompleteLayerUpload',
      'ecr:GetAuthorizationToken',
      'ecr:GetDownloadUrlForLayer',
      'ecr:InitiateLayerUpload',
      'ecr:PutImage',
      'ecr:UploadLayerPart',
      'logs:CreateLogStream',
      'logs:PutLogEvents',
    ]);
    expect(actionsOf(statements.filter(({ Resource }) => Resource === '*'))).toEqual([
      'ecr:GetAuthorizationToken',
    ]);
  });

  test('retains source and images unless told to destroy them', () => {
    const policies = (removalPolicy?: RemovalPolicy) => {
      const { image } = synthesize({}, removalPolicy === undefined ? {} : { removalPolicy });
      return [
        ...resources(image, 'AWS::CodeCommit::Repository'),
        ...resources(image, 'AWS::ECR::Repository'),
      ].map(({ deletionPolicy, properties }) => [deletionPolicy, properties.EmptyOnDelete ?? false]);
    };
    expect(policies()).toEqual([
      ['RetainExceptOnCreate', false],
      ['RetainExceptOnCreate', false],
    ]);
    expect(policies(RemovalPolicy.DESTROY)).toEqual([
      ['Delete', false],
      ['Delete', true],
    ]);
  });

  test('expires no image that has a tag, which each release has, unless a limit is set', () => {
    const selections = (of: Synthesized) => {
      const { properties } = resource(of.image, 'AWS::ECR::Repository');
      const { LifecyclePolicyText } = properties.LifecyclePolicy as { LifecyclePolicyText: string };
      const { rules } = JSON.parse(LifecyclePolicyText) as { rules: { selection: unknown }[] };
      return rules.map(({ selection }) => selection);
    };
    const untagged = expect.objectContaining({ tagStatus: 'untagged', countNumber: 7, countUnit: 'days' });
    expect(selections(stacks)).toEqual([untagged]);
    expect(selections(synthesize({}, { imageCountMax: 50 }))).toEqual([
      untagged,
      expect.objectContaining({ tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 50 }),
    ]);
  });

  test('is made of these resources', () => {
    expect(normalised(stacks.image)).toMatchSnapshot();
  });
});
