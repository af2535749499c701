import { chmodSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import type { LambdaFunction } from '../src/runtime/lambda/lambda-function.ts';
import { MachinePythons } from '../src/runtime/lambda/machine-python.ts';
import { temporaryDirectory } from '../src/runtime/test/temporary-directory.ts';
import { bench } from './lambda-bench.ts';

const HOST_PATH = process.env.PATH ?? '';
const machine = (await new MachinePythons(HOST_PATH).find('python3'))!;
/** Finds that Python itself first: what stands before it may be a slow launcher. */
const PYTHON_PATH = [dirname(machine.path), HOST_PATH].join(delimiter);
/** The runtime that this machine has itself. */
const OWN_RUNTIME = `python${machine.version.split('.').slice(0, 2).join('.')}`;

function python(
  code: Readonly<Record<string, string>> | string,
  options: Partial<LambdaFunction> & { hostPath?: string } = {},
) {
  const files = typeof code === 'string' ? { 'index.py': code } : code;
  return bench(files, { runtime: OWN_RUNTIME, hostPath: PYTHON_PATH, ...options });
}

/** A directory that holds one program of this name. */
function pathWith(name: string, script: string): string {
  const directory = temporaryDirectory({ [name]: script });
  chmodSync(join(directory, name), 0o755);
  return directory;
}

const steady = (line: string) => line.replace(/\d{4}-\S+Z/, 'TIME').replace(/[\d.]+ (ms|MB)/g, 'N $1');

test('a handler gets its event, context and environment, and its process is used again', async () => {
  const { invoke } = python(`import os
count = 0
def handler(event, context):
    global count
    count += 1
    return {
        'event': event, 'count': count, 'given': os.environ['GIVEN'], 'runtime': os.environ['AWS_EXECUTION_ENV'],
        'channel': 'NODE_CHANNEL_FD' in os.environ,
        'id': context.aws_request_id, 'name': context.function_name, 'version': context.function_version,
        'arn': context.invoked_function_arn, 'memory': context.memory_limit_in_mb, 'group': context.log_group_name,
        'stream': context.log_stream_name, 'client': context.client_context, 'user': context.identity.cognito_identity_id,
        'left': 0 < context.get_remaining_time_in_millis() <= 3000,
    }`);
  const arn = 'arn:aws:lambda:eu-west-1:000000000000:function:subject';
  expect(await invoke({ a: 'ä' })).toMatchObject({
    kind: 'success',
    initDurationMs: expect.any(Number),
    value: {
      ...{
        event: { a: 'ä' },
        count: 1,
        given: 'value',
        runtime: `AWS_Lambda_${OWN_RUNTIME}`,
        channel: false,
      },
      ...{ id: 'request-1', name: 'subject', version: '$LATEST', arn, memory: '128', left: true },
      ...{ group: '/aws/lambda/subject', client: null, user: null },
      stream: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\]/),
    },
  });
  const second = await invoke();
  expect(second).toMatchObject({ value: { count: 2, id: 'request-2' } });
  expect(second).not.toHaveProperty('initDurationMs');
});

test('what is printed and logged stands in order between START and END', async () => {
  const { invoke, log } = python(`import logging, sys
logger = logging.getLogger()
logger.setLevel('INFO')
def handler(event, context):
    print('one', 'ä', event)
    logger.info('two\\nlines')
    logger.debug('unseen')
    print('part', end='')
    print(' of a line', file=sys.stdout)
    sys.stderr.write('three\\nfour')`);
  expect(await invoke({ a: 1 })).toMatchObject({
    kind: 'success',
    value: null,
    logTail: `${log.join('\n')}\n`,
  });
  expect(log.map(steady)).toEqual([
    'START RequestId: request-1 Version: $LATEST',
    "one ä {'a': 1}",
    '[INFO]\tTIME\trequest-1\ttwo\nlines',
    'part of a line',
    'three',
    'four',
    'END RequestId: request-1',
    expect.stringContaining('REPORT RequestId: request-1'),
  ]);
});

