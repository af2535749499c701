import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { ByteIds } from '../src/index.ts';
import { installBuildTools } from '../src/runtime/docker/build-tools.ts';
import { RootfsCache } from '../src/runtime/oci/rootfs-cache.ts';
import { temporaryDirectory, writeFiles } from '../src/runtime/test/temporary-directory.ts';
import type { RegistryServer } from './runtime-registry-server.ts';
import { startRegistry } from './runtime-registry-server.ts';

const ECR_HOST = '000000000000.dkr.ecr.eu-west-1.amazonaws.com';
const NODE_MAJOR = process.versions.node.split('.')[0];

interface Machine {
  readonly registry: RegistryServer;
  /** Name of the image in the registry, without tag. */
  readonly image: string;
  readonly work: string;
  readonly dockerConfig: string;
  docker(...args: string[]): Promise<{ code: number | null; out: string; err: string }>;
}

/** A directory with sources and the engine's own `docker` on the PATH, logged in to a registry. */
async function machine(
  files: Record<string, string> = {},
  password: string | null = 'good',
): Promise<Machine> {
  const registry = await startRegistry();
  const state = temporaryDirectory();
  const tools = join(state, 'bin');
  installBuildTools(
    tools,
    {
      registryUrl: registry.url,
      registryHost: ECR_HOST,
      stateDirectory: join(state, 'docker'),
      compileCache: process.env.NODE_COMPILE_CACHE!,
    },
    { docker: true, aws: false },
  );
  const work = temporaryDirectory(files);
  const dockerConfig = join(state, 'config');
  const docker = async (...args: string[]) => {
    const env = {
      PATH: `${tools}:${process.env.PATH}`,
      HOME: state,
      DOCKER_CONFIG: dockerConfig,
      FROM_ENV: 'taken over',
    };
    const child = spawn('docker', args, { cwd: work, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
    const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { code, out, err };
  };
  if (password !== null) {
    // What a login leaves; starting the program for it in every test takes long.
    const auth = Buffer.from(`AWS:${password}`).toString('base64');
    writeFiles(dockerConfig, { 'config.json': JSON.stringify({ auths: { [registry.host]: { auth } } }) });
  }
  return { registry, image: `${registry.host}/app`, work, dockerConfig, docker };
}

const DOCKERFILE = `FROM public.ecr.aws/docker/library/node:${NODE_MAJOR}-slim
ARG REVISION
WORKDIR /app
COPY src ./
RUN node build.js && echo "built it"
ENV QC_REVISION=$REVISION
USER node
CMD ["node", "main.js"]
`;
const SOURCES = {
  Dockerfile: DOCKERFILE,
  'src/build.js':
    "require('fs').writeFileSync('built.txt', 'cwd ' + (process.cwd() !== '/') + ' ' + (process.env.HOME !== undefined));",
  'src/main.js': '',
  '.dockerignore': '**/*.tmp\n',
  'src/scratch.tmp': '',
};

test('build, push and inspect give an image in the registry, pinned by its digest, that unpacks to the files', async () => {
  const { docker, image, registry } = await machine(SOURCES);
  const built = await docker(
    'build',
    '-t',
    `${image}:v1`,
    '-t',
    `${image}:other`,
    '--build-arg',
    'REVISION=abc',
    '.',
  );
  expect(built).toMatchObject({ code: 0, err: '' });
  expect(built.out).toContain('built it\n');
  expect(built.out).toContain(`Successfully tagged ${image}:v1\n`);
  expect((await docker('inspect', '--format', '{{index .RepoDigests 0}}', `${image}:v1`)).err).toMatch(
    /index out of range/,
  );
  const pushed = await docker('push', `${image}:v1`);
  const [, digest] = /^v1: digest: (sha256:[0-9a-f]{64}) size: \d+$/m.exec(pushed.out)!;
  expect(registry.store.describe('app', 'v1')?.digest).toBe(digest);
  expect(await docker('inspect', '--format={{index .RepoDigests 0}}', `${image}:v1`)).toMatchObject({
    code: 0,
    out: `${image}@${digest}\n`,
  });

  const loaded = registry.store.load('app', digest!)!;
  expect(loaded.config.config?.Env).toContain('QC_REVISION=abc');
  const root = await new RootfsCache({ directory: temporaryDirectory(), ids: new ByteIds() }).rootOf(loaded);
  expect(readFileSync(join(root, 'app/built.txt'), 'utf8')).toBe('cwd true true');
  expect(existsSync(join(root, 'app/scratch.tmp'))).toBe(false);
  expect(statSync(join(root, 'app/main.js')).mode & 0o222).toBe(0);
});

test('the second build takes every step from the cache and has the same digest', async () => {
  const { docker, image } = await machine(SOURCES);
  const quiet = await docker('build', '-q', '-t', `${image}:v1`, '.');
  expect(quiet.out).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  const again = await docker('build', '-t', `${image}:v2`, '.');
  expect(again.out).not.toMatch(/^built it$/m);
  const [first, second] = (
    await docker('image', 'inspect', '-f', '{{.Id}}', `${image}:v1`, `${image}:v2`)
  ).out.split('\n');
  expect(first).toBe(second);
});

test('a failing RUN prints what the command printed, and fails the build', async () => {
  const { docker, image } = await machine({
    Dockerfile: `FROM node:${NODE_MAJOR}\nRUN echo told you >&2; exit 4\n`,
  });
  const built = await docker('build', '-t', `${image}:v1`, '.');
  expect(built).toMatchObject({
    code: 1,
    err: expect.stringMatching(/told you\nERROR: The command of Dockerfile line 2 failed with exit code 4/),
  });
  expect((await docker('push', `${image}:v1`)).err).toBe(`ERROR: No such image: ${image}:v1\n`);
});

test("RUN has the image environment, not the build's, and installs global packages into the image", async () => {
  const { docker, image } = await machine({
    Dockerfile: `FROM node:${NODE_MAJOR}\nENV A=b\nRUN env\nRUN npm config get prefix\n`,
  });
  const { out } = await docker('build', '-t', `${image}:v1`, '.');
  expect(out).toMatch(/^A=b$/m);
  expect(out).not.toMatch(/FROM_ENV|DOCKER_CONFIG/);
  expect(out).toMatch(/scratch\/[0-9a-f]+\/root-0\/usr\/local$/m);
});

test('an image that was pushed is a base for the next, pulled into an empty library', async () => {
  const { docker, image, work } = await machine(SOURCES);
  await docker('build', '-t', `${image}:base`, '.');
  await docker('push', `${image}:base`);
  await docker('rmi', `${image}:base`);
  expect((await docker('images', '-q')).out).toBe('');
  writeFiles(work, {
    Dockerfile: `FROM ${image}:base\nRUN node -e "console.log(require('fs').readdirSync('.').join())"\n`,
  });
  const built = await docker('build', '-t', `${image}:next`, '.');
  expect(built).toMatchObject({ code: 0, out: expect.stringContaining('build.js,built.txt,main.js\n') });
});

test('pull fetches by tag or digest, and tag, images, manifest inspect and rmi work on it', async () => {
  const { docker, image, registry } = await machine(SOURCES);
  await docker('build', '-t', `${image}:v1`, '.');
  await docker('push', `${image}:v1`);
  await docker('rmi', `${image}:v1`);
  const digest = registry.store.resolve('app', 'v1')!;
  expect(await docker('pull', `${image}:v1`)).toMatchObject({
    code: 0,
    out: `Digest: ${digest}\n${image}:v1\n`,
  });
  await docker('tag', `${image}:v1`, 'short');
  expect(
    (await docker('images', '--format', '{{.Repository}}:{{.Tag}} {{.Digest}}')).out.split('\n').sort(),
  ).toEqual(['', `${image}:v1 ${digest}`, `short:latest ${digest}`]);
  expect(JSON.parse((await docker('manifest', 'inspect', `${image}@${digest}`)).out)).toMatchObject({
    schemaVersion: 2,
    layers: expect.any(Array),
  });
  expect((await docker('rmi', 'short')).out).toBe('Untagged: short:latest\n');
  expect((await docker('rmi', `${image}:v1`)).out).toMatch(/^Untagged: .*:v1\nDeleted: sha256:/);
});

test('logins are kept in the DOCKER_CONFIG directory alone, readable by nobody else', async () => {
  const { docker, image, registry, dockerConfig } = await machine(SOURCES, null);
  expect(await docker('login', '-u', 'AWS', '-p', 'good', registry.host)).toMatchObject({
    code: 0,
    out: 'Login Succeeded\n',
  });
  const path = join(dockerConfig, 'config.json');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(path, 'utf8')).auths).toEqual({
    [registry.host]: { auth: Buffer.from('AWS:good').toString('base64') },
  });
  expect((await docker('logout', registry.host)).out).toBe(
    `Removing login credentials for ${registry.host}\n`,
  );
  await docker('build', '-t', `${image}:v1`, '.');
  expect(await docker('push', `${image}:v1`)).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^ERROR: .*UNAUTHORIZED: Log in first/m),
  });
});

