import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ECR } from '@aws-sdk/client-ecr';
import { create } from 'tar';
import type { TestEngine } from './harness.ts';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** Files and command of an image to be pushed. */
export interface TestImage {
  readonly files: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

/** Basic credentials for the registry, as `docker login` gets them. */
export async function registryLogin(config: TestEngine['client']): Promise<string> {
  const { authorizationData } = await new ECR(config).getAuthorizationToken({});
  return `Basic ${authorizationData![0]!.authorizationToken}`;
}

/** Pushes an image over the registry protocol and returns its name by digest. */
export async function pushImage(
  engine: Pick<TestEngine, 'client' | 'endpoint'>,
  repository: string,
  tag: string,
  image: TestImage,
  authorization?: string,
): Promise<string> {
  const headers = { authorization: authorization ?? (await registryLogin(engine.client)) };
  const base = `${engine.endpoint}/v2/${repository}`;
  const layer = await packLayer(image.files);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Cmd: image.command, WorkingDir: '/app' },
      rootfs: { type: 'layers', diff_ids: [digest(gunzipSync(layer))] },
    }),
  );
  const blobs = { config, layer };
  for (const content of Object.values(blobs)) {
    const uploaded = await fetch(`${base}/blobs/uploads/?digest=${digest(content)}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/octet-stream' },
      body: new Uint8Array(content),
    });
    if (uploaded.status !== 201) throw new Error(`blob: ${uploaded.status} ${await uploaded.text()}`);
  }
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: descriptor('application/vnd.oci.image.config.v1+json', config),
      layers: [descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
    }),
  );
  const stored = await fetch(`${base}/manifests/${tag}`, {
    method: 'PUT',
    headers: { ...headers, 'content-type': MANIFEST_TYPE },
    body: new Uint8Array(manifest),
  });
  if (stored.status !== 201) throw new Error(`manifest: ${stored.status} ${await stored.text()}`);
  return `${new URL(engine.endpoint).host}/${repository}@${digest(manifest)}`;
}

async function packLayer(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-layer-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
    // The same files give the same digest, whenever they are pushed.
    const mtime = new Date(0);
    const archive = create(
      { cwd: directory, gzip: true, portable: true, mtime, prefix: 'app' },
      Object.keys(files),
    );
    return await archive.concat();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function descriptor(mediaType: string, content: Buffer) {
  return { mediaType, digest: digest(content), size: content.length };
}

function digest(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
