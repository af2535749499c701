import type { BuildOutputs } from '@queue-canary/core';
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { CanaryImage, type CanaryImageProps } from './canary-image.ts';
import { keyOf, type StackEncryptionProps } from './encryption.ts';
import { fixArchitecture } from './fixed-architecture.ts';

/** Options of {@link ImageStack}. */
export interface ImageStackProps extends StackProps, CanaryImageProps, StackEncryptionProps {}

/**
 * The first of the two stacks: source, build and images of the worker.
 *
 * {@link PipelineStack} follows, before or after the first image has been built.
 */
export class ImageStack extends Stack {
  /** The image that the pipeline stack releases. */
  readonly image: CanaryImage;

  constructor(scope: Construct, id: string, props: ImageStackProps = {}) {
    super(scope, id, props);
    this.image = new CanaryImage(this, 'Image', { ...props, ...keyOf(this, props) });
    fixArchitecture(this, this.image.architecture);
    const { codeRepository, branch, location } = this.image.source;
    const outputs: BuildOutputs = {
      ...(codeRepository === undefined
        ? { SourceLocation: location }
        : {
            RepositoryCloneUrlHttp: codeRepository.repositoryCloneUrlHttp,
            RepositoryName: codeRepository.repositoryName,
            BranchName: branch ?? 'main',
          }),
      BuildProjectName: this.image.buildProject.projectName,
      ImageRepositoryUri: this.image.imageRepositoryUri,
      ImageParameterName: this.image.imageParameter.parameterName,
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
  }
}
