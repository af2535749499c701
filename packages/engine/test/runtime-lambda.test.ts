import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../src/clock/virtual-clock.ts';
import { startWitness } from '../src/runtime/test/witness.ts';
import { bench } from './lambda-bench.ts';

test('a handler gets its event, context and environment, and its process is used again', async () => {
  const { invoke, streams } = bench(`let count = 0;
exports.handler = async (event, context) => ({ event, count: ++count, given: process.env.GIVEN, name: process.env.AWS_LAMBDA_FUNCTION_NAME, arn: context.invokedFunctionArn, id: context.awsRequestId, memory: context.memoryLimitInMB, left: context.getRemainingTimeInMillis() });`);
  const first = await invoke({ a: 1 });
  expect(first).toMatchObject({
    kind: 'success',
    initDurationMs: expect.any(Number),
    value: {
      event: { a: 1 },
      count: 1,
      given: 'value',
      name: 'subject',
      arn: 'arn:aws:lambda:eu-west-1:000000000000:function:subject',
      id: 'request-1',
      memory: '128',
    },
  });
  const left = Number(first.kind === 'success' ? first.value.left : Number.NaN);
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(3_000);
  const second = await invoke();
  expect(second).toMatchObject({ value: { count: 2, id: 'request-2' } });
  expect(second).not.toHaveProperty('initDurationMs');
  expect([...streams]).toEqual([expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/)]);
});

test('what is logged stands between START and END, one event for each console call', async () => {
  const { invoke, log } = bench(
    "exports.handler = async () => { console.log('two\\nlines', { a: 1 }); console.warn('careful'); };",
  );
  const result = await invoke();
  expect(log.map((line) => line.replace(/\d{4}-\S+Z/, 'TIME').replace(/[\d.]+ (ms|MB)/g, 'N $1'))).toEqual([
    'START RequestId: request-1 Version: $LATEST',
    'TIME\trequest-1\tINFO\ttwo\nlines { a: 1 }',
    'TIME\trequest-1\tWARN\tcareful',
    'END RequestId: request-1',
    'REPORT RequestId: request-1\tDuration: N ms\tBilled Duration: N ms\tMemory Size: N MB\tMax Memory Used: N MB\tInit Duration: N ms',
  ]);
  expect(result).toMatchObject({ value: null, logTail: `${log.join('\n')}\n` });
});

test('what a function writes to its output is in the log before END', async () => {
  const { invoke, log } = bench("exports.handler = async () => { process.stdout.write('raw\\n'); };");
  await invoke();
  expect(log.indexOf('raw')).toBe(1);
});

test.each([
  [
    'CommonJS',
    {
      'index.js':
        "const { SQSClient } = require('@aws-sdk/client-sqs'); const { fromEnv } = require('@aws-sdk/client-ssm'); exports.handler = async () => typeof SQSClient;",
    },
  ],
  [
    'an ES module',
    {
      'index.mjs':
        "import { SQSClient } from '@aws-sdk/client-sqs'; export const handler = async () => typeof SQSClient;",
    },
  ],
  [
    'an ES module by package.json',
    {
      'package.json': '{"type":"module"}',
      'index.js':
        "const { SQSClient } = await import('@aws-sdk/client-sqs'); export const handler = async () => typeof SQSClient;",
    },
  ],
])('%s finds the AWS SDK without bringing it', async (_, files) => {
  expect(await bench(files).invoke()).toMatchObject({ kind: 'success', value: 'function' });
});

test('the SDK of the bundle goes before the one of the runtime', async () => {
  const { invoke } = bench({
    'index.js': "exports.handler = async () => require('@aws-sdk/client-sqs').own;",
    'node_modules/@aws-sdk/client-sqs/index.js': "exports.own = 'mine';",
  });
  expect(await invoke()).toMatchObject({ value: 'mine' });
});

