import type { ArtifactStore } from '@aws-sdk/client-codepipeline';
import { unzipSync } from 'fflate';
import type { Engine } from '../../dispatch/service.ts';
import type { Principal } from '../../iam/principal.ts';
import { ActionFailure } from './actions/action.ts';
import type { StoredArtifact } from './store.ts';

/** S3 metadata that says to a build which commit its source is; on AWS the services know it internally. */
const REVISION_METADATA = 'codepipeline-artifact-revision-id';

/** A place for an artifact that nothing was written to yet: `<pipeline>/<artifact>/<random>`, cut as AWS cuts names. */
export function newArtifact(
  engine: Engine,
  store: ArtifactStore | undefined,
  pipelineName: string,
  artifactName: string,
): StoredArtifact {
  const encryptionKey = store?.encryptionKey?.id;
  return {
    bucket: store?.location ?? '',
    ...(encryptionKey === undefined ? {} : { encryptionKey }),
    key: `${pipelineName.slice(0, 20)}/${artifactName.slice(0, 10)}/${engine.ids.suffix(7).toLowerCase()}`,
  };
}

/**
 * Writes an artifact's zip with the action's own permissions, encrypted with the store's key: without one, AWS's own
 * for S3 (https://docs.aws.amazon.com/codepipeline/latest/userguide/S3-artifact-encryption.html).
 */
export async function writeArtifact(
  engine: Engine,
  principal: Principal,
  artifact: StoredArtifact,
  zip: Uint8Array,
): Promise<void> {
  await engine.call(principal, 's3', 'PutObject', {
    Bucket: artifact.bucket,
    Key: artifact.key,
    Body: zip,
    ContentType: 'application/zip',
    ServerSideEncryption: 'aws:kms',
    ...(artifact.encryptionKey === undefined ? {} : { SSEKMSKeyId: artifact.encryptionKey }),
    ...(artifact.revision === undefined ? {} : { Metadata: { [REVISION_METADATA]: artifact.revision } }),
  });
}

/** One file of an artifact, read with the action's own permissions; undefined when the zip has no such file. */
export async function readArtifactFile(
  engine: Engine,
  principal: Principal,
  artifact: StoredArtifact,
  fileName: string,
): Promise<string | undefined> {
  const { Body } = await engine.call(principal, 's3', 'GetObject', {
    Bucket: artifact.bucket,
    Key: artifact.key,
  });
  if (!(Body instanceof Uint8Array)) throw new Error('S3 returned no body');
  const file = unzipped(Body, artifact, fileName);
  return file === undefined ? undefined : Buffer.from(file).toString('utf8');
}

function unzipped(
  zip: Uint8Array,
  { bucket, key }: StoredArtifact,
  fileName: string,
): Uint8Array | undefined {
  try {
    return unzipSync(zip, { filter: ({ name }) => name === fileName })[fileName];
  } catch (error) {
    throw new ActionFailure(
      'ConfigurationError',
      `The input artifact is not a ZIP file (${(error as Error).message}): bucket: ${bucket} key: ${key}`,
    );
  }
}
