import type { ImageOutputs } from '@queue-canary/core';
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import type { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { fixArchitecture } from './fixed-architecture.ts';
import { PublishedImage } from './published-image.ts';

/** Options of {@link PublishedImageStack}. */
export interface PublishedImageStackProps extends StackProps {
  /** Name of the ECR repository, in the account and region of the stack, that a CI of yours pushes to. */
  readonly repositoryName: string;

  /**
   * CPU architecture that the images are built for; see {@link PublishedImageProps}.
   *
   * @default - ARM64, about a fifth cheaper on Fargate than x86
   */
  readonly architecture?: CpuArchitecture;
}

/**
 * The first of the two stacks where a CI of yours builds the images: it holds the image parameter and nothing else.
 *
 * {@link PipelineStack} follows.
 */
export class PublishedImageStack extends Stack {
  /** The image that the pipeline stack releases. */
  readonly image: PublishedImage;

  constructor(scope: Construct, id: string, props: PublishedImageStackProps) {
    super(scope, id, props);
    this.image = new PublishedImage(this, 'Image', {
      repository: ecr.Repository.fromRepositoryName(this, 'Repository', props.repositoryName),
      ...(props.architecture === undefined ? {} : { architecture: props.architecture }),
    });
    fixArchitecture(this, this.image.architecture);
    const outputs: ImageOutputs = {
      ImageRepositoryUri: this.image.imageRepositoryUri,
      ImageParameterName: this.image.imageParameter.parameterName,
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
  }
}
