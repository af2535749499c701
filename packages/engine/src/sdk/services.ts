/**
 * The AWS services that the engine knows, and where the AWS SDK for JavaScript describes each of them. The
 * SDK's own schemas define every operation's input, output and errors: there is no second model.
 */
export interface SdkModules {
  'application-auto-scaling': typeof import('@aws-sdk/client-application-auto-scaling');
  cloudformation: typeof import('@aws-sdk/client-cloudformation');
  cloudwatch: typeof import('@aws-sdk/client-cloudwatch');
  codebuild: typeof import('@aws-sdk/client-codebuild');
  codecommit: typeof import('@aws-sdk/client-codecommit');
  codepipeline: typeof import('@aws-sdk/client-codepipeline');
  ec2: typeof import('@aws-sdk/client-ec2');
  ecr: typeof import('@aws-sdk/client-ecr');
  ecs: typeof import('@aws-sdk/client-ecs');
  events: typeof import('@aws-sdk/client-eventbridge');
  iam: typeof import('@aws-sdk/client-iam');
  lambda: typeof import('@aws-sdk/client-lambda');
  logs: typeof import('@aws-sdk/client-cloudwatch-logs');
  s3: typeof import('@aws-sdk/client-s3');
  secretsmanager: typeof import('@aws-sdk/client-secrets-manager');
  sns: typeof import('@aws-sdk/client-sns');
  sqs: typeof import('@aws-sdk/client-sqs');
  ssm: typeof import('@aws-sdk/client-ssm');
  sts: typeof import('@aws-sdk/client-sts');
}

export type ServiceName = keyof SdkModules;

type CommandName<S extends ServiceName, O extends string> = `${O}Command` & keyof SdkModules[S];

/** Names of a service's operations, as AWS names them. */
export type OperationName<S extends ServiceName> = keyof SdkModules[S] extends infer K
  ? K extends `${infer O}Command`
    ? O
    : never
  : never;

/** The SDK's input type of an operation. */
export type Input<S extends ServiceName, O extends string> = SdkModules[S][CommandName<S, O>] extends new (
  input: infer I,
) => unknown
  ? I
  : SdkModules[S][CommandName<S, O>] extends new (
        ...args: infer A
      ) => unknown
    ? NonNullable<A[0]>
    : never;

/** Streams and blob adapters of the client are plain bytes inside the engine. */
type Plain<R> = {
  [K in keyof Omit<R, '$metadata'>]: K extends 'Body' | 'Payload' ? Uint8Array | undefined : R[K & keyof R];
};

/** The SDK's output type of an operation, without the client's metadata. */
export type Output<S extends ServiceName, O extends string> = SdkModules[S][CommandName<S, O>] extends new (
  ...args: never[]
) => { resolveMiddleware(...args: never[]): (...args: never[]) => Promise<{ output: infer R }> }
  ? Plain<R>
  : never;

/** How a service is addressed on the wire and in IAM. */
export interface ServiceDescription {
  /** Loads the SDK client package whose root exports the schemas. Done on first use: EC2 alone is 60 MB. */
  readonly load: () => Promise<Record<string, unknown>>;
  /** Prefix of `x-amz-target` in the JSON protocols. */
  readonly target?: string;
  /** `json` services carry errors as JSON, `query` as XML, `rest-*` bind to paths and headers. */
  readonly protocol: 'json' | 'query' | 'ec2' | 'rest-json' | 'rest-xml';
  readonly jsonVersion?: '1.0' | '1.1';
  /** XML namespace of the Query and REST-XML protocols. */
  readonly xmlNamespace?: string;
  /** Service names in credential scopes (`Authorization` header). */
  readonly signingNames: readonly string[];
  /** Service name in the path of RPC v2 CBOR requests. */
  readonly cborName?: string;
  /** Prefix of IAM actions. */
  readonly iamPrefix: string;
  /** Error code of an IAM denial in this service's protocol. */
  readonly accessDeniedCode: string;
  /** Error code when a required member is missing. @default - `ValidationException`, or `ValidationError` for XML */
  readonly missingMemberCode?: string;
  /** Namespace in front of the codes of modelled errors in JSON. @default - none */
  readonly errorNamespace?: string;
  readonly endpointPrefix: string;
}

