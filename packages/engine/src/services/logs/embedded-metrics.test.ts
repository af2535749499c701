import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readEmbeddedMetrics } from './embedded-metrics.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 24 * 3_600_000;

interface Directive {
  Namespace?: unknown;
  Dimensions?: unknown;
  Metrics?: unknown;
}

const document = (directive: Directive, members: Record<string, unknown> = {}, aws: object = {}) =>
  JSON.stringify({
    _aws: {
      Timestamp: NOW_MS,
      CloudWatchMetrics: [
        { Namespace: 'Worker', Dimensions: [['App']], Metrics: [{ Name: 'Received' }], ...directive },
      ],
      ...aws,
    },
    App: 'orders',
    Track: 'canary',
    Received: 3,
    ...members,
  });
const read = (message: string) => readEmbeddedMetrics(message, NOW_MS);

describe('a document', () => {
  test('yields every metric for every dimension set', () => {
    const { metrics, rejections } = read(
      document(
        {
          Dimensions: [['App', 'Track'], ['App'], []],
          Metrics: [
            { Name: 'Received', Unit: 'Count' },
            { Name: 'Took', Unit: 'Milliseconds', StorageResolution: 1 },
          ],
        },
        { Took: [5, 7.5] },
      ),
    );
    expect(rejections).toEqual([]);
    expect(metrics.map(({ name, dimensions }) => [name, dimensions.map(({ Value }) => Value)])).toEqual([
      ['Received', ['orders', 'canary']],
      ['Received', ['orders']],
      ['Received', []],
      ['Took', ['orders', 'canary']],
      ['Took', ['orders']],
      ['Took', []],
    ]);
    expect(metrics[0]).toEqual({
      namespace: 'Worker',
      name: 'Received',
      unit: 'Count',
      storageResolution: 60,
      dimensions: [
        { Name: 'App', Value: 'orders' },
        { Name: 'Track', Value: 'canary' },
      ],
      atMs: NOW_MS,
      values: [3],
    });
    expect(metrics[3]).toMatchObject({ unit: 'Milliseconds', storageResolution: 1, values: [5, 7.5] });
  });

  test('without dimension sets counts without dimensions', () => {
    for (const Dimensions of [undefined, []]) {
      expect(read(document({ Dimensions })).metrics).toMatchObject([{ name: 'Received', dimensions: [] }]);
    }
  });

  test('keeps what is right next to a metric or a dimension set that is not', () => {
    const { metrics, rejections } = read(
      document({
        Dimensions: [['App'], ['Region']],
        Metrics: [{ Name: 'Received' }, { Name: 'Failed' }],
      }),
    );
    expect(metrics.map(({ name, dimensions }) => [name, ...dimensions])).toEqual([
      ['Received', { Name: 'App', Value: 'orders' }],
    ]);
    expect(rejections).toEqual([
      'dimension Region has no value in the message',
      'metric Failed has no value in the message',
    ]);
  });

  test.each<[string, Directive, Record<string, unknown>, object]>([
    ['Timestamp must be a number', {}, {}, { Timestamp: '2026-01-01' }],
    ['Timestamp must be a number', {}, {}, { Timestamp: undefined }],
    ['two weeks', {}, {}, { Timestamp: NOW_MS - 14 * DAY_MS - 1 }],
    ['two hours', {}, {}, { Timestamp: NOW_MS + DAY_MS / 12 + 1 }],
    ['CloudWatchMetrics must be an array', {}, {}, { CloudWatchMetrics: {} }],
    ['must be an object', {}, {}, { CloudWatchMetrics: ['Received'] }],
    ['Namespace must be a string', { Namespace: '' }, {}, {}],
    ['Namespace must be a string', { Namespace: undefined }, {}, {}],
    ['reserved', { Namespace: 'AWS/ECS' }, {}, {}],
    ['Metrics must be an array', { Metrics: undefined }, {}, {}],
    ['more than 100 elements', { Metrics: Array(101).fill({ Name: 'Received' }) }, {}, {}],
    ['the Name of a metric', { Metrics: [{ Unit: 'Count' }] }, {}, {}],
    ['unknown Unit', { Metrics: [{ Name: 'Received', Unit: 'Messages' }] }, {}, {}],
    ['StorageResolution', { Metrics: [{ Name: 'Received', StorageResolution: 10 }] }, {}, {}],
    ['array of arrays of strings', { Dimensions: ['App'] }, {}, {}],
    ['array of arrays of strings', { Dimensions: [[1]] }, {}, {}],
    ['more than 30 dimensions', { Dimensions: [Array.from({ length: 31 }, (_, i) => `D${i}`)] }, {}, {}],
    ['twice', { Dimensions: [['App', 'App']] }, {}, {}],
    ['dimension App must be a string', {}, { App: 7 }, {}],
    ['dimension App must not be empty', {}, { App: ' ' }, {}],
    ['dimension App is longer', {}, { App: 'a'.repeat(1025) }, {}],
    ['metric Received must be a number', {}, { Received: '3' }, {}],
    ['metric Received must be a number', {}, { Received: [1, null] }, {}],
    ['metric Received must be a number', {}, { Received: 1e200 }, {}],
    ['metric Received has more than 100 values', {}, { Received: Array(101).fill(1) }, {}],
  ])('is told "%s"', (reason, directive, members, aws) => {
    const { metrics, rejections } = read(document(directive, members, aws));
    expect(metrics).toEqual([]);
    expect(rejections).toEqual([expect.stringContaining(reason)]);
  });

  test('cut short is told, too', () => {
    const message = document({}).slice(0, -10);
    expect(read(message)).toEqual({ metrics: [], rejections: ['the message is not valid JSON'] });
  });
});

test('other messages have no metrics and no complaints', () => {
  const others = [
    'plain',
    '{"a":1}',
    '{"_aws":{"Other":1}}',
    'the member "_aws" in a sentence',
    '["_aws"]',
    '{"nested":{"_aws":{}}}',
  ];
  for (const message of others) expect(read(message)).toEqual({ metrics: [], rejections: [] });
});

test('whatever numbers are given come out, for each dimension set, at the time given', () => {
  const values = fc.array(fc.double({ noNaN: true, min: -1e100, max: 1e100 }), {
    minLength: 1,
    maxLength: 100,
  });
  const ageMs = fc.integer({ min: -DAY_MS / 12, max: 14 * DAY_MS });
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[A-Z][a-z]{1,6}$/), values), ageMs, (metrics, age) => {
      const names = Object.keys(metrics).filter((name) => name !== 'App' && name !== 'Track');
      const message = document(
        { Dimensions: [['App'], ['App', 'Track']], Metrics: names.map((Name) => ({ Name })) },
        Object.fromEntries(names.map((name) => [name, metrics[name]])),
        { Timestamp: NOW_MS - age },
      );
      const found = read(message);
      expect(found.rejections).toEqual([]);
      expect(found.metrics.map(({ name, values: got, atMs }) => [name, got, atMs])).toEqual(
        names.flatMap((name) => {
          const sent = JSON.parse(JSON.stringify(metrics[name])) as number[];
          return [
            [name, sent, NOW_MS - age],
            [name, sent, NOW_MS - age],
          ];
        }),
      );
    }),
  );
});

test('any JSON in place of the metadata is answered, not thrown at', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (metadata, directives) => {
      for (const _aws of [metadata, { Timestamp: NOW_MS, CloudWatchMetrics: directives }]) {
        const { metrics, rejections } = read(JSON.stringify({ _aws }));
        expect(metrics).toEqual([]);
        expect(rejections.every((reason) => reason !== '')).toBe(true);
      }
    }),
  );
});
