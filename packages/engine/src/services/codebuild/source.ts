import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import type { Engine } from '../../dispatch/service.ts';
import { UserError } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { StoredBuild } from './store.ts';
import { unzipTree } from './unzip-tree.ts';

/** S3 metadata in which a pipeline names the commit of a source artifact. */
const REVISION_METADATA = 'codepipeline-artifact-revision-id';

/** Where working copies come from; implemented by CodeCommit, which checks the principal's permission. */
export interface CommitCheckouts {
  checkOut(
    principal: Principal,
    repositoryName: string,
    specifier: string | undefined,
    target: string,
  ): Promise<string>;
}

/**
 * Puts a build's source into the new directory `target` with the project's role, and returns the revision that
 * it really is (a commit, or the object's version).
 */
export async function downloadSource(
  engine: Engine,
  checkouts: CommitCheckouts,
  principal: Principal,
  build: StoredBuild,
  target: string,
): Promise<string | undefined> {
  mkdirSync(target, { recursive: true });
  const { type, location } = build.source;
  if (type === 'NO_SOURCE') return undefined;
  if (type === 'CODECOMMIT') {
    const repositoryName = (location ?? '').split('/').at(-1) ?? '';
    const version = build.sourceVersion?.replace(/^refs\/(heads|tags)\//, '');
    return checkouts.checkOut(principal, repositoryName, version, target);
  }
  const place =
    type === 'CODEPIPELINE' ? (build.sourceVersion ?? '').replace('arn:aws:s3:::', '') : (location ?? '');
  const slash = place.indexOf('/');
  const object = await engine.call(principal, 's3', 'GetObject', {
    Bucket: place.slice(0, slash),
    Key: place.slice(slash + 1),
  });
  if (!(object.Body instanceof Uint8Array)) throw new Error('S3 returned no body');
  unzipTree(object.Body, target);
  return object.Metadata?.[REVISION_METADATA] ?? object.VersionId;
}

/** Text and name of the build's buildspec: given inline, or a file of its source. */
export function readBuildspec(build: StoredBuild, sourceDirectory: string): { text: string; name: string } {
  const given = build.source.buildspec;
  if (given !== undefined && isInline(given)) return { text: given, name: 'buildspec' };
  const name = given ?? 'buildspec.yml';
  const path = join(sourceDirectory, name);
  const below = relative(sourceDirectory, path);
  if (name.startsWith('arn:') || below.startsWith('..') || isAbsolute(below)) {
    throw new UserError('InvalidBuildspec', `the buildspec must be a file of the source, not ${name}`);
  }
  if (!existsSync(path)) {
    throw new UserError(
      'InvalidBuildspec',
      build.source.type === 'NO_SOURCE'
        ? 'the project has no source, so its buildspec must be given inline'
        : `YAML file does not exist: the source has no ${name}`,
    );
  }
  return { text: readFileSync(path, 'utf8'), name };
}

/** CodeBuild takes text for a buildspec and a single line for a path. */
function isInline(buildspec: string): boolean {
  return buildspec.includes('\n') || /^\s*(\{|version\s*:)/.test(buildspec);
}
