import { defineResource, type ResourceContext, tagList, unlessMissing } from './resource-type.ts';
import { bucketNotifications, notificationConfiguration } from './s3-bucket-notifications.ts';
import { flag, list, number, object, oneOf, type Properties, required, tags, text } from './schema.ts';

const properties = {
  BucketName: text,
  AccessControl: oneOf('Private', 'BucketOwnerFullControl', 'LogDeliveryWrite'),
  BucketEncryption: object({
    ServerSideEncryptionConfiguration: required(
      list(
        object({
          BucketKeyEnabled: flag,
          ServerSideEncryptionByDefault: object({
            SSEAlgorithm: required(oneOf('AES256', 'aws:kms', 'aws:kms:dsse')),
            KMSMasterKeyID: text,
          }),
        }),
      ),
    ),
  }),
  LifecycleConfiguration: object({
    Rules: required(
      list(
        object({
          Id: text,
          Status: required(oneOf('Enabled', 'Disabled')),
          Prefix: text,
          ExpirationInDays: number,
          ExpiredObjectDeleteMarker: flag,
          NoncurrentVersionExpiration: object({
            NoncurrentDays: required(number),
            NewerNoncurrentVersions: number,
          }),
          NoncurrentVersionExpirationInDays: number,
          AbortIncompleteMultipartUpload: object({ DaysAfterInitiation: required(number) }),
        }),
      ),
    ),
  }),
  LoggingConfiguration: object({ DestinationBucketName: text, LogFilePrefix: text }),
  NotificationConfiguration: bucketNotifications,
  OwnershipControls: object({
    Rules: required(
      list(object({ ObjectOwnership: oneOf('BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter') })),
    ),
  }),
  PublicAccessBlockConfiguration: object({
    BlockPublicAcls: flag,
    BlockPublicPolicy: flag,
    IgnorePublicAcls: flag,
    RestrictPublicBuckets: flag,
  }),
  VersioningConfiguration: object({ Status: required(oneOf('Enabled', 'Suspended')) }),
  Tags: tags,
};
type Bucket = Properties<typeof properties>;

const nameOf = (context: ResourceContext, bucket: Bucket) =>
  bucket.BucketName ?? context.name({ longest: 63, lowerCase: true });

async function configure(context: ResourceContext, Bucket: string, bucket: Bucket): Promise<void> {
  if (bucket.BucketEncryption) {
    await context.call('s3', 'PutBucketEncryption', {
      Bucket,
      ServerSideEncryptionConfiguration: {
        Rules: bucket.BucketEncryption.ServerSideEncryptionConfiguration.map((rule) => ({
          ApplyServerSideEncryptionByDefault: rule.ServerSideEncryptionByDefault,
          BucketKeyEnabled: rule.BucketKeyEnabled,
        })),
      },
    });
  }
  if (bucket.PublicAccessBlockConfiguration) {
    await context.call('s3', 'PutPublicAccessBlock', {
      Bucket,
      PublicAccessBlockConfiguration: bucket.PublicAccessBlockConfiguration,
    });
  }
  if (bucket.OwnershipControls) {
    await context.call('s3', 'PutBucketOwnershipControls', {
      Bucket,
      OwnershipControls: {
        Rules: bucket.OwnershipControls.Rules.map(({ ObjectOwnership }) => ({ ObjectOwnership })),
      },
    });
  }
  if (bucket.VersioningConfiguration) {
    await context.call('s3', 'PutBucketVersioning', {
      Bucket,
      VersioningConfiguration: bucket.VersioningConfiguration,
    });
  }
  if (bucket.LifecycleConfiguration) {
    await context.call('s3', 'PutBucketLifecycleConfiguration', {
      Bucket,
      LifecycleConfiguration: { Rules: bucket.LifecycleConfiguration.Rules.map(lifecycleRule) },
    });
  }
  if (bucket.NotificationConfiguration) {
    await context.call('s3', 'PutBucketNotificationConfiguration', {
      Bucket,
      NotificationConfiguration: notificationConfiguration(bucket.NotificationConfiguration),
    });
  }
  if (bucket.LoggingConfiguration) {
    await context.call('s3', 'PutBucketLogging', {
      Bucket,
      BucketLoggingStatus: {
        LoggingEnabled: {
          TargetBucket: bucket.LoggingConfiguration.DestinationBucketName ?? Bucket,
          TargetPrefix: bucket.LoggingConfiguration.LogFilePrefix ?? '',
        },
      },
    });
  }
  const TagSet = tagList(context, bucket.Tags);
  if (TagSet) await context.call('s3', 'PutBucketTagging', { Bucket, Tagging: { TagSet } });
}