test.each([
  [
    'a raised error',
    'def handler(event, context):\n    raise KeyError("bad")',
    { errorType: 'KeyError', errorMessage: "'bad'", requestId: 'request-1' },
    /File ".*index\.py", line 2, in handler\n {4}raise KeyError\("bad"\)/,
  ],
  [
    'an error while loading',
    'raise ValueError("init")',
    { errorType: 'ValueError', errorMessage: 'init' },
    /index\.py", line 1, in <module>/,
  ],
  [
    'a missing module',
    'import not_there',
    {
      errorType: 'Runtime.ImportModuleError',
      errorMessage: "Unable to import module 'index': No module named 'not_there'",
    },
    /index\.py", line 1/,
  ],
  [
    'a syntax error',
    'def handler(',
    {
      errorType: 'Runtime.UserCodeSyntaxError',
      errorMessage: expect.stringMatching(
        /^Syntax error in module 'index': .*\(index\.py, line 1\)$/,
      ) as unknown,
    },
    /index\.py" Line 1/,
  ],
  [
    'no such function',
    'other = 1',
    { errorType: 'Runtime.HandlerNotFound', errorMessage: "Handler 'handler' missing on module 'index'" },
    undefined,
  ],
  [
    'a result that is not JSON',
    'def handler(event, context):\n    return object()',
    {
      errorType: 'Runtime.MarshalError',
      errorMessage: 'Unable to marshal response: Object of type object is not JSON serializable',
    },
    undefined,
  ],
  [
    'a result that JSON has no number for',
    'def handler(event, context):\n    return float("nan")',
    { errorType: 'Runtime.MarshalError' },
    undefined,
  ],
  [
    'a result that is too large',
    'def handler(event, context):\n    return "x" * 7 * 1024 * 1024',
    { errorType: 'Function.ResponseSizeTooLarge' },
    undefined,
  ],
  [
    'an exit',
    'import sys\ndef handler(event, context):\n    sys.exit(7)',
    {
      errorType: 'Runtime.ExitError',
      errorMessage: 'RequestId: request-1 Error: Runtime exited with error: exit status 7',
    },
    undefined,
  ],
  ['an exit while loading', 'import os\nos._exit(3)', { errorType: 'Runtime.ExitError' }, undefined],
])('%s is the error that Lambda reports', async (_, source, error, trace) => {
  const { invoke, log } = python(source);
  const result = await invoke();
  expect(result).toMatchObject({ kind: 'error', value: error });
  if (trace === undefined) return;
  const { stackTrace } = JSON.parse('payload' in result ? result.payload : '{}') as { stackTrace: string[] };
  expect(stackTrace.join('')).toMatch(trace);
  expect(stackTrace.join('')).not.toContain('program.py');
  expect(log.some((line) => line.startsWith(`[ERROR] ${error.errorType}: `))).toBe(true);
});

test('a handler name without a function is refused', async () => {
  expect(await python('def handler(e, c): pass', { handler: 'index' }).invoke()).toMatchObject({
    value: {
      errorType: 'Runtime.MalformedHandlerName',
      errorMessage: "Bad handler 'index': not enough values to unpack (expected 2, got 1)",
    },
  });
});

test('a handler in a package, by path or by dots, finds its neighbours and modules of its bundle', async () => {
  const files = {
    'app/__init__.py': '',
    'app/main.py': 'from . import near\nimport far\ndef handler(e, c):\n    return [near.NAME, far.NAME]',
    'app/near.py': 'NAME = "near"',
    'far.py': 'NAME = "far"',
  };
  for (const handler of ['app/main.handler', 'app.main.handler']) {
    expect(await python(files, { handler }).invoke()).toMatchObject({ value: ['near', 'far'] });
  }
});

test('decimals are numbers, as they are on Lambda', async () => {
  const source = 'from decimal import Decimal\ndef handler(e, c): return {"price": Decimal("1.5")}';
  expect(await python(source).invoke()).toMatchObject({ kind: 'success', value: { price: 1.5 } });
});