function json(
  load: () => Promise<Record<string, unknown>>,
  name: string,
  target: string,
  jsonVersion: '1.0' | '1.1' = '1.1',
  extra: Partial<ServiceDescription> = {},
): ServiceDescription {
  return {
    load,
    target,
    protocol: 'json',
    jsonVersion,
    signingNames: [name],
    iamPrefix: name,
    accessDeniedCode: 'AccessDeniedException',
    endpointPrefix: name,
    ...extra,
  };
}

function xml(
  load: () => Promise<Record<string, unknown>>,
  name: string,
  xmlNamespace: string,
  protocol: 'query' | 'ec2' | 'rest-xml' = 'query',
): ServiceDescription {
  return {
    load,
    protocol,
    xmlNamespace,
    signingNames: [name],
    iamPrefix: name,
    accessDeniedCode: protocol === 'ec2' ? 'UnauthorizedOperation' : 'AccessDenied',
    endpointPrefix: name,
  };
}

export const SERVICES: Readonly<Record<ServiceName, ServiceDescription>> = {
  'application-auto-scaling': json(
    () => import('@aws-sdk/client-application-auto-scaling'),
    'application-autoscaling',
    'AnyScaleFrontendService',
  ),
  cloudformation: xml(
    () => import('@aws-sdk/client-cloudformation'),
    'cloudformation',
    'http://cloudformation.amazonaws.com/doc/2010-05-15/',
  ),
  cloudwatch: json(
    () => import('@aws-sdk/client-cloudwatch'),
    'cloudwatch',
    'GraniteServiceVersion20100801',
    '1.0',
    {
      signingNames: ['monitoring'],
      cborName: 'GraniteServiceVersion20100801',
      endpointPrefix: 'monitoring',
      xmlNamespace: 'http://monitoring.amazonaws.com/doc/2010-08-01/',
    },
  ),
  codebuild: json(() => import('@aws-sdk/client-codebuild'), 'codebuild', 'CodeBuild_20161006', '1.1', {
    missingMemberCode: 'InvalidInputException',
  }),
  codecommit: json(() => import('@aws-sdk/client-codecommit'), 'codecommit', 'CodeCommit_20150413'),
  codepipeline: json(() => import('@aws-sdk/client-codepipeline'), 'codepipeline', 'CodePipeline_20150709'),
  ec2: xml(() => import('@aws-sdk/client-ec2'), 'ec2', 'http://ec2.amazonaws.com/doc/2016-11-15/', 'ec2'),
  ecr: json(() => import('@aws-sdk/client-ecr'), 'ecr', 'AmazonEC2ContainerRegistry_V20150921', '1.1', {
    missingMemberCode: 'InvalidParameterException',
  }),
  ecs: json(() => import('@aws-sdk/client-ecs'), 'ecs', 'AmazonEC2ContainerServiceV20141113', '1.1', {
    missingMemberCode: 'InvalidParameterException',
  }),
  events: json(() => import('@aws-sdk/client-eventbridge'), 'events', 'AWSEvents'),
  iam: xml(() => import('@aws-sdk/client-iam'), 'iam', 'https://iam.amazonaws.com/doc/2010-05-08/'),
  lambda: {
    load: () => import('@aws-sdk/client-lambda'),
    protocol: 'rest-json',
    signingNames: ['lambda'],
    iamPrefix: 'lambda',
    accessDeniedCode: 'AccessDeniedException',
    endpointPrefix: 'lambda',
  },
  logs: json(() => import('@aws-sdk/client-cloudwatch-logs'), 'logs', 'Logs_20140328', '1.1', {
    missingMemberCode: 'InvalidParameterException',
  }),
  s3: xml(() => import('@aws-sdk/client-s3'), 's3', 'http://s3.amazonaws.com/doc/2006-03-01/', 'rest-xml'),
  secretsmanager: json(() => import('@aws-sdk/client-secrets-manager'), 'secretsmanager', 'secretsmanager'),
  sns: {
    ...xml(() => import('@aws-sdk/client-sns'), 'sns', 'http://sns.amazonaws.com/doc/2010-03-31/'),
    accessDeniedCode: 'AuthorizationErrorException',
  },
  sqs: json(() => import('@aws-sdk/client-sqs'), 'sqs', 'AmazonSQS', '1.0', {
    xmlNamespace: 'http://queue.amazonaws.com/doc/2012-11-05/',
    errorNamespace: 'com.amazonaws.sqs',
  }),
  ssm: json(() => import('@aws-sdk/client-ssm'), 'ssm', 'AmazonSSM'),
  sts: xml(() => import('@aws-sdk/client-sts'), 'sts', 'https://sts.amazonaws.com/doc/2011-06-15/'),
};