test.each([
  [
    'a thrown error',
    "exports.handler = async () => { throw new TypeError('bad'); };",
    { errorType: 'TypeError', errorMessage: 'bad', trace: expect.arrayContaining(['TypeError: bad']) },
  ],
  [
    'a thrown text',
    "exports.handler = () => { throw 'text'; };",
    { errorType: 'string', errorMessage: 'text', trace: [] },
  ],
  [
    'a callback error',
    "exports.handler = (event, context, callback) => callback(new Error('called'));",
    { errorType: 'Error', errorMessage: 'called' },
  ],
  [
    'an exit',
    'exports.handler = async () => process.exit(7);',
    {
      errorType: 'Runtime.ExitError',
      errorMessage: 'RequestId: request-1 Error: Runtime exited with error: exit status 7',
    },
  ],
  [
    'an error outside of the handler',
    "exports.handler = () => new Promise(() => setImmediate(() => { throw new RangeError('later'); }));",
    { errorType: 'RangeError', errorMessage: 'later' },
  ],
  [
    'a rejection that nobody handles',
    "exports.handler = () => new Promise(() => { Promise.reject(new Error('lost')); });",
    { errorType: 'Runtime.UnhandledPromiseRejection', errorMessage: 'Error: lost' },
  ],
  [
    'a missing module',
    "require('not-there');",
    { errorType: 'Runtime.ImportModuleError', errorMessage: "Error: Cannot find module 'not-there'" },
  ],
  [
    'a missing SDK package',
    "require('@aws-sdk/client-nothing');",
    {
      errorType: 'Runtime.ImportModuleError',
      errorMessage: "Error: Cannot find module '@aws-sdk/client-nothing'",
    },
  ],
  ['a syntax error', 'exports.handler = (', { errorType: 'Runtime.UserCodeSyntaxError' }],
  ['an error while loading', "throw new Error('init');", { errorType: 'Error', errorMessage: 'init' }],
  [
    'no such export',
    'exports.other = 1;',
    { errorType: 'Runtime.HandlerNotFound', errorMessage: 'index.handler is undefined or not exported' },
  ],
  [
    'a result that is not JSON',
    'exports.handler = async () => { const a = {}; a.a = a; return a; };',
    { errorType: 'TypeError' },
  ],
  [
    'too large a result',
    "exports.handler = async () => 'x'.repeat(7e6);",
    { errorType: 'Function.ResponseSizeTooLarge' },
  ],
])('%s is reported as Lambda reports it', async (_, code, error) => {
  expect(await bench(code).invoke()).toMatchObject({ kind: 'error', value: error });
});

test('after an error the process goes on; after a crash there is a new one', async () => {
  const { invoke } = bench(
    "let count = 0; exports.handler = async ({ fail, crash }) => { count++; if (fail) throw new Error('x'); if (crash) process.exit(1); return count; };",
  );
  await invoke({ fail: true });
  expect(await invoke()).toMatchObject({ value: 2 });
  await invoke({ crash: true });
  expect(await invoke()).toMatchObject({ value: 1 });
});

test('a function that takes too long is killed, even in an endless loop', async () => {
  const witness = await startWitness();
  const clock = new VirtualClock();
  const { invoke, log } = bench(
    `exports.handler = async ({ name, loop }) => { await new Promise((resolve) => require('net').connect(${witness.port}, '127.0.0.1').write(name, resolve)); if (loop) for (;;); return new Promise(() => undefined); };`,
    { clock },
  );
  for (const [index, name] of ['waiting', 'looping'].entries()) {
    const running = invoke({ name, loop: name === 'looping' });
    await witness.seen(name);
    await clock.advanceBy(3_000);
    const message = `RequestId: request-${index + 1} Error: Task timed out after 3.00 seconds`;
    expect(await running).toMatchObject({
      kind: 'error',
      durationMs: 3_000,
      value: { errorType: 'Sandbox.Timedout', errorMessage: message },
    });
    await witness.gone(name);
  }
  expect(log.filter((line) => line.endsWith('Task timed out after 3.00 seconds'))).toHaveLength(2);
});

