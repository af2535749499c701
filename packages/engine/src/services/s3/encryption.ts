import type { ServerSideEncryption } from '@aws-sdk/client-s3';
import { AwsFault } from '../../errors.ts';
import type { ObjectEncryption } from './object-store.ts';

export interface EncryptionRequest {
  readonly ServerSideEncryption?: string | undefined;
  readonly SSEKMSKeyId?: string | undefined;
}

const ALGORITHMS: readonly string[] = ['AES256', 'aws:kms', 'aws:kms:dsse'];

/** What the request's headers ask for. Recorded: the engine keeps objects as they come. */
export function requestedEncryption(request: EncryptionRequest): ObjectEncryption | undefined {
  const { ServerSideEncryption: algorithm, SSEKMSKeyId: keyId } = request;
  if (algorithm === undefined) return undefined;
  if (!ALGORITHMS.includes(algorithm))
    throw new AwsFault('InvalidArgument', 'The encryption method specified is not supported', 400, {
      ArgumentName: 'x-amz-server-side-encryption',
      ArgumentValue: algorithm,
    });
  return keyId === undefined ? { algorithm } : { algorithm, keyId };
}

/** The bucket's own configuration, which counts where a request names nothing. */
export function defaultEncryption(configuration: unknown): ObjectEncryption | undefined {
  const { Rules } = (configuration ?? {}) as {
    Rules?: { ApplyServerSideEncryptionByDefault?: { SSEAlgorithm?: string; KMSMasterKeyID?: string } }[];
  };
  const { SSEAlgorithm: algorithm, KMSMasterKeyID: keyId } =
    Rules?.[0]?.ApplyServerSideEncryptionByDefault ?? {};
  return algorithm === undefined ? undefined : { algorithm, keyId };
}

/**
 * Condition keys of an upload, which have the request's headers and nothing of the bucket's configuration
 * (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html).
 */
export function encryptionConditions(request: EncryptionRequest): Record<string, string> {
  const { ServerSideEncryption: algorithm, SSEKMSKeyId: keyId } = request;
  return {
    ...(algorithm === undefined ? {} : { 's3:x-amz-server-side-encryption': algorithm }),
    ...(keyId === undefined ? {} : { 's3:x-amz-server-side-encryption-aws-kms-key-id': keyId }),
  };
}

/** As the answers show it: S3 encrypts everything, with keys of its own unless it is told otherwise. */
export function shownEncryption(encryption: ObjectEncryption | undefined): {
  ServerSideEncryption: ServerSideEncryption;
  SSEKMSKeyId?: string;
} {
  return {
    ServerSideEncryption: (encryption?.algorithm ?? 'AES256') as ServerSideEncryption,
    ...(encryption?.keyId === undefined ? {} : { SSEKMSKeyId: encryption.keyId }),
  };
}
