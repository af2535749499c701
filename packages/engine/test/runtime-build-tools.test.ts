import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '../src/index.ts';
import { installBuildTools } from '../src/runtime/docker/build-tools.ts';
import { detectMachineTools } from '../src/runtime/machine-tools.ts';
import { temporaryDirectory } from '../src/runtime/test/temporary-directory.ts';
import { promptIds, testEngine } from './harness.ts';

const run = promisify(execFile);

/** A socket that answers pings with the status, and its address. */
async function socket(status: number): Promise<string> {
  const path = join(temporaryDirectory(), 's');
  const server = createServer((request, response) =>
    response.writeHead(request.url === '/_ping' ? status : 404).end(),
  );
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
  return `unix://${path}`;
}

/** Programs on a search path of their own; each is a text for Node. */
function programs(texts: Record<string, string>): Record<string, string> {
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries(texts)) {
    writeFileSync(join(directory, name), `#!${process.execPath}\n${text}`, { mode: 0o755 });
  }
  return { PATH: directory, HOME: temporaryDirectory() };
}

const CALL = (url: string) =>
  `require('http').get(${url}, () => process.exit(1)).on('error', () => process.exit(1));`;
/** A client that takes a registry from its last argument. */
const DOCKER = CALL("'http://' + process.argv.at(-1) + '/v2/'");
const AWS = CALL('process.env.AWS_ENDPOINT_URL');

test('a container engine is one that answers a ping and whose docker comes to this machine', async () => {
  const [alive, broken] = await Promise.all([socket(200), socket(500)]);
  const detect = async (DOCKER_HOST: string, docker = DOCKER) =>
    (await detectMachineTools({ DOCKER_HOST }, programs({ docker }), new SystemClock())).containerEngine;
  expect(await detect(alive)).toBe(alive);
  expect(await detect(alive, 'process.exit(1)')).toBeUndefined();
  for (const address of [broken, 'unix:///nowhere/docker.sock', 'ssh://host'])
    expect(await detect(address)).not.toBe(address);
});

test.each([
  ['one whose calls arrive', { aws: AWS }, true],
  ['one that does not know the variable', { aws: "console.log('{}')" }, false],
  ['version 1, which ignores it for SQS', { aws: `if (process.argv[2] !== 'sqs') ${AWS}` }, false],
  ['one that does not run', { aws: 'process.exit(1)' }, false],
  ['none', {}, false],
])('of AWS CLIs, %s: %#', async (_what, texts, usable) => {
  const tools = await detectMachineTools({}, programs(texts as Record<string, string>), new SystemClock());
  expect(tools.awsCli).toBe(usable);
});

test('a call that asks for AWS itself finds no way out', async () => {
  const seen = join(temporaryDirectory(), 'proxy');
  const aws = `require('fs').writeFileSync('${seen}', process.env.HTTPS_PROXY + ' ' + process.env.AWS_ACCESS_KEY_ID)`;
  await detectMachineTools({ HTTPS_PROXY: 'http://real:1' }, programs({ aws }), new SystemClock());
  expect(readFileSync(seen, 'utf8')).toBe('http://127.0.0.1:9 probe');
});

const storage = () => ({
  stateDirectory: temporaryDirectory(),
  compileCache: process.env.NODE_COMPILE_CACHE!,
});

test('only the tools that the machine lacks are installed, and one that is no longer wanted goes', () => {
  const directory = temporaryDirectory();
  const settings = { registryUrl: 'http://127.0.0.1:1', registryHost: 'none', ...storage() };
  installBuildTools(directory, settings, { docker: true, aws: true });
  expect(readdirSync(directory).sort()).toEqual([
    'aws',
    'codebuild-breakpoint',
    'docker',
    'node',
    'settings.json',
  ]);
  installBuildTools(directory, settings, { docker: false, aws: true });
  expect(readdirSync(directory).sort()).toEqual(['aws', 'codebuild-breakpoint', 'node', 'settings.json']);
});

