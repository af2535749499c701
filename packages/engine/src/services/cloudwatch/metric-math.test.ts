import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluateMath, type Grid, type MathValue, periodStarts, type TimeSeries } from './math-evaluator.ts';
import { type MathNode, parseMath, referencedIds } from './math-parser.ts';

const grid: Grid = { startMs: 0, endMs: 300_000, periodMs: 60_000 };

/** A series of five minutes; `undefined` where there is no data. */
function series(values: ReadonlyArray<number | undefined>, label = 'm'): TimeSeries {
  const points = periodStarts(grid).flatMap((at, index): Array<[number, number]> => {
    const value = values[index];
    return value === undefined ? [] : [[at, value]];
  });
  return { label, grid, points: new Map(points) };
}

function valuesOf(value: MathValue): unknown {
  if (value.kind === 'scalar' || value.kind === 'text') return value.value;
  if (value.kind === 'many') return value.list.map((one) => valuesOf({ kind: 'series', series: one }));
  return periodStarts(grid).map((at) => value.series.points.get(at));
}

const none = undefined;
const METRICS: Readonly<Record<string, TimeSeries>> = {
  a: series([1, 2, 3, 4, 5], 'Requests'),
  b: series([2, 0, none, 4, 10], 'Errors'),
  sparse: series([none, 3, none, none, 9]),
  empty: series([]),
};

function evaluate(expression: string): unknown {
  return valuesOf(
    evaluateMath(parseMath(expression), {
      resolve: (id) => ({ kind: 'series', series: METRICS[id]! }),
      metrics: () => ['a', 'b'].map((id) => ({ id, series: METRICS[id]! })),
    }),
  );
}

describe('operators', () => {
  test.each<[string, unknown]>([
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['10 - 4 - 3', 3],
    ['24 / 4 / 2', 3],
    ['-2 ^ 2', -4],
    ['2 ^ 3 ^ 2', 512],
    ['2 * -3', -6],
    ['1 < 2', 1],
    ['2 <= 1 OR 1 == 1', 1],
    ['1 && 0 || 1', 1],
    ['1 + 1 == 2 AND 3 > 2', 1],
    ['1.5e2 + .5', 150.5],
    ['a + b', [3, 2, none, 8, 15]],
    ['a - 1', [0, 1, 2, 3, 4]],
    ['10 - a', [9, 8, 7, 6, 5]],
    ['-a', [-1, -2, -3, -4, -5]],
    ['a / b', [0.5, none, none, 1, 0.5]],
    ['a >= 3', [0, 0, 1, 1, 1]],
    ['a > 2 AND b > 3', [0, 0, none, 1, 1]],
    [
      '[a, b] * 2',
      [
        [2, 4, 6, 8, 10],
        [4, 0, none, 8, 20],
      ],
    ],
  ])('%s', (expression, expected) => {
    expect(evaluate(expression)).toEqual(expected);
  });
});

describe('functions', () => {
  test.each<[string, unknown]>([
    ['ABS(a - 3)', [2, 1, 0, 1, 2]],
    ['CEIL(a / 2)', [1, 1, 2, 2, 3]],
    ['FLOOR(a / 2)', [0, 1, 1, 2, 2]],
    ['SUM(a)', 15],
    ['AVG(b)', 4],
    ['MAX(a)', 5],
    ['MIN(sparse)', 3],
    ['SUM([a, b])', [3, 2, 3, 8, 15]],
    ['MAX(METRICS())', [2, 2, 3, 4, 10]],
    ['SUM(METRICS("Err"))', [2, 0, none, 4, 10]],
    ['AVG(METRICS("b"))', [2, 0, none, 4, 10]],
    ['DIFF(a)', [none, 1, 1, 1, 1]],
    ['DIFF(sparse)', [none, none, none, none, 6]],
    ['DIFF_TIME(sparse)', [none, none, none, none, 180]],
    ['RATE(sparse) * 60', [none, none, none, none, 2]],
    ['RUNNING_SUM(b)', [2, 2, none, 6, 16]],
    ['FILL(sparse, 0)', [0, 3, 0, 0, 9]],
    ['FILL(sparse, REPEAT)', [none, 3, 3, 3, 9]],
    ['FILL(sparse, LINEAR)', [none, 3, 5, 7, 9]],
    ['FILL(sparse, a)', [1, 3, 3, 4, 9]],
    ['FILL(empty, 7)', [7, 7, 7, 7, 7]],
    ['IF(a > 2, b, 0)', [0, 0, none, 4, 10]],
    ['IF(a > 3, a)', [none, none, none, 4, 5]],
    ['IF(DIFF(b) > 0, DIFF(b), 0)', [none, 0, none, 4, 6]],
    ['IF(FILL(sparse, 0) < 1, a, 0)', [1, 0, 3, 4, 0]],
    ['IF(SUM(a) > 1, b, 0)', [2, 0, none, 4, 10]],
    ['IF(SUM(a) > 100, b, 0)', [0, 0, 0, 0, 0]],
    ['IF(SUM(a) > 100, b)', [none, none, none, none, none]],
    ['IF(1 > 2, 3, 4)', 4],
    ['PERIOD(a)', 60],
    ['METRIC_COUNT(METRICS())', 2],
    ['DATAPOINT_COUNT(b)', 4],
  ])('%s', (expression, expected) => {
    expect(evaluate(expression)).toEqual(expected);
  });
});

