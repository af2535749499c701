import type { Operation } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input, OperationName, Output } from '../../sdk/services.ts';
import { type Bucket, type OfBucket, onBucket, type S3Store } from './store.ts';

/** Configurations without effect on the engine's own behaviour: stored, returned, and missing with AWS's error. */
const SETTINGS = {
  Encryption: {
    member: 'ServerSideEncryptionConfiguration',
    missing: 'ServerSideEncryptionConfigurationNotFoundError',
  },
  LifecycleConfiguration: { member: 'LifecycleConfiguration', missing: 'NoSuchLifecycleConfiguration' },
  OwnershipControls: { member: 'OwnershipControls', missing: 'OwnershipControlsNotFoundError' },
  Tagging: { member: 'Tagging', missing: 'NoSuchTagSet' },
  PublicAccessBlock: {
    member: 'PublicAccessBlockConfiguration',
    missing: 'NoSuchPublicAccessBlockConfiguration',
  },
  Logging: { member: 'BucketLoggingStatus', missing: undefined },
} as const;

/** Reads and changes what is kept of a bucket's settings, by one operation each. */
export class BucketSettings {
  readonly #store: S3Store;

  constructor(store: S3Store) {
    this.#store = store;
  }

  /** A stored configuration; refused with AWS's error when there is none, except where AWS answers without. */
  get<T>(input: OfBucket, name: keyof typeof SETTINGS): T | undefined {
    const { member, missing } = SETTINGS[name];
    const stored = this.#store.bucket(input).settings[name];
    if (stored === undefined && missing) throw new AwsFault(missing, `The bucket has no ${member}`, 404);
    return stored as T | undefined;
  }

  #on<I extends OfBucket, O>(action: string, run: (bucket: Bucket, input: I) => O): Operation<I, O> {
    return {
      actions: () => [action],
      resources: onBucket,
      run: (input) => run(this.#store.bucket(input), input),
    };
  }

  read<O extends OperationName<'s3'> & string>(
    _operation: O,
    name: keyof typeof SETTINGS,
    action: string,
  ): Operation<{ Bucket: string | undefined }, Output<'s3', O>> {
    const { member } = SETTINGS[name];
    return this.#on(
      action,
      (bucket) => ({ [member]: this.get({ Bucket: bucket.name }, name) }) as Output<'s3', O>,
    );
  }

  write<O extends OperationName<'s3'> & string>(
    _operation: O,
    name: keyof typeof SETTINGS,
    action: string,
  ): Operation<Input<'s3', O> & { Bucket: string | undefined }, Record<string, never>> {
    const { member } = SETTINGS[name];
    return this.#on(action, (bucket, input) => {
      const value = (input as Record<string, unknown>)[member];
      this.#store.buckets.put(bucket.name, { ...bucket, settings: { ...bucket.settings, [name]: value } });
      return {};
    });
  }

  /** As on AWS, dropping what is not there succeeds. */
  drop(
    name: keyof typeof SETTINGS,
    action: string,
  ): Operation<{ Bucket: string | undefined }, Record<string, never>> {
    return this.#on(action, (bucket) => {
      const { [name]: _dropped, ...settings } = bucket.settings;
      this.#store.buckets.put(bucket.name, { ...bucket, settings });
      return {};
    });
  }
}