test('what the registry refuses is passed on in its words', async () => {
  const { docker, image, registry } = await machine(SOURCES);
  expect(await docker('login', '-u', 'AWS', '-p', 'wrong', registry.host)).toMatchObject({
    code: 1,
    err: 'ERROR: The registry refused the login: UNAUTHORIZED: The token is not valid.\n',
  });
  await docker('build', '-t', `${image}:v1`, '--build-arg', 'REVISION=1', '.');
  await docker('push', `${image}:v1`);
  await docker('build', '-t', `${image}:v1`, '--build-arg', 'REVISION=2', '.');
  expect(await docker('push', `${image}:v1`)).toMatchObject({
    code: 1,
    err: expect.stringContaining("TAG_INVALID: The image tag 'v1' already exists"),
  });
  await docker('tag', `${image}:v1`, `${registry.host}/missing:v1`);
  expect((await docker('push', `${registry.host}/missing:v1`)).err).toContain(
    "NAME_UNKNOWN: The repository with name 'missing' does not exist",
  );
});

test.each([
  [['run', 'x'], 125, /'run' is not a command/],
  [[], 125, /'' is not a command/],
  [['build', '--target', 'x', '.'], 1, /There is no Dockerfile at/],
  [['build', '--secret', 'id=x', '.'], 125, /build does not support '--secret'/],
  [['build', '--network', 'none', '.'], 125, /--network none is not supported/],
  [['build', '--push', '.'], 125, /--push needs a name/],
  [['build', '--output', 'out', '.'], 125, /--output out is not supported/],
  [['build', '--provenance=true', '.'], 125, /--provenance=true is not supported.*--provenance=false/],
  [['build', '--platform', 'linux/amd64,linux/arm64', '.'], 125, /use one of linux\/amd64 and linux\/arm64/],
  [['build'], 125, /build takes 1 argument, not 0/],
  [['build', 'https://example.com/x.git'], 125, /takes a directory/],
  [['build', '--platform', 'windows/amd64', '.'], 125, /--platform windows\/amd64 is not supported/],
  [['buildx', 'bake'], 125, /'buildx bake' is not a command/],
  [['build', 'nowhere'], 1, /build context "nowhere" is not a directory/],
  [['build', '.'], 1, /There is no Dockerfile at/],
  [['build', '-t', 'UPPER', '.'], 1, /"UPPER" is not a valid image name/],
  [['push', 'docker.io/library/x:1'], 1, /not in the engine's registry/],
  [['push', '-a', `${ECR_HOST}/app:v1`], 125, /--all-tags takes a repository/],
  [
    ['pull', `111111111111.dkr.ecr.eu-west-1.amazonaws.com/app:v1`],
    1,
    /not in the engine's registry.*or 000000000000/,
  ],
  [
    ['login', '-u', 'AWS', '-p', 'x', 'registry.example'],
    1,
    /"registry.example" is not in the engine's registry/,
  ],
  [['login', '-u', 'me'], 125, /login needs a password/],
  [['inspect', 'missing'], 1, /No such image: missing/],
])('docker %j exits %i with one clear line', async (args, code, message) => {
  const { docker } = await machine({}, null);
  const result = await docker(...args);
  expect(result).toMatchObject({ code, err: expect.stringMatching(message) });
  expect(result.err.trim().split('\n')).toHaveLength(1);
});

test('an unsupported instruction and a wrong base are reported at once, with what to do', async () => {
  const { docker } = await machine({ Dockerfile: 'FROM node:10\nONBUILD RUN true\n' });
  expect((await docker('build', '.')).err).toMatch(
    /^ERROR: Dockerfile line 1: The base "node:10" is Node 10.*\nDockerfile line 2: ONBUILD is not supported without a container engine/,
  );
});

test('the name of the registry in AWS is the same registry: login, build, push, pull and FROM', async () => {
  const { docker, registry, work } = await machine(SOURCES, null);
  const image = `${ECR_HOST}/app`;
  expect(await docker('push', `${image}:v1`)).toMatchObject({
    code: 1,
    err: expect.stringContaining('No such image'),
  });
  expect(await docker('login', '-u', 'AWS', '-p', 'good', `https://${ECR_HOST}`)).toMatchObject({
    code: 0,
    out: 'Login Succeeded\n',
  });
  expect(await docker('build', '-t', `${image}:v1`, '.')).toMatchObject({ code: 0 });
  const pushed = await docker('push', `${image}:v1`);
  const [, digest] = /^v1: digest: (sha256:[0-9a-f]{64}) size: \d+$/m.exec(pushed.out)!;
  expect(registry.store.describe('app', 'v1')?.digest).toBe(digest);
  expect((await docker('inspect', '--format={{index .RepoDigests 0}}', `${image}:v1`)).out).toBe(
    `${image}@${digest}\n`,
  );
  // The other name of the registry needs no login of its own.
  await docker('tag', `${image}:v1`, `${registry.host}/app:v2`);
  expect(await docker('push', `${registry.host}/app:v2`)).toMatchObject({ code: 0 });
  await docker('rmi', '-f', `${image}:v1`);
  writeFiles(work, { Dockerfile: `FROM ${image}:v1\nCOPY --from=${image}:v2 /app/built.txt /copy.txt\n` });
  expect(await docker('build', '-t', `${image}:next`, '.')).toMatchObject({ code: 0, err: '' });
  expect(await docker('pull', `${image}@${digest}`)).toMatchObject({ code: 0 });
  expect((await docker('manifest', 'inspect', `${image}:v1`)).code).toBe(0);
  expect((await docker('logout', ECR_HOST)).out).toBe(`Removing login credentials for ${ECR_HOST}\n`);
});

test('options that cannot change the image are taken, and buildx builds and pushes', async () => {
  const { docker, image, registry, work } = await machine(SOURCES);
  const plain = await docker('build', '-q', '.');
  const options =
    '--cache-from x:cache --cache-to type=inline --rm --force-rm=false --pull --network host --progress plain --load --shm-size 1g --memory=2g --provenance=false --platform linux/amd64';
  for (const command of [['build'], ['buildx', 'build'], ['image', 'build']])
    expect(await docker(...command, ...options.split(' '), '-q', '.')).toMatchObject({ code: 0, err: '' });
  expect(plain.out).toMatch(/^sha256:/);
  const pushed = await docker(
    ...[
      'buildx',
      'build',
      '--push',
      '-t',
      `${image}:a`,
      '-t',
      `${image}:b`,
      '--metadata-file',
      'meta.json',
      '.',
    ],
  );
  expect(pushed).toMatchObject({ code: 0 });
  const { 'containerimage.digest': digest } = JSON.parse(readFileSync(join(work, 'meta.json'), 'utf8'));
  expect(['a', 'b'].map((tag) => registry.store.resolve('app', tag))).toEqual([digest, digest]);
  for (const args of [
    ['create', '--use'],
    ['use', 'default'],
    ['version'],
    ['ls'],
    ['inspect', '--bootstrap'],
  ])
    expect((await docker('buildx', ...args)).code, args.join(' ')).toBe(0);
});

test('a target names the stage that is built', async () => {
  const { docker, work } = await machine({
    Dockerfile: `FROM node:${NODE_MAJOR} AS tools\nLABEL stage=tools\nFROM node:${NODE_MAJOR}\nRUN exit 3\n`,
  });
  expect(await docker('build', '--target', 'tools', '-t', 'tools', '.')).toMatchObject({ code: 0 });
  expect((await docker('inspect', '-f', '{{.Config.Labels.stage}}', 'tools')).out).toBe('tools\n');
  writeFiles(work, { Dockerfile: `FROM node:${NODE_MAJOR}\n` });
  expect((await docker('build', '--target', 'none', '.')).err).toMatch(/no stage "none" for --target/);
});

test('all tags of a repository are pushed, and images lists those of one', async () => {
  const { docker, image, registry } = await machine(SOURCES);
  await docker('build', '-t', `${image}:one`, '-t', `${image}:two`, '-t', 'local', '.');
  expect((await docker('images', image, '--format', '{{.Tag}}')).out.split('\n').sort()).toEqual([
    '',
    'one',
    'two',
  ]);
  expect((await docker('images', '-q', `${image}:two`)).out).toMatch(/^[0-9a-f]{12}\n$/);
  expect(await docker('push', '--all-tags', image)).toMatchObject({ code: 0 });
  expect(registry.store.resolve('app', 'one')).toBe(registry.store.resolve('app', 'two'));
  expect(registry.store.resolve('app', 'two')).toBeDefined();
});

test('docker answers as one that is up', async () => {
  const { docker } = await machine({}, null);
  expect(await docker('info')).toMatchObject({ code: 0, out: expect.stringContaining('Images: 0') });
  expect((await docker('info', '--format', '{{.OSType}} {{.ServerVersion}}')).out).toMatch(/^linux \d/);
  expect((await docker('version', '--format', '{{.Server.Version}}')).out).toMatch(/^\d/);
});

test.each([
  [['login', '-u', 'me', '-p', 'secret'], /docker.io is not reached from here.*registry is 127.0.0.1/],
  [['login', '-u', 'AWS', '-p', 'x', 'public.ecr.aws'], /public.ecr.aws is not reached from here/],
  [['pull', `node:${NODE_MAJOR}-slim`], /node:\d+-slim is not pulled/],
])('%j is not needed here, which is said', async (args, message) => {
  const { docker, dockerConfig } = await machine({}, null);
  expect(await docker(...args)).toMatchObject({ code: 0, err: expect.stringMatching(message) });
  expect(existsSync(dockerConfig)).toBe(false);
});
