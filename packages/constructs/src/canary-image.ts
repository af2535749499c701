import { WORKER_CONTAINER } from '@queue-canary/core';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as ssm from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { allowServices, allowUse, type EncryptionProps } from './encryption.ts';
import { imageParameter, imageParameterName, type WorkerImage } from './worker-image.ts';
import { WorkerSource, type WorkerSourceConfig } from './worker-source.ts';

/** Options of {@link CanaryImage}. */
export interface CanaryImageProps extends EncryptionProps {
  /**
   * Where the worker's source comes from: CodeCommit, a connection to GitHub, GitLab, Bitbucket or Azure DevOps, or S3.
   *
   * @default - a CodeCommit repository that is made, branch main
   */
  readonly source?: WorkerSource;

  /**
   * CPU architecture of the image and of the tasks that run it. CodeBuild builds on the same
   * architecture, so nothing is emulated. A running system keeps its architecture until the change is asked for with
   * the parameter `Architecture`, after a release of an image that is built for both.
   *
   * @default - ARM64, about a fifth cheaper on Fargate than x86
   */
  readonly architecture?: ecs.CpuArchitecture;

  /**
   * How the image is built. One of the stack's own cannot be changed by a commit. It must export `IMAGE_DIGEST`, the
   * digest of the image that it pushed, and leave `imagedefinitions.json` as its artifact.
   *
   * @default - the repository's own buildspec.yml
   */
  readonly buildSpec?: codebuild.BuildSpec;

  /**
   * How many images the repository keeps; older ones expire.
   *
   * A task can only start while its image exists, and a rollback needs the image of the last good
   * release, so a limit must exceed the builds that can follow it without one that is promoted. ECR has no
   * rule that spares an image by what runs, so no limit is safe by itself.
   *
   * @default - every image that has a tag is kept; without one, which no release's image is, for a week
   */
  readonly imageCountMax?: number;

  /**
   * How long build logs are kept.
   *
   * @default - one year
   */
  readonly logRetention?: logs.RetentionDays;

  /**
   * What happens to the repositories that are made, of images and of source, when the stack is deleted. With `DESTROY`
   * all images and the commits go with it.
   *
   * @default - they are retained, but for what a failed first deployment made
   */
  readonly removalPolicy?: RemovalPolicy;
}

/**
 * Where the worker's source becomes its image: the source, by default a CodeCommit repository, a CodeBuild project that
 * runs its `buildspec.yml`, an ECR repository, and the parameter that names the image that task definitions start with.
 *
 * The build gets `REPOSITORY_URI` and `CONTAINER_NAME`, tags the image with the commit, exports its digest as
 * `IMAGE_DIGEST` and leaves `imagedefinitions.json`. Tags are immutable, so a digest and a commit stay one thing.
 */
export class CanaryImage extends Construct implements WorkerImage {
  /** The worker's source. */
  readonly source: WorkerSourceConfig;
  /** Repository that holds the built images. */
  readonly imageRepository: ecr.Repository;
  /** Project that builds a commit into an image. */
  readonly buildProject: codebuild.Project;
  /** Role of the build. */
  readonly buildRole: iam.Role;
  /** Parameter with the digest-form image URI for new task definitions; `none` before there is one. */
  readonly imageParameter: ssm.StringParameter;
  /** Its name, in letters: a stack whose parameter takes its value from Parameter Store must name it so. */
  readonly imageParameterName: string;
  /** CPU architecture of the image. */
  readonly architecture: ecs.CpuArchitecture;
  /** Registry address of the image repository, as ECR itself reports it. */
  readonly imageRepositoryUri: string;

  constructor(scope: Construct, id: string, props: CanaryImageProps = {}) {
    super(scope, id);
    const { encryptionKey } = props;
    const removalPolicy = props.removalPolicy ?? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;
    this.architecture = props.architecture ?? ecs.CpuArchitecture.ARM64;

    this.source = (props.source ?? WorkerSource.codeCommit()).bind(this, { removalPolicy });

    this.imageRepository = new ecr.Repository(this, 'Images', {
      imageTagMutability: ecr.TagMutability.IMMUTABLE,
      imageScanOnPush: true,
      ...(encryptionKey === undefined ? {} : { encryption: ecr.RepositoryEncryption.KMS, encryptionKey }),
      emptyOnDelete: removalPolicy === RemovalPolicy.DESTROY,
      removalPolicy,
    });
    // A build pushes under its commit and tags are immutable, so what has no tag is no release's image.
    this.imageRepository.addLifecycleRule({
      tagStatus: ecr.TagStatus.UNTAGGED,
      maxImageAge: Duration.days(7),
    });
    if (props.imageCountMax !== undefined) {
      this.imageRepository.addLifecycleRule({ maxImageCount: props.imageCountMax });
    }
    this.imageRepositoryUri = (this.imageRepository.node.defaultChild as ecr.CfnRepository).attrRepositoryUri;

    const buildLogs = new logs.LogGroup(this, 'BuildLogs', {
      retention: props.logRetention ?? logs.RetentionDays.ONE_YEAR,
      ...(encryptionKey === undefined ? {} : { encryptionKey }),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.buildRole = new iam.Role(this, 'BuildRole', {
      assumedBy: new iam.ServicePrincipal('codebuild.amazonaws.com'),
    });
    this.buildProject = buildProject(this, this.source, {
      description: 'Builds the queue worker',
      // Given its permissions below: CDK would add a log group that is not this project's.
      role: this.buildRole.withoutPolicyUpdates(),
      ...(props.buildSpec === undefined ? {} : { buildSpec: props.buildSpec }),
      environment: {
        ...buildMachine(this.architecture),
        computeType: codebuild.ComputeType.SMALL,
        privileged: true,
      },
      environmentVariables: {
        REPOSITORY_URI: { value: this.imageRepositoryUri },
        CONTAINER_NAME: { value: WORKER_CONTAINER },
      },
      logging: { cloudWatch: { logGroup: buildLogs } },
      grantReportGroupPermissions: false,
      ...(encryptionKey === undefined ? {} : { encryptionKey }),
    });
    if (encryptionKey !== undefined) {
      allowServices(this, encryptionKey);
      allowUse(encryptionKey, this.buildRole);
    }
    buildLogs.grantWrite(this.buildRole);
    this.source.codeRepository?.grantPull(this.buildRole);
    this.imageRepository.grantPullPush(this.buildRole);

    this.imageParameterName = imageParameterName(this);
    this.imageParameter = imageParameter(this);
  }
}

/** A project that takes the source from the pipeline, or from CodeCommit, where it can build the first image by itself. */
function buildProject(
  scope: Construct,
  { codeRepository, branch }: WorkerSourceConfig,
  props: codebuild.CommonProjectProps,
): codebuild.Project {
  if (codeRepository === undefined) return new codebuild.PipelineProject(scope, 'Build', props);
  const source = codebuild.Source.codeCommit({
    repository: codeRepository,
    ...(branch === undefined ? {} : { branchOrRef: branch }),
  });
  return new codebuild.Project(scope, 'Build', { ...props, source });
}

function buildMachine(architecture: ecs.CpuArchitecture): codebuild.BuildEnvironment {
  return {
    buildImage:
      architecture === ecs.CpuArchitecture.X86_64
        ? codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5
        : codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0,
  };
}