test('the own aws gets a password that the own docker logs in with, using the credentials of the build alone', async () => {
  const engine = await testEngine();
  const tools = temporaryDirectory();
  const registryUrl = engine.endpoint;
  installBuildTools(tools, { registryUrl, registryHost: 'none', ...storage() }, { docker: true, aws: true });
  const { accessKeyId, secretAccessKey } = engine.client.credentials;
  const env = {
    PATH: `${tools}:/usr/bin:/bin`,
    HOME: tools,
    DOCKER_CONFIG: join(tools, 'docker-config'),
    AWS_REGION: engine.region,
    AWS_ENDPOINT_URL: engine.endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const script = `aws sts get-caller-identity && aws ecr get-login-password | docker login --username AWS --password-stdin ${new URL(registryUrl).host}`;
  const { stdout } = await run('sh', ['-c', script], { env });
  expect(stdout).toMatch(/"Account": "\d{12}"/);
  expect(stdout).toMatch(/Login Succeeded\n$/);
  const refused = run('aws', ['sts', 'get-caller-identity'], {
    env: { ...env, AWS_SECRET_ACCESS_KEY: 'wrong' },
  });
  await expect(refused).rejects.toMatchObject({
    code: 254,
    stderr: expect.stringContaining('SignatureDoesNotMatch'),
  });
});

test('the own aws does what buildspecs ask of it, with query and text', async () => {
  const engine = await testEngine({ ids: promptIds() });
  const directory = temporaryDirectory({ 'a.json': '{"from":"file"}', 'tree/x': 'x', 'tree/sub/y': 'y' });
  const tools = temporaryDirectory();
  installBuildTools(
    tools,
    { registryUrl: engine.endpoint, registryHost: 'none', ...storage() },
    { docker: false, aws: true },
  );
  const { accessKeyId, secretAccessKey } = engine.client.credentials;
  const env = {
    PATH: `${tools}:/usr/bin:/bin`,
    AWS_REGION: engine.region,
    AWS_ENDPOINT_URL: engine.endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const sh = async (command: string) =>
    (await run('sh', ['-c', command], { env, cwd: directory })).stdout.trimEnd();
  expect(await sh('aws sts get-caller-identity --query Account --output text')).toBe('000000000000');
  expect(
    await sh('aws sts get-caller-identity --output text --query "[Account,Arn]" --region us-east-1'),
  ).toMatch(/^000000000000\tarn:aws:iam::/);
  for (let number = 1; number <= 3; number++)
    await sh(
      `aws ssm put-parameter --name /p/${number} --value v${number} --type String --tags Key=a,Value=b`,
    );
  expect(
    await sh('aws ssm get-parameter --name /p/3 --with-decryption --query Parameter.Value --output text'),
  ).toBe('v3');
  expect(
    await sh('aws ssm get-parameters --names /p/1 /p/2 --query "Parameters[].Value" --output text'),
  ).toBe('v1\tv2');
  await sh(
    'aws ecr create-repository --repository-name images --image-scanning-configuration scanOnPush=true',
  );
  expect(
    await sh(
      "aws ecr describe-repositories --repository-names images --query 'repositories[0].imageScanningConfiguration.scanOnPush'",
    ),
  ).toBe('true');
  expect(
    await sh(
      'aws ecr describe-images --repository-name images --query "imageDetails[0].imageDigest" --output text',
    ),
  ).toBe('None');
  await sh('aws s3api create-bucket --bucket out');
  expect(await sh('aws s3 cp a.json s3://out/dir/ --sse aws:kms')).toBe(
    'upload: a.json to s3://out/dir/a.json',
  );
  expect(await sh('aws s3 cp s3://out/dir/a.json -')).toBe('{"from":"file"}');
  await sh('aws s3 cp s3://out/dir/a.json copy.json --quiet && cmp a.json copy.json');
  await sh(
    'aws s3 cp --recursive tree s3://out/tree && aws s3 cp s3://out/tree back --recursive && diff -r tree back',
  );
  expect(await sh('aws s3 ls s3://out/')).toMatch(/PRE dir\/\n\s+PRE tree\/$/);
  expect(
    await sh('aws s3api list-objects-v2 --bucket out --prefix tree --query "Contents[].Key" --output text'),
  ).toBe('tree/sub/y\ttree/x');
  await sh('aws s3 rm s3://out/tree --recursive --only-show-errors');
  await sh('aws s3api head-object --bucket out --key dir/a.json | grep aws:kms');
  await sh(`aws sqs create-queue --queue-name q --attributes '{"VisibilityTimeout":"7"}'`);
  expect(
    await sh(
      'aws sqs get-queue-attributes --queue-url "$(aws sqs get-queue-url --queue-name q --query QueueUrl --output text)" --attribute-names VisibilityTimeout --query Attributes.VisibilityTimeout --output text',
    ),
  ).toBe('7');
  await sh('aws sqs create-queue --queue-name r');
  const queues = 'aws sqs list-queues --max-results 1 --query "length(QueueUrls)"';
  expect([await sh(queues), await sh(`${queues} --no-paginate`)]).toEqual(['2', '1']);
  expect(await sh('aws codepipeline list-pipelines --query pipelines')).toBe('[]');
  await expect(sh('aws ssm get-parameter --name /none')).rejects.toMatchObject({
    code: 254,
    stderr: expect.stringMatching(/ParameterNotFound/),
  });
  await expect(sh('aws s3 ls s3://out/none')).rejects.toMatchObject({ code: 1 });
});
