import { expect, test } from 'vitest';
import { runAwsCommand } from './aws-command.ts';

const COMPLETE = {
  AWS_REGION: 'eu-west-1',
  AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
  AWS_ACCESS_KEY_ID: 'a',
  AWS_SECRET_ACCESS_KEY: 'b',
};

async function aws(args: string[], env: Record<string, string> = COMPLETE) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runAwsCommand(args, {
    env,
    version: '1',
    cwd: '/',
    write: () => undefined,
    readInput: async () => Buffer.alloc(0),
    print: (line) => out.push(line),
    warn: (line) => err.push(line),
  });
  return { code, out, err };
}

test('the version says whose command it is', async () => {
  expect(await aws(['--version'], {})).toEqual({
    code: 0,
    out: [expect.stringMatching(/^aws-cli\/1 queue-canary-built-in Node\/\d+/)],
    err: [],
  });
});

test.each([
  [['s3', 'sync', '.', 's3://b'], /"aws s3 sync" is not supported.*s3 cp, ls and rm.*AWS CLI/],
  [['s3', 'cp', 'a'], /takes 2 paths, not 1/],
  [['s3', 'cp', '--exclude', 'x', 'a', 's3://b'], /the option --exclude of aws s3 cp is not supported/],
  [[], /"aws " is not supported/],
  [['ecr', 'get-login', '--no-include-email'], /get-login is gone.*get-login-password/],
  [['ecr', 'get-login-password', '--profile', 'me'], /the option --profile is not supported/],
  [['ecr', 'get-login-password', '--region'], /--region needs a value/],
  [['ecr', 'describe-images'], /the following arguments are required: --repository-name/],
  [['ecr', 'describe-images', '--repository-name', 'a', '--nope', 'b'], /there is no option --nope/],
  [['ecr', 'describe-images', 'stray', '--repository-name', 'a'], /"stray" is not an option/],
  [
    ['ecs', 'wait', 'services-stable'],
    /"services-stable" is not an option|"aws ecs wait" is not an operation/,
  ],
  [['dynamodb', 'get-item'], /"aws dynamodb" is not a service of the local engine/],
  [['sts', 'get-caller-identity', '--output', 'table'], /--output table is not supported/],
  [
    ['sqs', 'send-message', '--queue-url', 'q', '--message-body', 'b', '--delay-seconds', 'x'],
    /--delay-seconds takes a number/,
  ],
])('aws %j is wrong usage, with one clear line', async (args, message) => {
  expect(await aws(args)).toEqual({ code: 252, out: [], err: [expect.stringMatching(message)] });
});

test('a login for the public gallery is not needed, which is said', async () => {
  expect(await aws(['ecr-public', 'get-login-password', '--region', 'us-east-1'], {})).toEqual({
    code: 0,
    out: ['none'],
    err: [expect.stringMatching(/not reached from here/)],
  });
});

test.each([
  ['AWS_REGION', /no region is set/],
  ['AWS_ENDPOINT_URL', /does not reach AWS/],
  ['AWS_SECRET_ACCESS_KEY', /no credentials are set/],
])('without %s it says what to set', async (name, message) => {
  const { [name as keyof typeof COMPLETE]: _, ...rest } = COMPLETE;
  expect(await aws(['ecr', 'get-login-password'], rest)).toEqual({
    code: 253,
    out: [],
    err: [expect.stringMatching(message)],
  });
});
