import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import type { Engine, Principal } from '../../dispatch/service.ts';
import { type ArtifactFile, zipArtifacts } from '../../runtime/build/artifacts.ts';
import { buildUuid, type StoredBuild } from './store.ts';

/**
 * Stores a build's artifact with the project's role, as a zip or file by file, and returns its location: an ARN
 * for BatchGetBuilds.
 */
export async function uploadArtifact(
  engine: Engine,
  principal: Principal,
  build: StoredBuild,
  files: readonly ArtifactFile[],
): Promise<string | undefined> {
  const { type, location = '', path = '', name, namespaceType, packaging } = build.artifacts;
  if (type === 'NO_ARTIFACTS') return undefined;
  if (type === 'CODEPIPELINE') {
    await put(engine, principal, location, path, zipArtifacts(files));
    return `arn:aws:s3:::${location}/${path}`;
  }
  const folder = posix.join(
    path.replace(/^\/+/, ''),
    namespaceType === 'BUILD_ID' ? buildUuid(build) : '',
    packaging === 'ZIP' ? '' : (name ?? build.projectName),
  );
  if (packaging === 'ZIP') {
    const key = posix.join(folder, name ?? `${build.projectName}.zip`);
    await put(engine, principal, location, key, zipArtifacts(files));
    return `arn:aws:s3:::${location}/${key}`;
  }
  for (const file of files) {
    await put(engine, principal, location, posix.join(folder, file.path), readFileSync(file.source));
  }
  return `arn:aws:s3:::${location}/${folder}`;
}

async function put(
  engine: Engine,
  principal: Principal,
  bucket: string,
  key: string,
  body: Uint8Array,
): Promise<void> {
  await engine.call(principal, 's3', 'PutObject', { Bucket: bucket, Key: key, Body: body });
}
