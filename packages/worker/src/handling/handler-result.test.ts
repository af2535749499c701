import { describe, expect, test } from 'vitest';
import { failure, resultOf, resultsOf } from './handler-result.ts';

const unreadable = new Proxy(
  {},
  {
    get: () => {
      throw new Error('hands off');
    },
    getPrototypeOf: () => {
      throw new Error('hands off');
    },
  },
);

const retry = (errorClass: string, error?: unknown, delaySeconds?: number) => ({
  kind: 'retry',
  delaySeconds,
  details: { attribution: 'version', errorClass, ...(error === undefined ? {} : { error }) },
});

describe('the result of a handler', () => {
  const error = new RangeError('too far');

  test.each<[string, unknown, unknown]>([
    ['nothing is ok', undefined, { kind: 'ok' }],
    ['ok is ok', { kind: 'ok' }, { kind: 'ok' }],
    ['retry has no error unless it names one', { kind: 'retry' }, retry('Retry')],
    [
      'retry keeps its delay and its error',
      { kind: 'retry', delaySeconds: 7, error },
      retry('RangeError', error, 7),
    ],
    ['retry ignores a delay that is not a number', { kind: 'retry', delaySeconds: 'soon' }, retry('Retry')],
    ['retry ignores a delay without an end', { kind: 'retry', delaySeconds: Infinity }, retry('Retry')],
    [
      'poison has its reason',
      { kind: 'poison', reason: 'no customer' },
      { kind: 'poison', details: { attribution: 'version', errorClass: 'Poison', error: 'no customer' } },
    ],
    [
      'poison has its reason and its error',
      { kind: 'poison', reason: 'no customer', error },
      {
        kind: 'poison',
        details: { attribution: 'version', errorClass: 'RangeError', error: 'no customer: too far' },
      },
    ],
    [
      'another kind is not an outcome',
      { kind: 'done' },
      retry('InvalidOutcome', 'the handler returned {"kind":"done"}, which is not an outcome'),
    ],
    ['null is not an outcome', null, retry('InvalidOutcome', expect.stringContaining('not an outcome'))],
    [
      'an object that throws when it is read is not an outcome',
      unreadable,
      retry('InvalidOutcome', 'the handler returned an object that cannot be read'),
    ],
  ])('that returned: %s', (_what, returned, expected) => {
    expect(resultOf(returned)).toEqual(expected);
  });

  test('that threw is a retry with the class of the error', () => {
    expect(failure(error)).toEqual(retry('RangeError', error));
    expect(failure(null)).toEqual({
      ...retry('thrown null'),
      details: expect.objectContaining({ error: null }),
    });
  });
});

describe('the results of a batch handler', () => {
  test('are read for each message', () => {
    const results = resultsOf(
      new Map<string, unknown>([
        ['m1', { kind: 'ok' }],
        ['m2', 7],
      ]),
    );
    expect(results('m1')).toEqual({ kind: 'ok' });
    expect(results('m2')).toMatchObject({ kind: 'retry', details: { errorClass: 'InvalidOutcome' } });
    expect(results('m3')).toEqual(
      retry('MissingOutcome', 'the batch handler returned no outcome for this message'),
    );
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['an object', { m1: { kind: 'ok' } }],
  ])('are invalid for all messages when it returned %s', (_what, returned) => {
    expect(resultsOf(returned)('m1')).toEqual(
      retry('InvalidOutcome', 'the batch handler did not return a Map'),
    );
  });
});