describe('errors say what is wrong', () => {
  test.each([
    ['a +', "Error in expression 'a +': the expression ends early at position 4"],
    ['a b', "unexpected 'b' at position 3"],
    ['(a + b', "expected ')' but found the end of the expression at position 7"],
    ['a ? b', "unexpected '?' at position 3"],
    ['METRICS("x)', 'the text is not closed at position 9'],
    ['', 'the expression ends early at position 1'],
    ['AVGG(a)', 'the function AVGG is unknown or not supported by the local engine'],
    ['SUM(a, b)', 'SUM takes 1 argument(s), not 2'],
    ['SUM(1)', 'SUM takes one time series or a list of them'],
    ['DIFF(1)', 'needs a time series, not a number or text'],
    ['[a] + [b]', "'+' does not combine two lists of time series"],
    ['IF(0, 1)', 'no third argument needs a time series as second'],
    ['FILL(a, "x")', 'FILL fills with a number, a time series, REPEAT or LINEAR'],
    [`${'('.repeat(200)}1`, 'nested too deeply'],
  ])('%s', (expression, message) => {
    expect(() => evaluate(expression)).toThrow(message);
  });
});

test('references are found in every part of an expression, each once', () => {
  expect(referencedIds(parseMath('IF(DIFF(m1) > 0, FILL(m2, REPEAT), -m1) + SUM([m3, m2])'))).toEqual([
    'm1',
    'm2',
    'm3',
  ]);
});

/** Writes a tree with parentheses everywhere, so that it can be parsed in only one way. */
function write(node: MathNode): string {
  switch (node.kind) {
    case 'number':
      return String(node.value);
    case 'string':
      return `"${node.value}"`;
    case 'reference':
      return node.id;
    case 'list':
      return `[${node.items.map(write).join(', ')}]`;
    case 'negate':
      return `(-${write(node.operand)})`;
    case 'binary':
      return `(${write(node.left)} ${node.operator} ${write(node.right)})`;
    case 'call':
      return `${node.name}(${node.args.map(write).join(',')})`;
  }
}

const trees = fc.letrec<{ tree: MathNode }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    fc.nat(1000).map((value): MathNode => ({ kind: 'number', value })),
    fc.constantFrom('m1', 'errors', 'x_2').map((id): MathNode => ({ kind: 'reference', id })),
    tie('tree').map((operand): MathNode => ({ kind: 'negate', operand })),
    fc.tuple(fc.constantFrom('+', '-', '*', '/', '^', '<=', '==', 'AND', 'OR'), tie('tree'), tie('tree')).map(
      ([operator, left, right]): MathNode => ({
        kind: 'binary',
        operator: operator as Extract<MathNode, { kind: 'binary' }>['operator'],
        left,
        right,
      }),
    ),
    fc
      .tuple(fc.constantFrom('IF', 'SUM'), fc.array(tie('tree'), { maxLength: 3 }))
      .map(([name, args]): MathNode => ({ kind: 'call', name, args })),
    fc.array(tie('tree'), { maxLength: 3 }).map((items): MathNode => ({ kind: 'list', items })),
  ),
}));

describe('for any expression', () => {
  test('parsing gives back the tree that was written', () => {
    fc.assert(
      fc.property(trees.tree, (tree) => {
        expect(parseMath(write(tree))).toEqual(tree);
      }),
    );
  });

  test('any text either parses or is refused with a position', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab1 +-*/()[],"<>=&|^.eE!') }), (text) => {
        try {
          parseMath(text);
        } catch (error) {
          expect((error as Error).message).toMatch(/at position \d+$/);
        }
      }),
    );
  });
});

const sparseSeries = fc
  .array(fc.option(fc.integer({ min: -1000, max: 1000 }), { nil: undefined }), {
    minLength: 5,
    maxLength: 5,
  })
  .map((values) => series(values));

describe('for any series', () => {
  const apply = (expression: string, m: TimeSeries, n = m) =>
    evaluateMath(parseMath(expression), {
      resolve: (id) => ({ kind: 'series', series: id === 'n' ? n : m }),
      metrics: () => [{ id: 'm', series: m }],
    });

  test('the differences add up to last minus first', () => {
    fc.assert(
      fc.property(sparseSeries, (m) => {
        const points = [...m.points.values()];
        fc.pre(points.length > 1);
        expect(valuesOf(apply('SUM(DIFF(m))', m))).toBe(points.at(-1)! - points[0]!);
      }),
    );
  });

  test('filling leaves no gap and changes no value', () => {
    fc.assert(
      fc.property(sparseSeries, (m) => {
        const filled = valuesOf(apply('FILL(m, -5000)', m)) as number[];
        expect(filled).toEqual((valuesOf({ kind: 'series', series: m }) as number[]).map((v) => v ?? -5000));
      }),
    );
  });

  test('a sum has a value exactly where both parts have one', () => {
    fc.assert(
      fc.property(sparseSeries, sparseSeries, (m, n) => {
        const sum = valuesOf(apply('m + n', m, n)) as Array<number | undefined>;
        const expected = periodStarts(grid).map((at) => {
          const [x, y] = [m.points.get(at), n.points.get(at)];
          return x === undefined || y === undefined ? undefined : x + y;
        });
        expect(sum).toEqual(expected);
      }),
    );
  });
});
