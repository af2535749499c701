const allow = (Action: string | readonly string[]) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action, Resource: '*' }],
});

const READ_OF_CLOUDFORMATION = [
  'cloudformation:Describe*',
  'cloudformation:EstimateTemplateCost',
  'cloudformation:Get*',
  'cloudformation:List*',
  'cloudformation:ValidateTemplate',
];

/**
 * AWS's own managed policies that templates of this system attach. A role that attaches another one gets no
 * permission from it, and attaching it fails, so that nothing is silently missing. Of `ReadOnlyAccess` there is what
 * reads the services that exist here.
 */
export const AWS_MANAGED_POLICIES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    AdministratorAccess: allow('*'),
    AWSCloudFormationReadOnlyAccess: allow(READ_OF_CLOUDFORMATION),
    ReadOnlyAccess: allow([
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
    ]),
    'service-role/AWSLambdaBasicExecutionRole': allow([
      'logs:CreateLogGroup',
      'logs:CreateLogStream',
      'logs:PutLogEvents',
    ]),
    'service-role/AmazonECSTaskExecutionRolePolicy': allow([
      'ecr:GetAuthorizationToken',
      'ecr:BatchCheckLayerAvailability',
      'ecr:GetDownloadUrlForLayer',
      'ecr:BatchGetImage',
      'logs:CreateLogStream',
      'logs:PutLogEvents',
    ]),
  }).map(([name, document]) => [`arn:aws:iam::aws:policy/${name}`, JSON.stringify(document)]),
);
