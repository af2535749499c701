import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { directoryOf } from '../../iam/roles.ts';
import type { Input } from '../../sdk/services.ts';
import { checkBucketPolicy } from './bucket-policy.ts';
import { onBucket, type S3Store } from './store.ts';

/** As many as ListBuckets returns at once. */
const BUCKETS_MAX = 10_000;

/** Buckets, their versioning and their policies. */
export function bucketOperations(engine: Engine, store: S3Store) {
  return {
    CreateBucket: { resources: onBucket, run: (input) => createBucket(engine, store, input) },
    DeleteBucket: {
      resources: onBucket,
      run: (input) => {
        const { name } = store.bucket(input);
        if (store.objects.list(name).length > 0) {
          throw new AwsFault('BucketNotEmpty', 'The bucket you tried to delete is not empty', 409, {
            BucketName: name,
          });
        }
        store.buckets.delete(name);
        return {};
      },
    },
    HeadBucket: {
      actions: () => ['s3:ListBucket'],
      resources: onBucket,
      run: (input) => {
        if (!store.buckets.has(input.Bucket ?? '')) throw new AwsFault('NotFound', 'Not Found', 404);
        store.bucket(input);
        return { BucketRegion: engine.region };
      },
    },
    ListBuckets: {
      actions: () => ['s3:ListAllMyBuckets'],
      run: (input) => listBuckets(engine, store, input),
    },
    GetBucketLocation: {
      resources: onBucket,
      run: (input) => {
        store.bucket(input);
        return {};
      },
    },
    GetBucketVersioning: {
      resources: onBucket,
      run: (input) => {
        const { versioning } = store.bucket(input);
        return versioning === undefined ? {} : { Status: versioning };
      },
    },
    PutBucketVersioning: {
      resources: onBucket,
      run: (input) => {
        const bucket = store.bucket(input);
        store.buckets.put(bucket.name, { ...bucket, versioning: input.VersioningConfiguration?.Status });
        return {};
      },
    },
    GetBucketPolicy: {
      resources: onBucket,
      run: (input) => {
        const { policy } = store.bucket(input);
        if (policy === undefined)
          throw new AwsFault('NoSuchBucketPolicy', 'The bucket policy does not exist', 404);
        return { Policy: policy };
      },
    },
    PutBucketPolicy: {
      resources: onBucket,
      run: (input) => {
        const bucket = store.bucket(input);
        const policy = checkBucketPolicy(input.Policy ?? '', bucket.name, directoryOf(engine));
        store.buckets.put(bucket.name, { ...bucket, policy });
        return {};
      },
    },
    DeleteBucketPolicy: {
      resources: onBucket,
      run: (input) => {
        const bucket = store.bucket(input);
        store.buckets.put(bucket.name, { ...bucket, policy: undefined });
        return {};
      },
    },
  } satisfies OperationTable<'s3'>;
}

function createBucket(engine: Engine, store: S3Store, input: Input<'s3', 'CreateBucket'>) {
  const name = input.Bucket ?? '';
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
    throw new AwsFault('InvalidBucketName', `The specified bucket is not valid: ${name}`);
  }
  const wanted = input.CreateBucketConfiguration?.LocationConstraint;
  if (wanted !== undefined && wanted !== engine.region) {
    throw new AwsFault(
      'IllegalLocationConstraintException',
      `The ${wanted} location constraint is incompatible for the region specific endpoint this request was sent to: the local engine is ${engine.region}.`,
    );
  }
  if (store.buckets.has(name)) {
    throw new AwsFault(
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
      409,
    );
  }
  store.buckets.put(name, {
    name,
    createdAtMs: engine.clock.nowMs(),
    versioning: undefined,
    policy: undefined,
    settings: {},
  });
  return { Location: `/${name}` };
}

function listBuckets(engine: Engine, store: S3Store, input: Input<'s3', 'ListBuckets'>) {
  const prefix = input.Prefix ?? '';
  const size = input.MaxBuckets ?? BUCKETS_MAX;
  if (!(size >= 1 && size <= BUCKETS_MAX)) {
    throw new AwsFault(
      'InvalidArgument',
      `Argument max-buckets must be an integer between 1 and ${BUCKETS_MAX}`,
    );
  }
  const elsewhere = input.BucketRegion !== undefined && input.BucketRegion !== engine.region;
  const listed = [...store.buckets.values()].filter(({ name }) => !elsewhere && name.startsWith(prefix));
  const { items, next } = page(
    listed,
    input.ContinuationToken,
    size,
    () => new AwsFault('InvalidArgument', 'The continuation token provided is incorrect'),
  );
  return {
    Buckets: items.map(({ name, createdAtMs }) => ({
      Name: name,
      CreationDate: new Date(createdAtMs),
      BucketRegion: engine.region,
    })),
    Owner: { ID: engine.accountId },
    Prefix: input.Prefix,
    ContinuationToken: next,
  };
}
