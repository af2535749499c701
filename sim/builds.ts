import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { BuildRunner, Surroundings } from '@queue-canary/engine';
import { VERSION_FILE, type Version } from './version.ts';

/** How long a build takes, milliseconds. */
const BUILD_MS = 60_000;

/** An archive without a file. */
const ARCHIVE = Buffer.alloc(1024);
const LAYER = gzipSync(ARCHIVE);

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/**
 * Builds inside this process: the image of a commit is its version's, pushed as `docker push` does it, and the artifact is what the
 * pipeline's deployments read.
 */
export function buildsInProcess(
  { clock, call }: Surroundings,
  onBuilt: (digest: string, version: Version) => void,
): BuildRunner {
  return async ({ sourceDirectory, environment, role, onPhaseStart, onPhase, onLog }) => {
    const startMs = clock.nowMs();
    onPhaseStart?.('BUILD', startMs);
    await new Promise<void>((resolve) => clock.setTimer(BUILD_MS, resolve));
    const version = JSON.parse(readFileSync(join(sourceDirectory, VERSION_FILE), 'utf8')) as Version;
    const { REPOSITORY_URI = '', CONTAINER_NAME = '', CODEBUILD_RESOLVED_SOURCE_VERSION = '' } = environment;
    const tag = CODEBUILD_RESOLVED_SOURCE_VERSION;
    const repositoryName = REPOSITORY_URI.slice(REPOSITORY_URI.indexOf('/') + 1);
    // Tags are immutable, so a commit that has been built before keeps its image.
    const built = await call(role, 'ecr', 'BatchGetImage', { repositoryName, imageIds: [{ imageTag: tag }] });
    const { authorizationData } = await call(role, 'ecr', 'GetAuthorizationToken', {});
    const token = authorizationData?.[0]?.authorizationToken ?? '';
    const digest =
      built.images?.[0]?.imageId?.imageDigest ?? (await push({ uri: REPOSITORY_URI, tag, token }, version));
    onBuilt(digest, version);
    onLog(`pushed ${version.name} as ${digest}`);
    const name = 'imagedefinitions.json';
    const imageUri = `${REPOSITORY_URI}@${digest}`;
    writeFileSync(join(sourceDirectory, name), JSON.stringify([{ name: CONTAINER_NAME, imageUri }]));
    const phase = {
      phase: 'BUILD',
      status: 'SUCCEEDED',
      startMs,
      endMs: clock.nowMs(),
      contexts: [],
    } as const;
    onPhase?.(phase);
    onPhaseStart?.('UPLOAD_ARTIFACTS', clock.nowMs());
    return {
      status: 'SUCCEEDED',
      phases: [phase],
      artifactFiles: [{ path: name, source: join(sourceDirectory, name) }],
      secondaryArtifactFiles: {},
      exportedVariables: { IMAGE_DIGEST: digest },
    };
  };
}

interface Target {
  readonly uri: string;
  readonly tag: string;
  /** Basic credentials of the registry. */
  readonly token: string;
}

/** Pushes an image without files whose configuration is the version, and returns its digest. */
async function push({ uri, tag, token }: Target, version: Version): Promise<string> {
  const { host, pathname } = new URL(`http://${uri}`);
  const base = `http://${host}/v2${pathname}`;
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'arm64',
      os: 'linux',
      config: { Labels: { version: JSON.stringify(version) }, Cmd: ['worker'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(ARCHIVE)] },
    }),
  );
  for (const blob of [config, LAYER]) {
    await put(
      'POST',
      `${base}/blobs/uploads/?digest=${digestOf(blob)}`,
      token,
      'application/octet-stream',
      blob,
    );
  }
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: descriptor('application/vnd.oci.image.config.v1+json', config),
      layers: [descriptor('application/vnd.oci.image.layer.v1.tar+gzip', LAYER)],
    }),
  );
  await put('PUT', `${base}/manifests/${tag}`, token, MANIFEST, manifest);
  return digestOf(manifest);
}

function descriptor(mediaType: string, content: Buffer) {
  return { mediaType, digest: digestOf(content), size: content.length };
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** Without a connection that stays: an open one would look like work that is under way. */
const agent = new Agent({ keepAlive: false });

function put(method: string, url: string, token: string, type: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Basic ${token}`, 'content-type': type, 'content-length': body.length };
    const sent = request(url, { method, headers, agent }, (response) => {
      let answer = '';
      response.on('data', (chunk) => {
        answer += String(chunk);
      });
      response.on('end', () => {
        if (response.statusCode === 201) resolve();
        else reject(new Error(`${method} ${url}: ${response.statusCode} ${answer}`));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
