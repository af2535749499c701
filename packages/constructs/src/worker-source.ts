import { Aws, type RemovalPolicy, Token } from 'aws-cdk-lib';
import * as codecommit from 'aws-cdk-lib/aws-codecommit';
import type * as events from 'aws-cdk-lib/aws-events';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

/** Options of {@link WorkerSource.codeCommit}. */
export interface CodeCommitSourceProps {
  /**
   * A repository that there is already. Nothing of it is changed.
   *
   * @default - one is made
   */
  readonly repository?: codecommit.IRepository;

  /**
   * Name of the repository that is made. CloudFormation cannot generate one.
   *
   * @default - the name of the stack, so that copies of the stack do not collide
   */
  readonly repositoryName?: string;

  /**
   * Branch whose commits are built and released.
   *
   * @default - main
   */
  readonly branch?: string;
}

/** Options of {@link WorkerSource.connection}. */
export interface ConnectionSourceProps {
  /**
   * ARN of the connection (CodeConnections, formerly CodeStar Connections) to GitHub, GitLab, Bitbucket or Azure DevOps.
   * Whoever makes it completes it in the console; until then it is pending, and no release starts.
   */
  readonly connectionArn: string;

  /** The repository as the provider names it: `owner/name`; with groups or projects `group/subgroup/name`. */
  readonly repository: string;

  /**
   * Branch whose commits are built and released.
   *
   * @default - main
   */
  readonly branch?: string;
}

/** Options of {@link WorkerSource.bucket}. */
export interface BucketSourceProps {
  /**
   * A versioned bucket, which reports uploads to EventBridge. CDK switches that on for a bucket of the same app; an
   * imported one must do so already.
   */
  readonly bucket: s3.IBucket;

  /** Key of the zip with the worker's source. Each new version of it is built and released. */
  readonly key: string;
}

/** Options of {@link WorkerSource.bind}. */
export interface WorkerSourceBindOptions {
  /** What happens to a repository that is made, when the stack is deleted. */
  readonly removalPolicy: RemovalPolicy;
}

/** What a source is to the build and to the pipeline. */
export interface WorkerSourceConfig {
  /** Where the source is, in words. */
  readonly location: string;

  /**
   * The repository, if it is one of CodeCommit, from which the build can take commits without the pipeline.
   *
   * @default - the build takes its source from the pipeline
   */
  readonly codeRepository?: codecommit.IRepository;

  /**
   * The branch that is released.
   *
   * @default - the source has no branches
   */
  readonly branch?: string;

  /** Provider of the pipeline's source action: one of AWS's own, in version 1. */
  readonly provider: string;

  /** Configuration of that action. */
  readonly configuration: Readonly<Record<string, string | boolean>>;

  /** What the action's role may do with the source. */
  readonly permissions: readonly iam.PolicyStatement[];

  /**
   * The event that starts the pipeline.
   *
   * @default - CodePipeline itself notices what is new
   */
  readonly startedBy?: WorkerSourceEvent;
}

/** The event on which a release starts. */
export interface WorkerSourceEvent {
  /** What has happened, in words. */
  readonly description: string;
  /** What EventBridge looks for. */
  readonly eventPattern: events.EventPattern;
}

/** Where the worker's source comes from. Each new version of it is built and released. */
export abstract class WorkerSource {
  /** A CodeCommit repository. */
  static codeCommit(props: CodeCommitSourceProps = {}): WorkerSource {
    return new CodeCommitSource(props);
  }

  /** A repository of GitHub, GitLab, Bitbucket or Azure DevOps, by a connection of CodeConnections. */
  static connection(props: ConnectionSourceProps): WorkerSource {
    return new ConnectionSource(props);
  }

  /** A zip in an S3 bucket. */
  static bucket(props: BucketSourceProps): WorkerSource {
    return new BucketSource(props);
  }

  /** Makes what the source needs and lacks, in the scope of the image. */
  abstract bind(scope: Construct, options: WorkerSourceBindOptions): WorkerSourceConfig;
}

class CodeCommitSource extends WorkerSource {
  readonly #props: CodeCommitSourceProps;

  constructor(props: CodeCommitSourceProps) {
    super();
    if (props.repository !== undefined && props.repositoryName !== undefined) {
      throw new Error(
        'repositoryName is that of a repository that is made: leave it out where repository is given',
      );
    }
    this.#props = props;
  }

  bind(scope: Construct, options: WorkerSourceBindOptions): WorkerSourceConfig {
    const { branch = 'main' } = this.#props;
    const repository = this.#props.repository ?? this.#make(scope, options);
    return {
      location: `branch ${branch} of ${repository.repositoryName}`,
      codeRepository: repository,
      branch,
      provider: 'CodeCommit',
      configuration: {
        RepositoryName: repository.repositoryName,
        BranchName: branch,
        PollForSourceChanges: false,
      },
      permissions: [
        new iam.PolicyStatement({
          actions: [
            'codecommit:GetBranch',
            'codecommit:GetCommit',
            'codecommit:GetRepository',
            'codecommit:UploadArchive',
            'codecommit:GetUploadArchiveStatus',
            'codecommit:CancelUploadArchive',
          ],
          resources: [repository.repositoryArn],
        }),
      ],
      startedBy: {
        description: `A commit was pushed to ${branch}`,
        eventPattern: {
          source: ['aws.codecommit'],
          detailType: ['CodeCommit Repository State Change'],
          resources: [repository.repositoryArn],
          detail: {
            event: ['referenceCreated', 'referenceUpdated'],
            referenceType: ['branch'],
            referenceName: [branch],
          },
        },
      },
    };
  }

