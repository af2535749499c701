import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import type { ProjectArtifacts } from '@aws-sdk/client-codebuild';
import type { Engine } from '../../dispatch/service.ts';
import type { Principal } from '../../iam/principal.ts';
import { type ArtifactFile, zipArtifacts } from '../../runtime/build/artifacts.ts';
import { buildUuid, type StoredBuild } from './store.ts';

export interface ArtifactContent {
  readonly files: readonly ArtifactFile[];
  /** Name that the buildspec gives it; the project decides whether it counts. */
  readonly name?: string | undefined;
}

/** The key of artifacts where nobody names one (https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-kms.html). */
export function encryptionKeyOf({ region, accountId }: Engine, { encryptionKey }: StoredBuild): string {
  return encryptionKey ?? `arn:aws:kms:${region}:${accountId}:alias/aws/s3`;
}

/**
 * Stores an artifact of a build with the project's role, as a zip or file by file, and returns its location: an ARN
 * for BatchGetBuilds.
 */
export async function uploadArtifact(
  engine: Engine,
  principal: Principal,
  build: StoredBuild,
  artifacts: ProjectArtifacts,
  { files, name: nameInBuildspec }: ArtifactContent,
): Promise<string | undefined> {
  const { type, location = '', path = '', namespaceType, packaging } = artifacts;
  const name = (artifacts.overrideArtifactName === true ? nameInBuildspec : undefined) ?? artifacts.name;
  const put = async (key: string, Body: Uint8Array) => {
    await engine.call(principal, 's3', 'PutObject', {
      Bucket: location,
      Key: key,
      Body,
      ...(artifacts.encryptionDisabled === true
        ? {}
        : { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: encryptionKeyOf(engine, build) }),
    });
  };
  if (type === 'NO_ARTIFACTS') return undefined;
  if (type === 'CODEPIPELINE') {
    await put(path, zipArtifacts(files));
    return `arn:aws:s3:::${location}/${path}`;
  }
  const folder = posix.join(
    path.replace(/^\/+/, ''),
    namespaceType === 'BUILD_ID' ? buildUuid(build) : '',
    packaging === 'ZIP' ? '' : (name ?? build.projectName),
  );
  if (packaging === 'ZIP') {
    const key = posix.join(folder, name ?? `${build.projectName}.zip`);
    await put(key, zipArtifacts(files));
    return `arn:aws:s3:::${location}/${key}`;
  }
  for (const file of files) {
    await put(posix.join(folder, file.path), readFileSync(file.source));
  }
  return `arn:aws:s3:::${location}/${folder}`;
}
