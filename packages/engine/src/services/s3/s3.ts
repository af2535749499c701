import type { NotificationConfiguration } from '@aws-sdk/client-s3';
import type { Engine, Service } from '../../dispatch/service.ts';
import { bucketOperations } from './bucket-operations.ts';
import { bucketSettingOperations } from './bucket-setting-operations.ts';
import { copyOperations } from './copy-operations.ts';
import { listOperations } from './list-operations.ts';
import { multipartOperations } from './multipart-operations.ts';
import { BucketNotifications } from './notifications.ts';
import { objectOperations } from './object-operations.ts';
import { S3Store } from './store.ts';
import { tagOperations } from './tag-operations.ts';

/**
 * Simple Storage Service, path style: buckets, versions, tags, copies, multipart uploads and bucket policies.
 * Lifecycle rules, encryption and access logging are recorded only.
 */
export function createS3(engine: Engine): Service<'s3'> {
  const store = new S3Store(engine);
  const notifications = new BucketNotifications(
    engine,
    (name) => store.buckets.get(name)?.settings.Notification as NotificationConfiguration | undefined,
  );

  return {
    name: 's3',
    operations: {
      ...bucketOperations(engine, store),
      ...bucketSettingOperations(store, notifications),
      ...objectOperations(store, notifications),
      ...tagOperations(store, notifications),
      ...listOperations(store),
      ...multipartOperations(engine, store, notifications),
      ...copyOperations(store, notifications),
    },
    resourcePolicy: (arn) => store.buckets.get(arn.replace('arn:aws:s3:::', '').split('/')[0]!)?.policy,
    start: () => notifications.start(),
    stop: () => notifications.stop(),
  };
}
