import type { Engine, Principal } from '../dispatch/service.ts';
import { AwsFault } from '../errors.ts';

/** Version of the bootstrap template that comes with the pinned CDK CLI. */
const BOOTSTRAP_VERSION = '33';
const QUALIFIER = 'hnb659fds';

interface BootstrapRole {
  readonly name: string;
  readonly trust: 'account' | 'cloudformation.amazonaws.com';
  readonly tag?: string;
  readonly managedPolicies?: readonly string[];
  readonly statements?: ReadonlyArray<{
    readonly Effect: 'Allow' | 'Deny';
    readonly Action: readonly string[];
    readonly Resource: string | readonly string[];
  }>;
}

const READ_OF_CLOUDFORMATION = [
  'cloudformation:Describe*',
  'cloudformation:EstimateTemplateCost',
  'cloudformation:Get*',
  'cloudformation:List*',
  'cloudformation:ValidateTemplate',
];

/** Services that the lookup role reads: those that a CDK context provider asks. */
const READ_FOR_LOOKUP = [
  ...READ_OF_CLOUDFORMATION,
  'ec2:Describe*',
  'ecr:Describe*',
  'ecs:Describe*',
  'ecs:List*',
  'iam:Get*',
  'iam:List*',
  'logs:Describe*',
  's3:Get*',
  's3:List*',
  'sqs:Get*',
  'sqs:List*',
  'ssm:Describe*',
  'ssm:Get*',
];

/**
 * What `cdk bootstrap` puts into an account: the staging bucket, the repository of image assets, five roles and the version parameter. Trust and permissions are those of the CDK's template; its managed policies
 * `AWSCloudFormationReadOnlyAccess` and `ReadOnlyAccess` are written out for the services that exist here.
 */
function bootstrapResources(accountId: string, region: string) {
  const named = (what: string) => `cdk-${QUALIFIER}-${what}-${accountId}-${region}`;
  const role = (what: string) => `arn:aws:iam::${accountId}:role/${named(what)}`;
  const bucket = named('assets');
  const repository = named('container-assets');
  const version = `/cdk-bootstrap/${QUALIFIER}/version`;
  const bucketArns = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  const roles: BootstrapRole[] = [
    {
      name: named('deploy-role'),
      trust: 'account',
      tag: 'deploy',
      statements: [
        {
          Effect: 'Allow',
          Action: [
            ...READ_OF_CLOUDFORMATION,
            'cloudformation:CreateChangeSet',
            'cloudformation:DeleteChangeSet',
            'cloudformation:ExecuteChangeSet',
            'cloudformation:CreateStack',
            'cloudformation:UpdateStack',
            'cloudformation:RollbackStack',
            'cloudformation:ContinueUpdateRollback',
            'cloudformation:DeleteStack',
            'cloudformation:UpdateTerminationProtection',
            'sts:GetCallerIdentity',
          ],
          Resource: '*',
        },
        { Effect: 'Allow', Action: ['iam:PassRole'], Resource: role('cfn-exec-role') },
        { Effect: 'Allow', Action: ['s3:GetObject*', 's3:GetBucket*', 's3:List*'], Resource: bucketArns },
        {
          Effect: 'Allow',
          Action: ['ssm:GetParameter', 'ssm:GetParameters'],
          Resource: `arn:aws:ssm:${region}:${accountId}:parameter${version}`,
        },
      ],
    },
    {
      name: named('file-publishing-role'),
      trust: 'account',
      tag: 'file-publishing',
      statements: [
        {
          Effect: 'Allow',
          Action: [
            's3:GetObject*',
            's3:GetBucket*',
            's3:GetEncryptionConfiguration',
            's3:List*',
            's3:DeleteObject*',
            's3:PutObject*',
            's3:Abort*',
          ],
          Resource: bucketArns,
        },
      ],
    },
    {
      name: named('image-publishing-role'),
      trust: 'account',
      tag: 'image-publishing',
      statements: [
        {
          Effect: 'Allow',
          Action: [
            'ecr:PutImage',
            'ecr:InitiateLayerUpload',
            'ecr:UploadLayerPart',
            'ecr:CompleteLayerUpload',
            'ecr:BatchCheckLayerAvailability',
            'ecr:DescribeRepositories',
            'ecr:DescribeImages',
            'ecr:BatchGetImage',
            'ecr:GetDownloadUrlForLayer',
          ],
          Resource: `arn:aws:ecr:${region}:${accountId}:repository/${repository}`,
        },
        { Effect: 'Allow', Action: ['ecr:GetAuthorizationToken'], Resource: '*' },
      ],
    },
    {
      name: named('lookup-role'),
      trust: 'account',
      tag: 'lookup',
      statements: [
        { Effect: 'Allow', Action: READ_FOR_LOOKUP, Resource: '*' },
        { Effect: 'Deny', Action: ['kms:Decrypt'], Resource: '*' },
      ],
    },
    {
      name: named('cfn-exec-role'),
      trust: 'cloudformation.amazonaws.com',
      managedPolicies: ['arn:aws:iam::aws:policy/AdministratorAccess'],
    },
  ];
  return { bucket, bucketArns, repository, roles, version };
}

