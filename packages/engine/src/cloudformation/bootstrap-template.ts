import type { Json, JsonObject } from '../resources/schema.ts';

/** Version of the bootstrap template that comes with the pinned CDK CLI. */
const BOOTSTRAP_VERSION = '33';
const QUALIFIER = 'hnb659fds';

/** Name of the stack in which `cdk bootstrap` keeps what it makes. */
export const BOOTSTRAP_STACK = 'CDKToolkit';

const sub = (text: string): JsonObject => ({ 'Fn::Sub': text });
const arn = (logicalId: string): JsonObject => ({ 'Fn::GetAtt': [logicalId, 'Arn'] });
const named = (what: string) => sub(`cdk-${QUALIFIER}-${what}-\${AWS::AccountId}-\${AWS::Region}`);
const BUCKET_ARNS: Json = [arn('StagingBucket'), sub(`\${StagingBucket.Arn}/*`)];

interface Grant {
  readonly actions: readonly string[];
  readonly resource?: Json;
  readonly effect?: 'Allow' | 'Deny';
}

interface Permissions {
  readonly tag?: string;
  readonly trusts?: JsonObject;
  readonly managedPolicies?: readonly string[];
  readonly grants?: readonly Grant[];
}

function role(what: string, { tag, trusts, managedPolicies = [], grants = [] }: Permissions): JsonObject {
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      RoleName: named(what),
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Action: 'sts:AssumeRole',
            Principal: trusts ?? { AWS: { Ref: 'AWS::AccountId' } },
          },
        ],
      },
      ManagedPolicyArns: managedPolicies.map((name) => `arn:aws:iam::aws:policy/${name}`),
      ...(grants.length === 0
        ? {}
        : {
            Policies: [
              {
                PolicyName: 'default',
                PolicyDocument: {
                  Version: '2012-10-17',
                  Statement: grants.map(({ effect = 'Allow', actions, resource = '*' }) => ({
                    Effect: effect,
                    Action: [...actions],
                    Resource: resource,
                  })),
                },
              },
            ],
          }),
      ...(tag === undefined ? {} : { Tags: [{ Key: 'aws-cdk:bootstrap-role', Value: tag }] }),
    },
  };
}

const ROLES: JsonObject = {
  DeploymentActionRole: role('deploy-role', {
    tag: 'deploy',
    managedPolicies: ['AWSCloudFormationReadOnlyAccess'],
    grants: [
      {
        actions: [
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
      },
      { actions: ['iam:PassRole'], resource: arn('CloudFormationExecutionRole') },
      { actions: ['s3:GetObject*', 's3:GetBucket*', 's3:List*'], resource: BUCKET_ARNS },
      {
        actions: ['ssm:GetParameter', 'ssm:GetParameters'],
        resource: sub(`arn:aws:ssm:\${AWS::Region}:\${AWS::AccountId}:parameter\${CdkBootstrapVersion}`),
      },
    ],
  }),
  FilePublishingRole: role('file-publishing-role', {
    tag: 'file-publishing',
    grants: [
      {
        actions: [
          's3:GetObject*',
          's3:GetBucket*',
          's3:GetEncryptionConfiguration',
          's3:List*',
          's3:DeleteObject*',
          's3:PutObject*',
          's3:Abort*',
        ],
        resource: BUCKET_ARNS,
      },
    ],
  }),
  ImagePublishingRole: role('image-publishing-role', {
    tag: 'image-publishing',
    grants: [
      {
        actions: [
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
        resource: arn('ContainerAssetsRepository'),
      },
      { actions: ['ecr:GetAuthorizationToken'] },
    ],
  }),
  LookupRole: role('lookup-role', {
    tag: 'lookup',
    managedPolicies: ['ReadOnlyAccess'],
    grants: [{ effect: 'Deny', actions: ['kms:Decrypt'] }],
  }),
  CloudFormationExecutionRole: role('cfn-exec-role', {
    trusts: { Service: 'cloudformation.amazonaws.com' },
    managedPolicies: ['AdministratorAccess'],
  }),
};

/**
 * What `cdk bootstrap` puts into an account: the staging bucket, the repository of image assets, five roles and the version
 * parameter, under the logical ids of the CDK's template, so that bootstrapping again is an update. Trust and permissions are
 * those of that template, as far as they matter in one account.
 */
export const BOOTSTRAP_TEMPLATE: JsonObject = {
  Description: 'This stack includes resources needed to deploy AWS CDK apps into this environment',
  Resources: {
    StagingBucket: {
      Type: 'AWS::S3::Bucket',
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BucketName: named('assets'),
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
        },
        VersioningConfiguration: { Status: 'Enabled' },
      },
    },
    StagingBucketPolicy: {
      Type: 'AWS::S3::BucketPolicy',
      Properties: {
        Bucket: { Ref: 'StagingBucket' },
        PolicyDocument: {
          Version: '2012-10-17',
          Statement: [
            {
              Sid: 'AllowSSLRequestsOnly',
              Effect: 'Deny',
              Principal: '*',
              Action: 's3:*',
              Resource: BUCKET_ARNS,
              Condition: { Bool: { 'aws:SecureTransport': 'false' } },
            },
          ],
        },
      },
    },
    ContainerAssetsRepository: {
      Type: 'AWS::ECR::Repository',
      Properties: { RepositoryName: named('container-assets'), ImageTagMutability: 'IMMUTABLE' },
    },
    ...ROLES,
    CdkBootstrapVersion: {
      Type: 'AWS::SSM::Parameter',
      Properties: {
        Type: 'String',
        Name: `/cdk-bootstrap/${QUALIFIER}/version`,
        Value: BOOTSTRAP_VERSION,
      },
    },
  },
  Outputs: {
    BucketName: { Value: { Ref: 'StagingBucket' } },
    BucketDomainName: { Value: { 'Fn::GetAtt': ['StagingBucket', 'RegionalDomainName'] } },
    ImageRepositoryName: { Value: { Ref: 'ContainerAssetsRepository' } },
    BootstrapVersion: { Value: BOOTSTRAP_VERSION },
  },
};
