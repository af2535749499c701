import { Stack, Token } from 'aws-cdk-lib';
import type * as ecr from 'aws-cdk-lib/aws-ecr';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import { NO_IMAGE_YET } from './names.ts';

/**
 * Where the worker's images come from: a `CanaryImage` builds them from commits, a `PublishedImage` takes those that
 * somebody else has pushed.
 */
export interface WorkerImage {
  /** Repository that holds the images. */
  readonly imageRepository: ecr.IRepository;
  /** Registry address of the image repository, without a tag. */
  readonly imageRepositoryUri: string;
  /** Parameter with the digest-form image URI for new task definitions; `none` before there is one. */
  readonly imageParameter: ssm.StringParameter;
  /** Its name, in letters: a stack whose parameter takes its value from Parameter Store must name it so. */
  readonly imageParameterName: string;
  /** CPU architecture of the images, and of the tasks that run them. */
  readonly architecture: ecs.CpuArchitecture;
}

/** Name of the parameter of this image. */
export function imageParameterName(image: Construct): string {
  const { stackName } = Stack.of(image);
  if (Token.isUnresolved(stackName)) {
    throw new Error(
      `the image parameter is named after the stack, and the name of this one is known only when it is deployed: put ${image.constructor.name} into a stack that is not nested`,
    );
  }
  return `/queue-canary/${stackName}/${image.node.id}`;
}

/**
 * The parameter of this image.
 *
 * Changing any property of it but its tags makes CloudFormation write its value again, which would forget the promoted
 * image. Leave it alone.
 */
export function imageParameter(image: Construct): ssm.StringParameter {
  return new ssm.StringParameter(image, 'ImageParameter', {
    parameterName: imageParameterName(image),
    stringValue: NO_IMAGE_YET,
  });
}