  #make(scope: Construct, { removalPolicy }: WorkerSourceBindOptions): codecommit.Repository {
    const repository = new codecommit.Repository(scope, 'Code', {
      repositoryName: this.#props.repositoryName ?? Aws.STACK_NAME,
      description: 'Source of the queue worker; a push starts a canary release',
    });
    repository.applyRemovalPolicy(removalPolicy);
    return repository;
  }
}

const CONNECTION = /^arn:[\w-]+:(codestar-connections|codeconnections):[\w-]+:\d{12}:connection\/[\w-]+$/;

class ConnectionSource extends WorkerSource {
  readonly #props: ConnectionSourceProps;

  constructor(props: ConnectionSourceProps) {
    super();
    const { connectionArn, repository } = props;
    if (!Token.isUnresolved(connectionArn) && !CONNECTION.test(connectionArn)) {
      throw new Error(
        `connectionArn must be the ARN of a connection (arn:aws:codeconnections:REGION:ACCOUNT:connection/ID; "aws codeconnections list-connections" lists them), not "${connectionArn}"`,
      );
    }
    if (!Token.isUnresolved(repository) && !/^[^\s/:]+(\/[^\s/:]+)+$/.test(repository)) {
      throw new Error(
        `repository must be named as owner/name, without the provider's address, not "${repository}"`,
      );
    }
    this.#props = props;
  }

  bind(): WorkerSourceConfig {
    const { connectionArn, repository, branch = 'main' } = this.#props;
    return {
      location: `branch ${branch} of ${repository}`,
      branch,
      provider: 'CodeStarSourceConnection',
      configuration: {
        ConnectionArn: connectionArn,
        FullRepositoryId: repository,
        BranchName: branch,
        DetectChanges: true,
      },
      // AWS has renamed the service: a connection is of either name, and so is the action that is asked for
      // (https://docs.aws.amazon.com/dtconsole/latest/userguide/rename.html).
      permissions: [
        new iam.PolicyStatement({
          actions: ['codeconnections:UseConnection', 'codestar-connections:UseConnection'],
          resources: [connectionArn],
        }),
      ],
    };
  }
}

class BucketSource extends WorkerSource {
  readonly #props: BucketSourceProps;

  constructor(props: BucketSourceProps) {
    super();
    const { bucket } = props;
    const made = bucket.node.defaultChild;
    if (made instanceof s3.CfnBucket && made.versioningConfiguration === undefined) {
      throw new Error(
        `CodePipeline takes sources from versioned buckets only: set versioned on ${bucket.node.path}`,
      );
    }
    this.#props = props;
  }

  bind(): WorkerSourceConfig {
    const { bucket, key } = this.#props;
    if (bucket instanceof s3.Bucket) bucket.enableEventBridgeNotification();
    return {
      location: bucket.s3UrlForObject(key),
      provider: 'S3',
      configuration: { S3Bucket: bucket.bucketName, S3ObjectKey: key, PollForSourceChanges: false },
      permissions: [
        ...readObject(bucket, key),
        new iam.PolicyStatement({
          actions: ['s3:GetBucketAcl', 's3:GetBucketLocation', 's3:GetBucketVersioning'],
          resources: [bucket.bucketArn],
        }),
        ...(bucket.encryptionKey === undefined
          ? []
          : [
              new iam.PolicyStatement({ actions: ['kms:Decrypt'], resources: [bucket.encryptionKey.keyArn] }),
            ]),
      ],
      startedBy: {
        description: `A version of ${key} was uploaded`,
        eventPattern: {
          source: ['aws.s3'],
          detailType: ['Object Created'],
          resources: [bucket.bucketArn],
          detail: { bucket: { name: [bucket.bucketName] }, object: { key: [key] } },
        },
      },
    };
  }
}

/** Reads an object as CDK lets its S3 source read: with the tags, which a copy of the object would take along. */
export function readObject(
  bucket: Pick<s3.IBucket, 'bucketArn' | 'arnForObjects'>,
  key: string,
): iam.PolicyStatement[] {
  return [
    new iam.PolicyStatement({
      actions: ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectTagging', 's3:GetObjectVersionTagging'],
      resources: [bucket.arnForObjects(key)],
    }),
    // Without it, S3 answers "Access Denied" for an object that does not exist
    // (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
    new iam.PolicyStatement({ actions: ['s3:ListBucket'], resources: [bucket.bucketArn] }),
  ];
}
