import { expect, test } from 'vitest';
import type { LambdaFunction } from '../src/runtime/lambda/lambda-function.ts';
import { MachinePythons } from '../src/runtime/lambda/machine-python.ts';
import { bench } from './lambda-bench.ts';

const JSON_LOG = { format: 'JSON', applicationLevel: 'INFO', systemLevel: 'INFO' } as const;
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/);
const head = (level: string) => ({ timestamp: TIME, level, requestId: 'request-1' });

/** The version that this machine has itself. */
const { version } = (await new MachinePythons(process.env.PATH ?? '').find('python3'))!;
const python = { runtime: `python${version.split('.').slice(0, 2).join('.')}` };
const parsed = (log: readonly string[]) =>
  log.map((line): unknown => (line.startsWith('{') ? JSON.parse(line) : line));
/** What the function itself wrote. */
const written = (log: readonly string[]) => parsed(log).filter((line) => !(line as { type?: unknown }).type);
const platform = (log: readonly string[]) => parsed(log).filter((line) => (line as { type?: unknown }).type);

test('Lambda says what it does as JSON events', async () => {
  const { invoke, log } = bench('exports.handler = async () => 1', { logging: JSON_LOG });
  await invoke();
  const metrics = {
    ...{
      durationMs: expect.any(Number),
      billedDurationMs: expect.any(Number),
      initDurationMs: expect.any(Number),
    },
    ...{ memorySizeMB: 128, maxMemoryUsedMB: expect.any(Number) },
  };
  expect(parsed(log)).toEqual([
    {
      ...{ time: TIME, type: 'platform.initStart' },
      record: {
        initializationType: 'on-demand',
        phase: 'init',
        functionName: 'subject',
        functionVersion: '$LATEST',
      },
    },
    { time: TIME, type: 'platform.start', record: { requestId: 'request-1', version: '$LATEST' } },
    { time: TIME, type: 'platform.report', record: { requestId: 'request-1', metrics, status: 'success' } },
  ]);
});

test('a Node function logs JSON: one argument as it is, several as text, errors by their parts', async () => {
  const { invoke, log } = bench(
    `exports.handler = async () => {
  console.log({ order: 1 });
  console.info('order %d', 2);
  console.warn('failed', new TypeError('no order'));
  console.error(new RangeError('far'));
  console.debug('unseen');
  process.stdout.write('raw\\n');
  throw new Error('last');
};`,
    { logging: JSON_LOG },
  );
  await invoke();
  const stackTrace = expect.arrayContaining([expect.any(String)]);
  const error = (errorType: string, errorMessage: string) => ({ errorType, errorMessage, stackTrace });
  const lines = written(log);
  expect(lines.filter((line) => line !== 'raw')).toEqual([
    { ...head('INFO'), message: { order: 1 } },
    { ...head('INFO'), message: 'order 2' },
    {
      ...head('WARN'),
      message: expect.stringMatching(/^failed TypeError: no order/),
      ...error('TypeError', 'no order'),
    },
    { ...head('ERROR'), message: error('RangeError', 'far') },
    { ...head('ERROR'), message: error('Error', 'last') },
  ]);
  expect(lines).toContain('raw');
});

test('a Python function logs JSON: records with their extra fields, and the error that ended it', async () => {
  const { invoke, log } = bench(
    {
      'index.py': `import logging
logger = logging.getLogger('shop')
def handler(event, context):
    logger.info('order %d', 1, extra={'order': 1})
    logger.debug('unseen')
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception('failed')
    raise KeyError('last')
`,
    },
    { ...python, logging: JSON_LOG },
  );
  await invoke();
  expect(written(log)).toEqual([
    { ...head('INFO'), message: 'order 1', logger: 'shop', order: 1 },
    {
      ...{ ...head('ERROR'), message: 'failed', logger: 'shop' },
      ...{ errorType: 'ZeroDivisionError', errorMessage: 'division by zero' },
      ...{
        stackTrace: [expect.stringContaining('1 / 0')],
        location: expect.stringContaining('index.py:handler:'),
      },
    },
    {
      ...{ timestamp: TIME, log_level: 'ERROR', requestId: 'request-1' },
      ...{ errorType: 'KeyError', errorMessage: "'last'", stackTrace: [expect.any(String)] },
    },
  ]);
});

test.each<[string, Partial<LambdaFunction>]>([
  [
    "exports.handler = async () => { console.error('e'); console.warn('w'); process.stdout.write('raw\\n{\"level\":\"fatal\"}\\n'); }",
    {},
  ],
  [
    `import logging
def handler(event, context):
    logging.getLogger().error('e')
    print('raw')
    print('{"level":"fatal"}')
    logging.getLogger().critical('f')
    raise Exception('last')
`,
    python,
  ],
])('with the level FATAL only what says so is logged: %s', async (code, options) => {
  const logging = { format: 'JSON', applicationLevel: 'FATAL', systemLevel: 'WARN' } as const;
  const file = options.runtime === undefined ? 'index.js' : 'index.py';
  const { invoke, log } = bench({ [file]: code }, { ...options, logging });
  const result = await invoke();
  const levels = written(log).map((line) => (line as { level?: string }).level);
  expect(levels).toEqual(options.runtime === undefined ? ['fatal'] : ['fatal', 'CRITICAL']);
  expect(platform(log)).toHaveLength(result.kind === 'error' ? 2 : 0);
});

test('a timeout is in the report of the invocation', async () => {
  const { invoke, log } = bench('exports.handler = () => { for (;;); };', {
    logging: JSON_LOG,
    timeoutMs: 200,
  });
  await invoke();
  expect(platform(log).slice(-2)).toMatchObject([
    { type: 'platform.runtimeDone', record: { requestId: 'request-1', status: 'timeout' } },
    { type: 'platform.report', record: { requestId: 'request-1', status: 'timeout' } },
  ]);
});

test('code that does not load is told with its error', async () => {
  const { invoke, log } = bench("throw new Error('broken')", { logging: JSON_LOG });
  await invoke();
  expect(platform(log)).toMatchObject(
    ['init', 'invoke']
      .flatMap((phase) => [
        { type: 'platform.initStart', record: { phase } },
        { type: 'platform.initRuntimeDone', record: { phase, status: 'error', errorType: 'Error' } },
        { type: 'platform.initReport', record: { phase, status: 'error' } },
      ])
      .concat([
        { type: 'platform.start' },
        { type: 'platform.runtimeDone', record: { status: 'error' } },
        { type: 'platform.report', record: { status: 'error' } },
      ] as never),
  );
});
