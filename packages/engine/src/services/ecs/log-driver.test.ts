import { expect, onTestFinished, test } from 'vitest';
import type { Service } from '../../dispatch/service.ts';
import { MemoryEngine } from '../test/memory-engine.ts';
import { AwsLogs } from './log-driver.ts';

/** A driver over a log that holds back its answers from when it is told to, and what came of the lines. */
async function world(options: { mode: 'blocking' | 'non-blocking'; bufferBytes?: number }) {
  const memory = new MemoryEngine();
  onTestFinished(() => memory.stop());
  const batches: string[][] = [];
  const lost: string[] = [];
  let answer = Promise.resolve();
  await memory.add<'logs'>(
    (): Service<'logs'> => ({
      name: 'logs',
      operations: {
        CreateLogStream: { run: () => ({}) },
        PutLogEvents: {
          run: async ({ logEvents = [] }) => {
            batches.push(logEvents.map(({ message = '' }) => message));
            await answer;
            return {};
          },
        },
      },
    }),
  );
  const driver = await AwsLogs.open(memory.engine, memory.root, {
    group: 'g',
    stream: 's',
    createGroup: false,
    bufferBytes: 0,
    onLost: (error) => lost.push(error.message),
    ...options,
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    driver,
    batches,
    lost,
    pass: (seconds: number) => memory.clock.advanceBy(seconds * 1000),
    /** The log does not answer until it is told to. */
    holdBack: () => {
      answer = promise;
      return resolve;
    },
  };
}

test('lines are sent every five seconds, counted from the start of the task', async () => {
  const { driver, batches, pass } = await world({ mode: 'non-blocking' });
  await pass(3);
  driver.write('a');
  await pass(1.9);
  driver.write('b');
  expect(batches).toEqual([]);
  await pass(0.1);
  expect(batches).toEqual([['a', 'b']]);
  await pass(12);
  driver.write('c');
  await pass(2.9);
  expect(batches).toHaveLength(1);
  await pass(0.1);
  expect(batches[1]).toEqual(['c']);
});

test('a whole batch is sent at once', async () => {
  const { driver, batches, pass } = await world({ mode: 'non-blocking' });
  for (let line = 0; line < 10_001; line += 1) driver.write('line');
  await pass(0);
  expect(batches.map((batch) => batch.length)).toEqual([10_000]);
  await driver.end();
  expect(batches.map((batch) => batch.length)).toEqual([10_000, 1]);
});

test('what is left is sent when the container has ended', async () => {
  const { driver, batches } = await world({ mode: 'blocking' });
  driver.write('last');
  await driver.end();
  expect(batches).toEqual([['last']]);
});

test('without blocking, lines beyond the buffer are lost while the log does not answer', async () => {
  const { driver, batches, lost, pass, holdBack } = await world({ mode: 'non-blocking', bufferBytes: 25 });
  const goOn = holdBack();
  driver.write('first');
  await pass(5);
  for (let line = 0; line < 4_096; line += 1) expect(driver.write('queued')).toBeUndefined();
  for (const text of ['0123456789', '0123456789', 'too long', 'short']) driver.write(text);
  expect(lost).toEqual(['the buffer of 25 bytes is full']);
  goOn();
  await driver.end();
  expect(batches.flat().slice(-3)).toEqual(['0123456789', '0123456789', 'short']);
  expect(batches.flat()).toHaveLength(1 + 4_096 + 3);
});

test('blocking, the container waits while the log does not answer, and nothing is lost', async () => {
  const { driver, batches, lost, pass, holdBack } = await world({ mode: 'blocking' });
  const goOn = holdBack();
  driver.write('first');
  await pass(5);
  for (let line = 0; line < 4_096; line += 1) expect(driver.write('queued')).toBeUndefined();
  const full = driver.write('one more');
  expect(full).toBeInstanceOf(Promise);
  goOn();
  await full;
  await driver.end();
  expect([batches.flat().length, lost]).toEqual([1 + 4_096 + 1, []]);
});
