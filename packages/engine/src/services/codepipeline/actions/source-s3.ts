import { AwsFault } from '../../../errors.ts';
import { writeArtifact } from '../artifacts.ts';
import { type ActionContext, ActionFailure, type Executor } from './action.ts';

/** Metadata of the object in which whoever uploads it says what it is. */
const SUMMARY_METADATA = 'codepipeline-artifact-revision-summary';

/**
 * Source from S3: the newest version of the object at the moment the action starts, or the version that the caller
 * chose for this execution, as it is. Actions that expect a zip fail with anything else
 * (https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html).
 */
export const s3Source: Executor = async (context) => {
  const { engine, principal, configuration, outputs, record, note } = context;
  const bucket = configuration.S3Bucket ?? '';
  const key = configuration.S3ObjectKey ?? '';
  const actionName = record().declaration.name ?? '';
  const { Status } = await engine.call(principal, 's3', 'GetBucketVersioning', { Bucket: bucket });
  if (Status !== 'Enabled') {
    throw new ActionFailure(
      'ConfigurationError',
      `The S3 bucket ${bucket} is not versioned. A source bucket must have versioning enabled.`,
    );
  }
  const object = await readObject(context, bucket, key);
  const versionId = object.VersionId ?? '';
  // Without the metadata, CodePipeline says this.
  const summary = object.Metadata?.[SUMMARY_METADATA] ?? `Amazon S3 version id: ${versionId}`;
  const [artifactName, place] = Object.entries(outputs)[0]!;
  const artifact = { ...place, revision: versionId };
  await writeArtifact(engine, principal, artifact, object.Body);
  const url = `https://${engine.region}.console.aws.amazon.com/s3/object/${bucket}?prefix=${encodeURIComponent(key)}&versionId=${versionId}`;
  note({ externalExecutionId: versionId, entityUrl: url });
  return {
    status: 'Succeeded',
    summary,
    outputArtifacts: { [artifactName]: artifact },
    outputVariables: {
      BucketName: bucket,
      ObjectKey: key,
      VersionId: versionId,
      ETag: (object.ETag ?? '').replaceAll('"', ''),
    },
    revision: {
      actionName,
      artifact: artifactName,
      revisionId: versionId,
      summary,
      url,
      createdAtMs: object.LastModified?.getTime() ?? engine.clock.nowMs(),
    },
  };
};

async function readObject(
  { engine, principal, execution, record }: ActionContext,
  Bucket: string,
  Key: string,
) {
  const VersionId = execution.revisionOverrides[record().declaration.name ?? ''];
  try {
    const object = await engine.call(principal, 's3', 'GetObject', {
      Bucket,
      Key,
      ...(VersionId === undefined ? {} : { VersionId }),
    });
    const { Body } = object;
    if (!(Body instanceof Uint8Array)) throw new Error('S3 returned no body');
    return { ...object, Body };
  } catch (error) {
    if (!(error instanceof AwsFault && ['NoSuchKey', 'NoSuchVersion'].includes(error.code))) throw error;
    throw new ActionFailure(
      'RevisionUnavailable',
      `The object with key '${Key}' does not exist in bucket ${Bucket}${VersionId === undefined ? '' : ` in version ${VersionId}`}.`,
    );
  }
}
