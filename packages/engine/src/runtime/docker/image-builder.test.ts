import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ByteIds } from '../../ids.ts';
import { unpackLayers } from '../oci/unpack.ts';
import { temporaryDirectory, writeFiles } from '../test/temporary-directory.ts';
import type { BuildRequest, RunCommand } from './build-request.ts';
import { BuildContext } from './copy-plan.ts';
import { parseDockerfile } from './dockerfile.ts';
import { ImageBuilder } from './image-builder.ts';
import { ImageLibrary } from './image-library.ts';

interface Bench {
  readonly library: ImageLibrary;
  readonly printed: string[];
  /** Commands that really ran. */
  readonly ran: string[];
  build(
    dockerfile: string,
    context: string,
    request?: Partial<BuildRequest>,
    /** Gets the words of each RUN. */
    words?: (readonly string[])[],
  ): Promise<{ manifestDigest: string }>;
}

/** A builder whose RUN executes `write NAME TEXT`, `remove NAME`, `env NAME` and `fail` on the image's files. */
function bench(): Bench {
  const ids = new ByteIds();
  const library = new ImageLibrary(temporaryDirectory(), () => ids.hex(16));
  const printed: string[] = [];
  const ran: string[] = [];
  const run: RunCommand = async ({ words, root, workingDirectory, env }) => {
    const text = words.at(-1)!;
    ran.push(text);
    const [verb, name = '', content = ''] = text.split(' ');
    const path = join(root, workingDirectory, name);
    if (verb === 'write') writeFileSync(path, content);
    else if (verb === 'remove') rmSync(path, { recursive: true });
    else if (verb === 'env') writeFileSync(join(root, workingDirectory, 'env'), env[name] ?? 'unset');
    return verb === 'fail' ? 3 : 0;
  };
  return {
    library,
    printed,
    ran,
    build: (dockerfile, context, request = {}, words = []) =>
      new ImageBuilder(
        {
          library,
          nodeVersion: '24.1.0',
          scratch: join(temporaryDirectory(), 'scratch'),
          run: (asked) => {
            words.push(asked.words);
            return run(asked);
          },
          findBase: async (image) => library.list().find(({ repoTags }) => repoTags.includes(image)),
          print: (line) => printed.push(line),
        },
        {
          instructions: parseDockerfile(dockerfile),
          context: new BuildContext(context, () => false),
          buildArgs: {},
          labels: {},
          noCache: false,
          ...request,
        },
      ).build(),
  };
}

function imageOf(bench: Bench, { manifestDigest }: { manifestDigest: string }) {
  const image = bench.library.list().find((item) => item.manifestDigest === manifestDigest);
  if (image === undefined) throw new Error('The image is not in the library.');
  return image;
}

async function filesOf(bench: Bench, built: { manifestDigest: string }): Promise<string> {
  const root = temporaryDirectory();
  const { manifest } = imageOf(bench, built);
  await unpackLayers(
    manifest.layers.map((layer) => ({ ...layer, path: bench.library.blobs.path(layer.digest) })),
    root,
  );
  return root;
}

test('the configuration is what the Dockerfile says', async () => {
  const builder = bench();
  const built = await builder.build(
    `ARG MAJOR=24
FROM node:\${MAJOR}-slim
ARG REVISION=none
ENV QC_REVISION=$REVISION PATH=/app/bin:$PATH
LABEL a="1 2" b=$REVISION
WORKDIR /srv
WORKDIR app
EXPOSE 80
USER node:node
STOPSIGNAL SIGQUIT
ENTRYPOINT ["node", "$NOT_EXPANDED"]
CMD main.js`,
    temporaryDirectory(),
    { buildArgs: { REVISION: 'abc' }, labels: { b: 'given' }, platform: 'linux/arm64' },
  );
  expect(imageOf(builder, built).config).toMatchObject({
    architecture: 'arm64',
    os: 'linux',
    created: '1970-01-01T00:00:00.000Z',
    config: {
      Env: [
        'PATH=/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'NODE_VERSION=24.1.0',
        'QC_REVISION=abc',
      ],
      Labels: { a: '1 2', b: 'given' },
      WorkingDir: '/srv/app',
      ExposedPorts: { '80/tcp': {} },
      User: 'node:node',
      StopSignal: 'SIGQUIT',
      Entrypoint: ['node', '$NOT_EXPANDED'],
      Cmd: ['/bin/sh', '-c', 'main.js'],
    },
  });
});

