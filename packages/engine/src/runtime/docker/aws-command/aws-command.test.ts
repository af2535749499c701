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
  [['s3', 'ls'], /"aws s3 ls" is not supported.*Install the AWS CLI/],
  [[], /"aws " is not supported/],
  [['ecr', 'get-login-password', '--profile', 'me'], /the option --profile is not supported/],
  [['ecr', 'get-login-password', '--region'], /--region needs a value/],
  [['sts', 'get-caller-identity', '--output', 'text'], /--output text is not supported/],
])('aws %j is wrong usage, with one clear line', async (args, message) => {
  expect(await aws(args)).toEqual({ code: 252, out: [], err: [expect.stringMatching(message)] });
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
