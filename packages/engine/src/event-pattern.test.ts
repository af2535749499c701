import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileEventPattern } from './event-pattern.ts';

const event = {
  source: 'aws.ecs',
  'detail-type': 'ECS Task State Change',
  resources: ['arn:aws:ecs:::task/1', 'arn:aws:ecs:::cluster/main'],
  detail: {
    lastStatus: 'STOPPED',
    desiredCount: 3,
    healthy: false,
    reason: null,
    ip: '10.1.2.3',
    path: '/var/log/worker.log',
    containers: [
      { name: 'worker', exitCode: 0 },
      { name: 'sidecar', exitCode: 137 },
    ],
    tags: ['blue', 'green'],
    none: [],
  },
};

const detail = (pattern: object) => JSON.stringify({ detail: pattern });

describe('matches', () => {
  test.each([
    ['a value', { lastStatus: ['RUNNING', 'STOPPED'] }],
    ['a number', { desiredCount: [3.0] }],
    ['a boolean', { healthy: [false] }],
    ['null', { reason: [null] }],
    ['a prefix', { lastStatus: [{ prefix: 'STOP' }] }],
    ['a prefix in any case', { lastStatus: [{ prefix: { 'equals-ignore-case': 'stop' } }] }],
    ['a suffix', { path: [{ suffix: '.log' }] }],
    ['anything but a value', { lastStatus: [{ 'anything-but': 'RUNNING' }] }],
    ['anything but several', { desiredCount: [{ 'anything-but': [1, 2] }] }],
    ['anything but a prefix', { path: [{ 'anything-but': { prefix: '/tmp' } }] }],
    ['anything but several suffixes', { path: [{ 'anything-but': { suffix: ['.txt', '.gz'] } }] }],
    ['a range of numbers', { desiredCount: [{ numeric: ['>', 0, '<=', 3] }] }],
    ['one of two operators', { desiredCount: [{ numeric: ['>', 5] }, 3] }],
    ['what exists', { lastStatus: [{ exists: true }] }],
    ['what does not exist', { stoppedReason: [{ exists: false }] }],
    ['what lies below something that does not exist', { network: { eni: [{ exists: false }] } }],
    ['a value in any case', { lastStatus: [{ 'equals-ignore-case': 'stopped' }] }],
    ['a wildcard', { path: [{ wildcard: '/var/*/work*.log' }] }],
    ['a block of addresses', { ip: [{ cidr: '10.1.0.0/16' }] }],
    ['an element of an array', { tags: ['green'] }],
    ['an object within an array', { containers: { name: ['sidecar'], exitCode: [137] } }],
    ['one of several alternatives', { $or: [{ lastStatus: ['RUNNING'] }, { desiredCount: [3] }] }],
    [
      'alternatives and more',
      { healthy: [false], $or: [{ lastStatus: ['X'] }, { ip: [{ prefix: '10.' }] }] },
    ],
  ])('%s', (_what, pattern) => {
    expect(compileEventPattern(detail(pattern))(event)).toBe(true);
  });
});

describe('does not match', () => {
  test.each([
    ['another value', { lastStatus: ['RUNNING'] }],
    ['a number as text', { desiredCount: ['3'] }],
    ['an absent value', { absent: ['x'] }],
    ['anything but, of an absent value', { absent: [{ 'anything-but': 'x' }] }],
    ['anything but one of a list', { desiredCount: [{ 'anything-but': [3] }] }],
    ['a number outside of the range', { desiredCount: [{ numeric: ['>', 3] }] }],
    ['text as a number', { lastStatus: [{ numeric: ['>', 0] }] }],
    ['existence of what is absent', { absent: [{ exists: true }] }],
    ['absence of what exists', { ip: [{ exists: false }] }],
    ['parts of two objects within an array', { containers: { name: ['worker'], exitCode: [137] } }],
    ['an element of an empty array', { none: ['x'] }],
    ['an address outside of the block', { ip: [{ cidr: '10.2.0.0/16' }] }],
    ['no alternative', { $or: [{ lastStatus: ['RUNNING'] }, { desiredCount: [4] }] }],
    ['one of two fields', { lastStatus: ['STOPPED'], desiredCount: [4] }],
    ['a wildcard with too little', { path: [{ wildcard: '/var/*.txt' }] }],
  ])('%s', (_what, pattern) => {
    expect(compileEventPattern(detail(pattern))(event)).toBe(false);
  });
});

test('an element of resources matches at the top level', () => {
  const matches = compileEventPattern(JSON.stringify({ resources: [{ suffix: 'cluster/main' }] }));
  expect(matches(event)).toBe(true);
});

test('inherited properties are no fields of an event', () => {
  expect(compileEventPattern('{"constructor":[{"exists":true}]}')(event)).toBe(false);
});

describe('is refused', () => {
  test.each([
    ['text that is not JSON', '{', 'Filter is not valid JSON'],
    ['a list', '[]', 'Filter is not an object'],
    ['a bare value', '{"source":"aws.ecs"}', '"source" must be an object or an array'],
    ['an empty list', '{"source":[]}', 'Empty arrays are not allowed at "source"'],
    ['an empty object', '{"detail":{}}', 'Empty objects are not allowed at detail'],
    ['an unknown operator', '{"a":[{"like":"x"}]}', 'Unrecognized match type like at "a"'],
    ['two operators in one', '{"a":[{"prefix":"x","suffix":"y"}]}', 'must have one operator'],
    ['a numeric operator', '{"a":[{"numeric":["~",1]}]}', 'Unrecognized numeric range operator: ~'],
    ['half a range', '{"a":[{"numeric":[">"]}]}', 'takes one or two comparisons'],
    ['text in exists', '{"a":[{"exists":"yes"}]}', '"exists" at "a" must be true or false'],
    ['two stars', '{"a":[{"wildcard":"x**"}]}', 'Consecutive wildcard characters'],
    ['one alternative', '{"$or":[{"a":[1]}]}', 'at least two objects'],
    ['a nested list', '{"a":[["x"]]}', 'holds a nested array'],
    ['a bad block', '{"a":[{"cidr":"10.0.0.0"}]}', 'must be an IPv4 block'],
  ])('%s', (_what, pattern, reason) => {
    expect(() => compileEventPattern(pattern)).toThrow(reason);
  });
});

test('a wildcard matches what a search for its parts in order finds', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.', '\\', '('), maxLength: 6 });
  fc.assert(
    fc.property(
      fc.array(letters, { minLength: 1, maxLength: 4 }),
      fc.array(letters, { maxLength: 4 }),
      (parts, filler) => {
        const nonEmpty = parts.filter((part) => part !== '');
        fc.pre(nonEmpty.length > 0);
        const wildcard = nonEmpty.map((part) => part.replaceAll('\\', '\\\\')).join('*');
        const text = nonEmpty
          .map((part, index) => part + (index < nonEmpty.length - 1 ? (filler[index] ?? '') : ''))
          .join('');
        expect(compileEventPattern(JSON.stringify({ a: [{ wildcard }] }))({ a: text })).toBe(true);
      },
    ),
  );
});

test('a wildcard of many stars takes no longer than one of few', () => {
  const matches = compileEventPattern(JSON.stringify({ a: [{ wildcard: `${'*a'.repeat(24)}*b` }] }));
  expect(matches({ a: 'a'.repeat(200_000) })).toBe(false);
});

test('a pattern that nests without end is refused', () => {
  const pattern = `${'{"a":'.repeat(5_000)}["x"]${'}'.repeat(5_000)}`;
  expect(() => compileEventPattern(pattern)).toThrow('Filter is not valid JSON');
});