test('lines that threads write at the same time stay whole', async () => {
  const { invoke, log } = python(`import sys, threading
LINE = 'x' * 500 + '\\n'
def handler(event, context):
    threads = [threading.Thread(target=lambda: [sys.stdout.write(LINE) for _ in range(50)]) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]`);
  expect(await invoke()).toMatchObject({ kind: 'success' });
  expect(log.filter((line) => line === 'x'.repeat(500))).toHaveLength(200);
});

test('a function that exceeds its timeout is ended, and the next event gets a new process', async () => {
  const { invoke } = python(
    'import time\ndef handler(event, context):\n    time.sleep(event)\n    return "done"',
    { timeoutMs: 400 },
  );
  expect(await invoke(60)).toMatchObject({ kind: 'error', value: { errorType: 'Sandbox.Timedout' } });
  expect(await invoke(0, { timeoutMs: 3_000 })).toMatchObject({ kind: 'success', value: 'done' });
});

test('events at the same time run in processes of their own, as many as there may be', async () => {
  const { invoke } = python('import os\ndef handler(event, context):\n    return os.getpid()');
  const results = await Promise.all([invoke(), invoke(), invoke()]);
  expect(results.map(({ kind }) => kind).sort()).toEqual(['success', 'success', 'throttled']);
  expect(new Set(results.flatMap((result) => ('value' in result ? [result.value] : []))).size).toBe(2);
});

test('what the function starts neither holds nor writes to the channel', async () => {
  const { invoke } = python(
    `import os, subprocess
def handler(event, context):
    return subprocess.run(['sh', '-c', 'ls -l /proc/self/fd | grep -c socket; true'], capture_output=True, text=True).stdout.strip()`,
  );
  expect(await invoke()).toMatchObject({ kind: 'success', value: '0' });
});

test('another minor version than asked for is used and named in the log', async () => {
  const { invoke, log } = python('import sys\ndef handler(e, c): return list(sys.version_info[:3])', {
    runtime: 'python3.99',
  });
  expect(await invoke()).toMatchObject({ kind: 'success', value: machine.version.split('.').map(Number) });
  expect(log[0]).toBe(
    `The local engine runs python3.99 on Python ${machine.version} (${machine.path}): this machine has no python3.99.`,
  );
});

test('a launcher without the version that it is asked for is passed over', async () => {
  const hostPath = `${pathWith(OWN_RUNTIME, '#!/bin/sh\nexit 127\n')}:${PYTHON_PATH}`;
  expect(await new MachinePythons(hostPath).find(OWN_RUNTIME)).toMatchObject({ version: machine.version });
});

test('without a Python, or with one that is too old, nothing is found', async () => {
  expect(await new MachinePythons(temporaryDirectory()).find(OWN_RUNTIME)).toBeUndefined();
  const old = pathWith('python3', '#!/bin/sh\necho /usr/bin/python3 3.6.9\n');
  expect(await new MachinePythons(old).find(OWN_RUNTIME)).toBeUndefined();
});

const SDK = 'import boto3\ndef handler(e, c): return boto3.__version__';

test('a machine whose Python has no boto3 says so, and how to get it', async () => {
  const without = `import sys\nsys.path[:] = [path for path in sys.path if 'packages' not in path]\n${SDK}`;
  const empty = await python(without).invoke();
  expect(empty).toMatchObject({
    value: {
      errorType: 'Runtime.ImportModuleError',
      errorMessage: expect.stringMatching(
        /No module named 'boto3'\. Lambda's Python has the AWS SDK.*-m pip install boto3/,
      ) as unknown,
    },
  });
});

test('an SDK too old to call the engine is refused rather than let call AWS', async () => {
  const files = {
    'index.py': SDK,
    'boto3/__init__.py': 'import botocore\n__version__ = "1.26.27"',
    'botocore/__init__.py': "__version__ = '1.29.27'",
  };
  expect(await python(files).invoke()).toMatchObject({
    value: {
      errorMessage: expect.stringMatching(/botocore 1\.29\.27 .*AWS_ENDPOINT_URL.*boto3 1\.28/) as unknown,
    },
  });
  const current = { ...files, 'botocore/__init__.py': "__version__ = '1.31.0'" };
  expect(await python(current).invoke()).toMatchObject({ kind: 'success', value: '1.26.27' });
});
