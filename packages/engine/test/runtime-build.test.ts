import { expect, test } from 'vitest';
import { startWitness } from '../src/runtime/test/witness.ts';
import { build, statuses } from './build-bench.ts';

test('all commands share one shell: directory, variables and functions carry over', async () => {
  const result = await build(`
phases:
  install: { commands: [mkdir sub, cd sub, PLAIN=1, export OUT=2, 'f() { echo "f $PLAIN $OUT"; }'] }
  build: { commands: [f, 'basename "$(pwd)"', 'echo to stderr >&2', "printf 'no end'", 'echo next'] }
`);
  expect(result.status).toBe('SUCCEEDED');
  expect(result.output).toEqual(['f 1 2', 'sub', 'to stderr', 'no end', 'next']);
});

test('the environment is what the build is given, which wins over the buildspec', async () => {
  const spec = `env: { variables: { A: from spec, B: from spec } }\nphases: { build: { commands: ["echo $A/$B/\${HOME-no home}"] } }\n`;
  expect((await build(spec, { environment: { B: 'given' } })).output).toEqual(['from spec/given/no home']);
});

test('bash is used where it is asked for', async () => {
  expect(
    (await build('env: { shell: bash }\nphases: { build: { commands: ["[[ ab == a* ]] && echo yes"] } }\n'))
      .output,
  ).toEqual(['yes']);
});

test('a failed BUILD skips its other commands, runs finally and POST_BUILD, still collects, and fails', async () => {
  const result = await build(`
phases:
  build: { commands: ['echo $CODEBUILD_BUILD_SUCCEEDING', 'sh -c "exit 7"', echo not reached], finally: [echo finally] }
  post_build: { commands: ['echo $CODEBUILD_BUILD_SUCCEEDING', 'echo x >out.txt'] }
artifacts: { files: ['*.txt'] }
`);
  expect(result.output).toEqual(['1', 'finally', '0']);
  expect(statuses(result)).toEqual(['BUILD FAILED', 'POST_BUILD SUCCEEDED', 'UPLOAD_ARTIFACTS SUCCEEDED']);
  expect(result.phases[0]!.contexts).toEqual([
    {
      statusCode: 'COMMAND_EXECUTION_ERROR',
      message: 'Error while executing command: sh -c "exit 7". Reason: exit status 7',
    },
  ]);
  expect(result.artifactFiles.map(({ path }) => path)).toEqual(['out.txt']);
  expect(result.status).toBe('FAILED');
});

test('a failed INSTALL or PRE_BUILD ends the build, unless it says to go on', async () => {
  const rest = '  build: { commands: [echo built] }\nartifacts: { files: [x] }\n';
  const ended = await build(`phases:\n  pre_build: { commands: ['false'] }\n${rest}`);
  expect(statuses(ended)).toEqual(['PRE_BUILD FAILED']);
  const wentOn = await build(`phases:\n  pre_build: { commands: ['false'], on-failure: CONTINUE }\n${rest}`);
  expect(statuses(wentOn).slice(0, 2)).toEqual(['PRE_BUILD FAILED', 'BUILD SUCCEEDED']);
});

test('on-failure ABORT in BUILD skips POST_BUILD; a failed POST_BUILD collects nothing', async () => {
  const post = '  post_build: { commands: [echo post] }\n';
  expect(
    statuses(await build(`phases:\n  build: { commands: ['false'], on-failure: ABORT }\n${post}`)),
  ).toEqual(['BUILD FAILED']);
  const failedPost = await build(
    "phases: { post_build: { commands: ['echo x >a', 'false'] } }\nartifacts: { files: [a] }\n",
  );
  expect(statuses(failedPost)).toEqual(['POST_BUILD FAILED']);
  expect(failedPost.artifactFiles).toEqual([]);
});

test('a command that ends the shell counts by its status, and the next goes on where it was', async () => {
  const result = await build(
    'phases: { build: { commands: [mkdir d, cd d, export A=1, exit 0, \'echo "$A $(basename "$(pwd)")"\', "if [", echo not reached] } }\n',
  );
  expect(result.output[0]).toBe('1 d');
  expect(result.output).not.toContain('not reached');
  expect(statuses(result)).toEqual(['BUILD FAILED']);
});

test('exported variables have their values at the end; one that is not in the environment is pointed out', async () => {
  const result = await build(`
env: { exported-variables: [A, B, PLAIN, NONE] }
phases: { build: { commands: [export A=1, PLAIN=1, "export B=$(printf 'two\\nlines')"] }, post_build: { commands: [A=changed] } }
`);
  expect(result.exportedVariables).toEqual({ A: 'changed', B: 'two\nlines' });
  for (const name of ['PLAIN', 'NONE'])
    expect(result.log).toContain(`The exported variable ${name} is not set.`);
});

test('artifacts that match nothing fail the build with the patterns', async () => {
  const result = await build("phases: { build: { commands: ['true'] } }\nartifacts: { files: [none.txt] }\n");
  expect(result.phases.at(-1)).toMatchObject({
    phase: 'UPLOAD_ARTIFACTS',
    status: 'FAILED',
    contexts: [{ statusCode: 'CLIENT_ERROR', message: expect.stringContaining('"none.txt"') }],
  });
  expect(result.status).toBe('FAILED');
});

test('runtime versions that differ are warned about, and the same is not', async () => {
  const spec = (version: string) =>
    `phases: { install: { runtime-versions: { nodejs: ${version} } }, build: { commands: ['true'] } }\n`;
  expect((await build(spec('22'))).log[0]).toMatch(/Warning: runtime-versions asks for Node 22/);
  expect((await build(spec('24'))).log.filter((line) => line.includes('Warning'))).toEqual([]);
});

test('aborting kills everything that the build has started, and ends it as STOPPED', async () => {
  const witness = await startWitness();
  const aborter = new AbortController();
  const command = (name: string) => `node -e "${witness.connect(name)}"`;
  const running = build(
    `phases: { build: { commands: ['${command('background').replaceAll("'", "''")} &', '${command('foreground').replaceAll("'", "''")}'], finally: [echo no] }, post_build: { commands: [echo no] } }\n`,
    { signal: aborter.signal },
  );
  await Promise.all([witness.seen('background'), witness.seen('foreground')]);
  aborter.abort();
  const result = await running;
  await Promise.all([witness.gone('background'), witness.gone('foreground')]);
  expect(result.status).toBe('STOPPED');
  expect(statuses(result)).toEqual(['BUILD STOPPED']);
  expect(result.output).toEqual([]);
});

test('what a build leaves running in the background ends with it', async () => {
  const witness = await startWitness();
  const script = witness.connect('left', "require('fs').writeFileSync('ready', '')").replaceAll("'", "''");
  const result = await build(
    `phases: { build: { commands: ['node -e "${script}" &', 'until [ -f ready ]; do :; done'] } }\n`,
  );
  expect(result.status).toBe('SUCCEEDED');
  await witness.gone('left');
});