test('the same Dockerfile and files give the same digest, without cache and in another place', async () => {
  const dockerfile = 'FROM node:24\nWORKDIR /app\nCOPY . .\nRUN write made here\nCMD ["node", "a.js"]';
  const digests = new Set<string>();
  for (let count = 0; count < 2; count++) {
    const { manifestDigest } = await bench().build(
      dockerfile,
      temporaryDirectory({ 'a.js': 'code', 'sub/b': 'x' }),
    );
    digests.add(manifestDigest);
  }
  expect(digests.size).toBe(1);
});

test('RUN works on the files so far, and its additions, changes and removals are the layer', async () => {
  const builder = bench();
  const context = temporaryDirectory({ a: 'old', 'gone/deep/file': 'x', 'kept/file': 'y' });
  const built = await builder.build(
    'FROM node:24\nWORKDIR /app\nCOPY . .\nRUN write a new\nRUN remove gone\nRUN write b fresh',
    context,
  );
  const root = await filesOf(builder, built);
  expect(readFileSync(join(root, 'app/a'), 'utf8')).toBe('new');
  expect(readFileSync(join(root, 'app/b'), 'utf8')).toBe('fresh');
  expect(existsSync(join(root, 'app/gone'))).toBe(false);
  expect(existsSync(join(root, 'app/kept/file'))).toBe(true);
});

test('a second build runs nothing again; a changed file runs only what comes after its COPY', async () => {
  const builder = bench();
  const context = temporaryDirectory({ 'package.json': '1', 'src/main.js': '1' });
  const dockerfile =
    'FROM node:24\nWORKDIR /app\nCOPY package.json .\nRUN write deps x\nCOPY src src\nRUN write built x';
  const first = await builder.build(dockerfile, context);
  expect(await builder.build(dockerfile, context)).toEqual(first);
  expect(builder.ran).toEqual(['write deps x', 'write built x']);
  writeFiles(context, { 'src/main.js': '2' });
  const changed = await builder.build(dockerfile, context);
  expect(changed.manifestDigest).not.toBe(first.manifestDigest);
  expect(builder.ran).toEqual(['write deps x', 'write built x', 'write built x']);
  writeFiles(context, { 'package.json': '2' });
  await builder.build(dockerfile, context);
  expect(builder.ran.slice(3)).toEqual(['write deps x', 'write built x']);
});

test('without cache everything runs again', async () => {
  const builder = bench();
  const context = temporaryDirectory();
  await builder.build('FROM node:24\nRUN write a x', context);
  await builder.build('FROM node:24\nRUN write a x', context, { noCache: true });
  expect(builder.ran).toHaveLength(2);
});

test('RUN sees declared arguments and the environment, which wins; a changed argument runs it again', async () => {
  const builder = bench();
  const context = temporaryDirectory();
  const value = async (dockerfile: string, buildArgs: Record<string, string>) =>
    readFileSync(
      join(await filesOf(builder, await builder.build(dockerfile, context, { buildArgs })), 'env'),
      'utf8',
    );
  expect(await value('FROM node:24\nARG V=default\nRUN env V', {})).toBe('default');
  expect(await value('FROM node:24\nARG V=default\nRUN env V', { V: 'given' })).toBe('given');
  expect(await value('FROM node:24\nARG V\nENV V=fixed\nRUN env V', { V: 'given' })).toBe('fixed');
  expect(await value('FROM node:24\nRUN env V\nARG V', { V: 'late' })).toBe('unset');
  expect(await value('ARG V=global\nFROM node:24\nRUN env V', {})).toBe('unset');
  expect(await value('ARG V=global\nFROM node:24\nARG V\nRUN env V', {})).toBe('global');
});

