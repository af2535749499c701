import type * as ecr from 'aws-cdk-lib/aws-ecr';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as ssm from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { imageParameter, imageParameterName, type WorkerImage } from './worker-image.ts';

/** Options of {@link PublishedImage}. */
export interface PublishedImageProps {
  /**
   * Repository that a CI of yours pushes the worker's images to. It stays yours: nothing here changes it. It must keep
   * the last good release's image, since tasks start from it at any time, and a rollback returns to it.
   */
  readonly repository: ecr.IRepository;

  /**
   * CPU architecture that the images are built for. A running system keeps its architecture until the change is asked
   * for with the parameter `Architecture`, after a release of an image that is built for both.
   *
   * @default - ARM64, about a fifth cheaper on Fargate than x86
   */
  readonly architecture?: ecs.CpuArchitecture;
}

/**
 * Images of the worker that somebody else builds and pushes. A release is asked for by naming one, with
 * `queue-canary release start --image`.
 *
 * It must be in another stack than the services, which is deployed before: CloudFormation reads the image parameter
 * before it makes anything of a stack that takes a value from it.
 */
export class PublishedImage extends Construct implements WorkerImage {
  /** Repository that holds the images. */
  readonly imageRepository: ecr.IRepository;
  /** Registry address of the image repository, without a tag. */
  readonly imageRepositoryUri: string;
  /** Parameter with the digest-form image URI for new task definitions; `none` before there is one. */
  readonly imageParameter: ssm.StringParameter;
  /** Its name, in letters: a stack whose parameter takes its value from Parameter Store must name it so. */
  readonly imageParameterName: string;
  /** CPU architecture of the images. */
  readonly architecture: ecs.CpuArchitecture;

  constructor(scope: Construct, id: string, { repository, architecture }: PublishedImageProps) {
    super(scope, id);
    this.imageRepository = repository;
    this.imageRepositoryUri = repository.repositoryUri;
    this.architecture = architecture ?? ecs.CpuArchitecture.ARM64;
    this.imageParameterName = imageParameterName(this);
    this.imageParameter = imageParameter(this);
  }
}
