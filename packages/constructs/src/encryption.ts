import { ArnFormat, Aws, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';

/** Prop of everything that can be encrypted with a key of yours. */
export interface EncryptionProps {
  /**
   * Key that encrypts what is stored: queues, topic, logs, images, artifacts and builds.
   *
   * The roles of this library get the permissions that they need. The key's own policy must let the services in that
   * act for nobody's role; a key that is made in the same CDK app gets that as well, an imported one needs it
   * beforehand (docs/security.md). Whoever sends to the queue needs `kms:GenerateDataKey` and `kms:Decrypt`. The key of an
   * image repository cannot be changed later: CloudFormation would replace the repository.
   *
   * @default - keys of AWS; the topic is not encrypted
   */
  readonly encryptionKey?: kms.IKey;
}

/** Prop of the stacks, to which a key that exists already can be named before there is a stack to import it into. */
export interface StackEncryptionProps extends EncryptionProps {
  /**
   * ARN of a key that exists already, instead of `encryptionKey`.
   *
   * @default - what `encryptionKey` says
   */
  readonly encryptionKeyArn?: string;
}

/** The key of a stack, or of a part of one. */
export function keyOf(
  scope: Construct,
  { encryptionKey, encryptionKeyArn }: StackEncryptionProps,
): EncryptionProps {
  if (encryptionKeyArn !== undefined) {
    if (encryptionKey !== undefined) throw new Error('give encryptionKey or encryptionKeyArn, not both');
    return { encryptionKey: kms.Key.fromKeyArn(scope, 'EncryptionKey', encryptionKeyArn) };
  }
  return encryptionKey === undefined ? {} : { encryptionKey };
}

/** Services that use the key by themselves, and what limits them to this account. */
const SERVICES = {
  /** Alarms that publish to an encrypted topic. */
  cloudwatch: 'cloudwatch.amazonaws.com',
  /** Rules that put what they cannot deliver into an encrypted queue. */
  events: 'events.amazonaws.com',
} as const;

/** Lets services use the key that act for no role; without effect on the policy of an imported key. */
export function allowServices(scope: Construct, key: kms.IKey, ...services: (keyof typeof SERVICES)[]): void {
  for (const service of services) {
    key.addToResourcePolicy(
      new iam.PolicyStatement({
        principals: [new iam.ServicePrincipal(SERVICES[service])],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
        resources: ['*'],
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    );
  }
  const stack = Stack.of(scope);
  key.addToResourcePolicy(
    new iam.PolicyStatement({
      principals: [new iam.ServicePrincipal(`logs.${Aws.REGION}.amazonaws.com`)],
      actions: ['kms:Encrypt*', 'kms:Decrypt*', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:Describe*'],
      resources: ['*'],
      conditions: {
        ArnLike: {
          'kms:EncryptionContext:aws:logs:arn': stack.formatArn({
            service: 'logs',
            resource: 'log-group',
            resourceName: '*',
            arnFormat: ArnFormat.COLON_RESOURCE_NAME,
          }),
        },
      },
    }),
  );
}

/** Lets a role read what is encrypted with the key, and write what shall be. */
export function allowUse(key: kms.IKey, role: iam.IRole): void {
  key.grant(role, 'kms:Decrypt', 'kms:DescribeKey', 'kms:Encrypt', 'kms:GenerateDataKey');
}

/** How a queue is encrypted. */
export function queueEncryption({
  encryptionKey,
}: EncryptionProps): Pick<sqs.QueueProps, 'encryption' | 'encryptionMasterKey'> {
  return encryptionKey === undefined
    ? { encryption: sqs.QueueEncryption.SQS_MANAGED }
    : { encryption: sqs.QueueEncryption.KMS, encryptionMasterKey: encryptionKey };
}
