import type { NotificationConfiguration } from '@aws-sdk/client-s3';
import type { OperationTable } from '../../dispatch/service.ts';
import type { Input } from '../../sdk/services.ts';
import { BucketSettings } from './bucket-settings.ts';
import type { BucketNotifications } from './notifications.ts';
import { onBucket, type S3Store } from './store.ts';

/** Settings of buckets: notifications, and what is recorded only. */
export function bucketSettingOperations(store: S3Store, notifications: BucketNotifications) {
  const settings = new BucketSettings(store);
  return {
    GetBucketEncryption: settings.read('GetBucketEncryption', 'Encryption', 's3:GetEncryptionConfiguration'),
    PutBucketEncryption: settings.write('PutBucketEncryption', 'Encryption', 's3:PutEncryptionConfiguration'),
    DeleteBucketEncryption: settings.drop('Encryption', 's3:PutEncryptionConfiguration'),
    GetBucketLifecycleConfiguration: {
      actions: () => ['s3:GetLifecycleConfiguration'],
      resources: onBucket,
      run: (input) => {
        const stored = settings.get<Input<'s3', 'PutBucketLifecycleConfiguration'>['LifecycleConfiguration']>(
          input,
          'LifecycleConfiguration',
        );
        return { Rules: stored?.Rules };
      },
    },
    PutBucketLifecycleConfiguration: settings.write(
      'PutBucketLifecycleConfiguration',
      'LifecycleConfiguration',
      's3:PutLifecycleConfiguration',
    ),
    DeleteBucketLifecycle: settings.drop('LifecycleConfiguration', 's3:PutLifecycleConfiguration'),
    GetPublicAccessBlock: settings.read(
      'GetPublicAccessBlock',
      'PublicAccessBlock',
      's3:GetBucketPublicAccessBlock',
    ),
    PutPublicAccessBlock: settings.write(
      'PutPublicAccessBlock',
      'PublicAccessBlock',
      's3:PutBucketPublicAccessBlock',
    ),
    DeletePublicAccessBlock: settings.drop('PublicAccessBlock', 's3:PutBucketPublicAccessBlock'),
    GetBucketOwnershipControls: settings.read(
      'GetBucketOwnershipControls',
      'OwnershipControls',
      's3:GetBucketOwnershipControls',
    ),
    PutBucketOwnershipControls: settings.write(
      'PutBucketOwnershipControls',
      'OwnershipControls',
      's3:PutBucketOwnershipControls',
    ),
    DeleteBucketOwnershipControls: settings.drop('OwnershipControls', 's3:PutBucketOwnershipControls'),
    GetBucketTagging: {
      resources: onBucket,
      run: (input) => settings.get<Input<'s3', 'PutBucketTagging'>['Tagging']>(input, 'Tagging')!,
    },
    PutBucketTagging: settings.write('PutBucketTagging', 'Tagging', 's3:PutBucketTagging'),
    DeleteBucketTagging: settings.drop('Tagging', 's3:PutBucketTagging'),
    GetBucketLogging: {
      resources: onBucket,
      run: (input) =>
        settings.get<Input<'s3', 'PutBucketLogging'>['BucketLoggingStatus']>(input, 'Logging') ?? {},
    },
    PutBucketLogging: settings.write('PutBucketLogging', 'Logging', 's3:PutBucketLogging'),
    GetBucketNotificationConfiguration: {
      actions: () => ['s3:GetBucketNotification'],
      resources: onBucket,
      run: (input) => (store.bucket(input).settings.Notification ?? {}) as NotificationConfiguration,
    },
    PutBucketNotificationConfiguration: {
      actions: () => ['s3:PutBucketNotification'],
      resources: onBucket,
      run: async (input, call) => {
        const { name } = store.bucket(input);
        const wanted = input.NotificationConfiguration ?? {};
        const unchecked = input.SkipDestinationValidation ?? false;
        const Notification = await notifications.accept(name, wanted, call, unchecked);
        const bucket = store.bucket(input);
        store.buckets.put(name, { ...bucket, settings: { ...bucket.settings, Notification } });
        return {};
      },
    },
  } satisfies OperationTable<'s3'>;
}