/** A function whose invocations end when they are let go. */
async function gate() {
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  const arrived = new Map<string, PromiseWithResolvers<void>>();
  const of = (map: typeof waiting, name: string) =>
    map.get(name) ?? map.set(name, Promise.withResolvers<void>()).get(name)!;
  const server = createServer((request, response) => {
    const name = (request.url ?? '').slice(1);
    of(arrived, name).resolve();
    void of(waiting, name).promise.then(() => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    /** A module that is loaded when it is let go, each time under the name that comes next. */
    loading: (...names: readonly string[]) => {
      const left = names.join(' ');
      return {
        'index.mjs': `import { appendFileSync, existsSync, readFileSync } from 'node:fs'; const at = existsSync('loads') ? readFileSync('loads', 'utf8').length : 0; appendFileSync('loads', '.'); await fetch('http://127.0.0.1:${port}/' + '${left}'.split(' ')[at]); export const handler = async () => at;`,
      };
    },
    code: `let count = 0; exports.handler = async ({ name }) => { await fetch('http://127.0.0.1:${port}/' + name); return [process.pid, ++count]; };`,
    arrived: (name: string) => of(arrived, name).promise,
    open: (name: string) => of(waiting, name).resolve(),
  };
}

test('a process serves one event at a time; beyond the limit invocations are throttled', async () => {
  const doors = await gate();
  const { invoke } = bench(doors.code, { maxConcurrency: 2 });
  const one = invoke({ name: 'one' });
  const two = invoke({ name: 'two' });
  expect(await invoke({ name: 'three' })).toEqual({ kind: 'throttled' });
  await Promise.all([doors.arrived('one'), doors.arrived('two')]);
  doors.open('one');
  doors.open('two');
  const results = await Promise.all([one, two]);
  const pids = results.map((result) => (result.kind === 'success' ? Object.values(result.value)[0] : result));
  expect(new Set(pids).size).toBe(2);
  doors.open('four');
  expect(await invoke({ name: 'four' })).toMatchObject({ kind: 'success', value: [expect.any(Number), 2] });
});

test('a new revision gets new processes, while the old one finishes its event', async () => {
  const doors = await gate();
  const { invoke } = bench(doors.code, { maxConcurrency: 3 });
  const old = invoke({ name: 'old' });
  await doors.arrived('old');
  doors.open('new');
  const fresh = await invoke({ name: 'new' }, { revision: '2' });
  expect(fresh).toMatchObject({ kind: 'success', value: [expect.any(Number), 1] });
  doors.open('old');
  expect(await old).toMatchObject({ kind: 'success', value: [expect.any(Number), 1] });
  expect(await invoke({ name: 'new' }, { revision: '2' })).toMatchObject({
    value: [Object.values(fresh.kind === 'success' ? fresh.value : {})[0], 2],
  });
});

test('each process gets the credentials of the time when it starts', async () => {
  let session = 0;
  const { invoke } = bench('exports.handler = async () => process.env.AWS_SESSION_TOKEN;', {
    environment: () => ({ AWS_SESSION_TOKEN: `session-${++session}` }),
  });
  expect(await invoke()).toMatchObject({ value: 'session-1' });
  expect(await invoke()).toMatchObject({ value: 'session-1' });
  expect(await invoke({}, { revision: '2' })).toMatchObject({ value: 'session-2' });
});

test('an idle process ends after its time, and closing ends them all', async () => {
  const witness = await startWitness();
  const clock = new VirtualClock();
  const { invoke, runner } = bench(
    `exports.handler = async ({ name }) => { ${witness.connect('NAME').replace("'NAME'", 'name')} return 1; };`,
    { clock, idleMs: 60_000 },
  );
  await invoke({ name: 'first' });
  await witness.seen('first');
  await clock.advanceBy(60_000);
  await witness.gone('first');
  await invoke({ name: 'second' });
  await witness.seen('second');
  await runner.close();
  await witness.gone('second');
});

test('a handler in a subdirectory and a nested export are found', async () => {
  const { invoke } = bench(
    { [join('src', 'entry.js')]: 'exports.api = { run: async () => 1 };' },
    { handler: 'src/entry.api.run' },
  );
  expect(await invoke()).toMatchObject({ kind: 'success', value: 1 });
});

/** An invocation of a function of a minute whose code was not loaded in ten seconds, and is being loaded again. */
async function loadingAgain() {
  const doors = await gate();
  const clock = new VirtualClock();
  const { invoke, log } = bench(doors.loading('first', 'second'), { clock, timeoutMs: 60_000 });
  const running = invoke();
  await doors.arrived('first');
  await clock.advanceBy(10_000);
  await doors.arrived('second');
  return { running, log, clock, doors };
}

test('code that takes longer than ten seconds to load is loaded once more, in the time of the function', async () => {
  const { running, log, clock, doors } = await loadingAgain();
  await clock.advanceBy(30_000);
  doors.open('second');
  expect(await running).toMatchObject({ kind: 'success', value: 1, initDurationMs: 30_000 });
  expect(log).toContain('INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout');
});

test('code that is not loaded in the time of the function either times out', async () => {
  const { running, log, clock } = await loadingAgain();
  await clock.advanceBy(60_000);
  expect(await running).toMatchObject({ kind: 'error', value: { errorType: 'Sandbox.Timedout' } });
  expect(log).toContain('INIT_REPORT Init Duration: 60000.00 ms\tPhase: invoke\tStatus: timeout');
  expect(log.filter((line) => line.endsWith('Task timed out after 60.00 seconds'))).toHaveLength(1);
});

test('only so many load their code at a time, and the others wait without losing time of their own', async () => {
  const doors = await gate();
  const clock = new VirtualClock();
  const code = doors.loading('first', 'second', 'third');
  const { invoke } = bench(code, { clock, maxConcurrency: 3, maxStarts: 1, timeoutMs: 1_000 });
  const all = [invoke(), invoke(), invoke()];
  for (const name of ['first', 'second', 'third']) {
    await doors.arrived(name);
    await clock.advanceBy(9_000);
    doors.open(name);
  }
  const results = await Promise.all(all);
  expect(results.map((result) => result.kind === 'success' && result.value)).toEqual([0, 1, 2]);
});