test('an argument that no ARG declares is pointed out', async () => {
  const builder = bench();
  await builder.build('FROM node:24', temporaryDirectory(), {
    buildArgs: { TYPO: 'x', HTTP_PROXY: 'p', BUILDKIT_INLINE_CACHE: '1' },
  });
  expect(builder.printed.filter((line) => line.includes('Warning'))).toEqual([
    '[Warning] The build argument TYPO was not used: there is no ARG TYPO.',
  ]);
});

test('a failing command fails the build, names its line and leaves no cached step', async () => {
  const builder = bench();
  const build = () => builder.build('FROM node:24\n\nRUN fail', temporaryDirectory());
  await expect(build()).rejects.toThrow(/line 3 failed with exit code 3: RUN fail/);
  await expect(build()).rejects.toThrow(/line 3/);
  expect(builder.ran).toEqual(['fail', 'fail']);
  expect(builder.library.list()).toEqual([]);
});

test('an image that was built before can be a base; a new entry point drops the base command', async () => {
  const builder = bench();
  const base = await builder.build(
    'FROM node:24\nWORKDIR /app\nRUN write from-base x\nENV A=1\nCMD ["base"]',
    temporaryDirectory(),
  );
  builder.library.tag(base.manifestDigest, { registry: '127.0.0.1:1', repository: 'base', tag: 'v1' });
  const built = await builder.build(
    'FROM 127.0.0.1:1/base:v1\nRUN write more y\nENTRYPOINT ["e"]',
    temporaryDirectory(),
  );
  const { config } = imageOf(builder, built);
  expect(config.config).toMatchObject({ WorkingDir: '/app', Entrypoint: ['e'] });
  expect(config.config?.Cmd).toBeUndefined();
  expect(config.config?.Env).toContain('A=1');
  expect(readdirSync(join(await filesOf(builder, built), 'app')).sort()).toEqual(['from-base', 'more']);
});

test('an unknown base is named, with the way out', async () => {
  await expect(bench().build('FROM python:3.13', temporaryDirectory())).rejects.toThrow(
    /"python:3.13" is not available.*Start Docker or Podman/,
  );
});

test('a stage takes files of another, by name or number, and only what is needed is built', async () => {
  const builder = bench();
  const dockerfile = `ARG MAJOR=24
FROM node:\${MAJOR} AS base
ARG INHERITED=yes
ENV FROM_BASE=1
WORKDIR /app
FROM base AS build
COPY . .
RUN write dist/main.js built
RUN env INHERITED
FROM base AS unused
RUN fail
FROM node:24 AS last
ARG MAJOR
COPY --from=build /app/dist ./dist/
COPY --from=1 /app/a /copied
COPY --from=BUILD /app/env /
RUN env MAJOR
CMD ["node", "dist/main.js"]`;
  const context = temporaryDirectory({ a: 'source', 'dist/keep': '' });
  const built = await builder.build(dockerfile, context);
  const root = await filesOf(builder, built);
  expect(readFileSync(join(root, 'dist/main.js'), 'utf8')).toBe('built');
  expect(readFileSync(join(root, 'copied'), 'utf8')).toBe('source');
  expect(readFileSync(join(root, 'env'), 'utf8')).toBe('24');
  expect(existsSync(join(root, 'app'))).toBe(false);
  expect(imageOf(builder, built).config.config?.Env).not.toContain('FROM_BASE=1');
  expect(builder.ran).toEqual(['write dist/main.js built', 'env INHERITED', 'env MAJOR']);
  expect(builder.library.list()).toHaveLength(1);
  // Nothing runs again, and nothing that a stage left behind counts.
  expect(await builder.build(dockerfile, context)).toEqual(built);
  expect(builder.ran).toHaveLength(3);
  const inherited = await builder.build(dockerfile, context, { target: 'build' });
  expect(readFileSync(join(await filesOf(builder, inherited), 'app/env'), 'utf8')).toBe('yes');
  expect(imageOf(builder, inherited).config.config?.Env).toContain('FROM_BASE=1');
});