/** Takes from a bucket the settings that its template no longer has. */
async function unconfigure(
  context: ResourceContext,
  Bucket: string,
  before: Bucket,
  after: Bucket,
): Promise<void> {
  const gone = (property: keyof Bucket) => before[property] !== undefined && after[property] === undefined;
  if (gone('BucketEncryption')) await context.call('s3', 'DeleteBucketEncryption', { Bucket });
  if (gone('LifecycleConfiguration')) await context.call('s3', 'DeleteBucketLifecycle', { Bucket });
  if (gone('OwnershipControls')) await context.call('s3', 'DeleteBucketOwnershipControls', { Bucket });
  if (gone('PublicAccessBlockConfiguration')) await context.call('s3', 'DeletePublicAccessBlock', { Bucket });
  if (gone('NotificationConfiguration')) {
    await context.call('s3', 'PutBucketNotificationConfiguration', {
      Bucket,
      NotificationConfiguration: notificationConfiguration(),
    });
  }
  if (gone('LoggingConfiguration')) {
    await context.call('s3', 'PutBucketLogging', { Bucket, BucketLoggingStatus: {} });
  }
  if (gone('VersioningConfiguration')) {
    await context.call('s3', 'PutBucketVersioning', {
      Bucket,
      VersioningConfiguration: { Status: 'Suspended' },
    });
  }
}

type LifecycleRule = NonNullable<Bucket['LifecycleConfiguration']>['Rules'][number];

function lifecycleRule(rule: LifecycleRule) {
  const expiration = {
    ...(rule.ExpirationInDays === undefined ? {} : { Days: rule.ExpirationInDays }),
    ...(rule.ExpiredObjectDeleteMarker === undefined
      ? {}
      : { ExpiredObjectDeleteMarker: rule.ExpiredObjectDeleteMarker }),
  };
  const noncurrent =
    rule.NoncurrentVersionExpiration ??
    (rule.NoncurrentVersionExpirationInDays === undefined
      ? undefined
      : { NoncurrentDays: rule.NoncurrentVersionExpirationInDays });
  return {
    ID: rule.Id,
    Status: rule.Status,
    Filter: { Prefix: rule.Prefix ?? '' },
    Expiration: Object.keys(expiration).length === 0 ? undefined : expiration,
    NoncurrentVersionExpiration: noncurrent,
    AbortIncompleteMultipartUpload: rule.AbortIncompleteMultipartUpload,
  };
}

/** A bucket. As on AWS, one that still holds objects cannot be deleted. */
export const s3Bucket = defineResource('AWS::S3::Bucket', {
  properties,
  attributes: ['Arn', 'DomainName', 'DualStackDomainName', 'RegionalDomainName', 'WebsiteURL'],
  createOnly: ['BucketName'],
  identify: nameOf,
  exists: async (context, Bucket) =>
    (await unlessMissing(() => context.call('s3', 'HeadBucket', { Bucket }))) !== undefined,
  async create(context, bucket) {
    const name = nameOf(context, bucket);
    await context.call('s3', 'CreateBucket', { Bucket: name });
    await configure(context, name, bucket);
    return {
      id: name,
      attributes: {
        Arn: `arn:aws:s3:::${name}`,
        DomainName: `${name}.s3.amazonaws.com`,
        DualStackDomainName: `${name}.s3.dualstack.${context.region}.amazonaws.com`,
        RegionalDomainName: `${name}.s3.${context.region}.amazonaws.com`,
        WebsiteURL: `http://${name}.s3-website-${context.region}.amazonaws.com`,
      },
    };
  },
  async update(context, bucket, existing) {
    await configure(context, existing.id, bucket);
    await unconfigure(context, existing.id, existing.properties, bucket);
    const retagged = tagList(context, bucket.Tags);
    const before = tagList({ ...context, stackTags: existing.stackTags }, existing.properties.Tags);
    if (before && !retagged) await context.call('s3', 'DeleteBucketTagging', { Bucket: existing.id });
    return undefined;
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('s3', 'DeleteBucket', { Bucket: id }));
  },
});