/**
 * Makes the account look bootstrapped for the CDK, if it does not already. Each step may be repeated, and
 * the version parameter, which says that all is there, is written last.
 */
export async function seedBootstrap(engine: Engine, owner: Principal): Promise<void> {
  const { accountId, region } = engine;
  const { bucket, bucketArns, repository, roles, version } = bootstrapResources(accountId, region);
  const found = await engine.call(owner, 'ssm', 'GetParameters', { Names: [version] });
  if (found.Parameters?.[0]?.Value === BOOTSTRAP_VERSION) return;
  await Promise.all([
    seedBucket(engine, owner, bucket, bucketArns),
    unlessThere(
      engine.call(owner, 'ecr', 'CreateRepository', {
        repositoryName: repository,
        imageTagMutability: 'IMMUTABLE',
      }),
    ),
    ...roles.map((role) => seedRole(engine, owner, role)),
  ]);
  await engine.call(owner, 'ssm', 'PutParameter', {
    Name: version,
    Type: 'String',
    Value: BOOTSTRAP_VERSION,
    Overwrite: true,
  });
  engine.journal.append('cloudformation', 'account.bootstrapped', { version: BOOTSTRAP_VERSION, bucket });
}

async function seedBucket(
  engine: Engine,
  owner: Principal,
  bucket: string,
  bucketArns: readonly string[],
): Promise<void> {
  await unlessThere(engine.call(owner, 's3', 'CreateBucket', { Bucket: bucket }));
  await engine.call(owner, 's3', 'PutBucketVersioning', {
    Bucket: bucket,
    VersioningConfiguration: { Status: 'Enabled' },
  });
  await engine.call(owner, 's3', 'PutBucketEncryption', {
    Bucket: bucket,
    ServerSideEncryptionConfiguration: {
      Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
    },
  });
  await engine.call(owner, 's3', 'PutBucketPolicy', {
    Bucket: bucket,
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'AllowSSLRequestsOnly',
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:*',
          Resource: bucketArns,
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        },
      ],
    }),
  });
}

async function seedRole(engine: Engine, owner: Principal, role: BootstrapRole): Promise<void> {
  const principal = role.trust === 'account' ? { AWS: engine.accountId } : { Service: role.trust };
  await unlessThere(
    engine.call(owner, 'iam', 'CreateRole', {
      RoleName: role.name,
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: principal }],
      }),
      ...(role.tag === undefined ? {} : { Tags: [{ Key: 'aws-cdk:bootstrap-role', Value: role.tag }] }),
    }),
  );
  for (const PolicyArn of role.managedPolicies ?? []) {
    await engine.call(owner, 'iam', 'AttachRolePolicy', { RoleName: role.name, PolicyArn });
  }
  if (role.statements) {
    await engine.call(owner, 'iam', 'PutRolePolicy', {
      RoleName: role.name,
      PolicyName: 'default',
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: role.statements }),
    });
  }
}

const THERE_ALREADY = [
  'EntityAlreadyExists',
  'EntityAlreadyExistsException',
  'BucketAlreadyOwnedByYou',
  'RepositoryAlreadyExistsException',
];

async function unlessThere(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof AwsFault && THERE_ALREADY.includes(error.code))) throw error;
  }
}