test('an image of the registry lends its files too', async () => {
  const builder = bench();
  const lender = await builder.build('FROM node:24\nWORKDIR /app\nRUN write tool x', temporaryDirectory());
  builder.library.tag(lender.manifestDigest, { registry: '127.0.0.1:1', repository: 'tools', tag: 'v1' });
  const built = await builder.build(
    'FROM node:24\nCOPY --from=127.0.0.1:1/tools:v1 /app/tool /bin/',
    temporaryDirectory(),
  );
  expect(existsSync(join(await filesOf(builder, built), 'bin/tool'))).toBe(true);
});

test('everything that cannot be done in the needed stages is said before anything runs', async () => {
  const builder = bench();
  const dockerfile = `FROM golang:1.25 AS go
RUN make
FROM node:24 AS checks
RUN apt-get update
ONBUILD RUN x
FROM node:24
RUN write a b
RUN apk add curl
COPY --from=go /out /out
COPY --from=alpine:3 /etc/x /x
ADD https://example.com/x /x
RUN mkdir /data`;
  await expect(builder.build(dockerfile, temporaryDirectory())).rejects.toThrow(
    /^Dockerfile line 1: The base "golang:1.25".*\nDockerfile line 8: RUN apk.*\nDockerfile line 10: The base "alpine:3".*\nDockerfile line 11: ADD of.*\nDockerfile line 12: RUN with the absolute path "\/data"[^\n]*$/,
  );
  expect(builder.ran).toEqual([]);
});

test.each([
  ['FROM node:24\nCOPY --from=0 /a /b', {}, /line 2: COPY --from=0 names no stage before/],
  [
    'FROM node:24\nCOPY --from=later /a /b\nFROM node:24 AS later',
    { target: '0' },
    /"later" is not available/,
  ],
  ['FROM node:24', { target: 'none' }, /no stage "none"/],
  [
    'FROM node:24 AS a\nFROM node:24\nCOPY --from=a /x /y',
    {},
    /line 3: COPY found no "\/x" in the files of "a"/,
  ],
])('%j asks for what is not there', async (dockerfile, request, message) => {
  await expect(bench().build(dockerfile, temporaryDirectory(), request)).rejects.toThrow(message);
});

test('health check, volumes, shell and author are in the configuration; the shell runs what follows', async () => {
  const builder = bench();
  const words: (readonly string[])[] = [];
  const built = await builder.build(
    `FROM node:24
MAINTAINER Ada
ARG DATA=/data
VOLUME $DATA
HEALTHCHECK --interval=30s CMD node check.js
SHELL ["/bin/bash", "-ec"]
RUN write a b
CMD node main.js`,
    temporaryDirectory(),
    {},
    words,
  );
  expect(words).toEqual([['/bin/bash', '-ec', 'write a b']]);
  expect(imageOf(builder, built).config).toMatchObject({
    author: 'Ada',
    config: {
      Volumes: { '/data': {} },
      Healthcheck: { Test: ['CMD-SHELL', 'node check.js'], Interval: 30e9 },
      Shell: ['/bin/bash', '-ec'],
      Cmd: ['/bin/bash', '-ec', 'node main.js'],
    },
  });
});

test('another Node than the machine’s is warned about', async () => {
  const builder = bench();
  await builder.build('FROM node:20-slim', temporaryDirectory());
  expect(builder.printed).toContain(
    "[Warning] node:20-slim is not pulled: this machine's Node 24.1.0 stands for it.",
  );
});
