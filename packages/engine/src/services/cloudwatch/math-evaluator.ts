import { AwsFault } from '../../errors.ts';
import { type BinaryOperator, isFillMode, type MathNode } from './math-parser.ts';

/** The stretch of time that a query covers, cut into periods: points lie at `startMs + n * periodMs`. */
export interface Grid {
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  readonly periodMs: number;
}

/** The start of every period of a grid; computed alike everywhere, so that periods of fractional length match. */
export function periodStarts(grid: Grid): number[] {
  const count = Math.max(0, Math.round((grid.endMs - grid.startMs) / grid.periodMs));
  return Array.from({ length: count }, (_, index) => grid.startMs + index * grid.periodMs);
}

/** Values by the start of their period, oldest first. A period without a value is missing. */
export interface TimeSeries {
  readonly label: string;
  readonly grid: Grid;
  readonly points: ReadonlyMap<number, number>;
}

/** What an expression can be: a number, text, one series, or several. */
export type MathValue =
  | { readonly kind: 'scalar'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'series'; readonly series: TimeSeries }
  | { readonly kind: 'many'; readonly list: readonly TimeSeries[] };

/** What an expression may use from around it. */
export interface MathScope {
  /** The value of another query, by id. */
  readonly resolve: (id: string) => MathValue;
  /** All metrics (not expressions) of the request, for `METRICS()`. */
  readonly metrics: () => ReadonlyArray<{ readonly id: string; readonly series: TimeSeries }>;
}

/**
 * Evaluates an expression as CloudWatch does: series combine period by period where both have a value, a
 * division by zero leaves the period empty, comparisons give 1 and 0.
 *
 * Times in `RATE`, `DIFF_TIME` and `PERIOD` are real seconds, whatever the engine's pace.
 */
export function evaluateMath(node: MathNode, scope: MathScope): MathValue {
  switch (node.kind) {
    case 'number':
      return scalar(node.value);
    case 'string':
      return { kind: 'text', value: node.value };
    case 'reference':
      return scope.resolve(node.id);
    case 'list':
      return {
        kind: 'many',
        list: node.items.flatMap((item) => listOf(evaluateMath(item, scope), 'a list')),
      };
    case 'negate':
      return mapNumbers(evaluateMath(node.operand, scope), "unary '-'", (value) => -value);
    case 'binary':
      return combine(node.operator, evaluateMath(node.left, scope), evaluateMath(node.right, scope));
    case 'call':
      return call(node, scope);
  }
}

type Call = Extract<MathNode, { kind: 'call' }>;
type Values = readonly MathValue[];

interface MathFunction {
  /** Fewest and most arguments. */
  readonly arity: readonly [number, number];
  readonly run: (args: Values, scope: MathScope) => MathValue;
}

const FUNCTIONS: Readonly<Record<string, MathFunction>> = {
  ABS: mapping(Math.abs),
  CEIL: mapping(Math.ceil),
  FLOOR: mapping(Math.floor),
  LOG: mapping(Math.log),
  LOG10: mapping(Math.log10),
  SUM: aggregate('SUM', (values) => values.reduce((sum, value) => sum + value, 0)),
  MAX: aggregate('MAX', (values) => values.reduce((most, value) => Math.max(most, value))),
  MIN: aggregate('MIN', (values) => values.reduce((least, value) => Math.min(least, value))),
  AVG: aggregate('AVG', (values) => values.reduce((sum, value) => sum + value, 0) / values.length),
  DIFF: successive((value, previous) => value - previous),
  DIFF_TIME: successive((_value, _previous, seconds) => seconds),
  RATE: successive((value, previous, seconds) => (value - previous) / seconds),
  RUNNING_SUM: {
    arity: [1, 1],
    run: ([value]) =>
      mapSeries(value!, 'RUNNING_SUM', (series) => {
        let sum = 0;
        return new Map(
          [...series.points].map(([at, point]) => {
            sum += point;
            return [at, sum];
          }),
        );
      }),
  },
  IF: { arity: [2, 3], run: ([condition, yes, no]) => choose(condition!, yes!, no) },
  FILL: { arity: [2, 2], run: ([series, filling]) => fill(series!, filling!) },
  METRICS: { arity: [0, 1], run: ([filter], scope) => metrics(filter, scope) },
  METRIC_COUNT: { arity: [1, 1], run: ([value]) => scalar(listOf(value!, 'METRIC_COUNT').length) },
  DATAPOINT_COUNT: {
    arity: [1, 1],
    run: ([value]) => scalar(seriesOf(value!, 'DATAPOINT_COUNT').points.size),
  },
  PERIOD: {
    arity: [1, 1],
    run: ([value]) => scalar(seriesOf(value!, 'PERIOD').grid.periodMs / 1000),
  },
};

function call(node: Call, scope: MathScope): MathValue {
  const known = FUNCTIONS[node.name];
  if (!known) {
    throw fault(
      `the function ${node.name} is unknown or not supported by the local engine, which has ${Object.keys(FUNCTIONS).join(', ')}`,
    );
  }
  const [fewest, most] = known.arity;
  if (node.args.length < fewest || node.args.length > most) {
    const wanted = fewest === most ? `${fewest}` : `${fewest} to ${most}`;
    throw fault(`${node.name} takes ${wanted} argument(s), not ${node.args.length}`);
  }
  const args = node.args.map((arg, index) =>
    node.name === 'FILL' && index === 1 && isFillMode(arg)
      ? ({ kind: 'text', value: arg.id } as const)
      : evaluateMath(arg, scope),
  );
  return known.run(args, scope);
}

function mapping(map: (value: number) => number): MathFunction {
  return { arity: [1, 1], run: ([value]) => mapNumbers(value!, 'the function', map) };
}

/** Of one series: a number over time. Of several: a series across them, period by period. */
function aggregate(name: string, reduce: (values: number[]) => number): MathFunction {
  return {
    arity: [1, 1],
    run: ([value]) => {
      if (value!.kind === 'series') {
        const values = [...value!.series.points.values()];
        return scalar(values.length === 0 ? Number.NaN : reduce(values));
      }
      if (value!.kind !== 'many') throw fault(`${name} takes one time series or a list of them`);
      const byTime = new Map<number, number[]>();
      for (const series of value!.list) {
        for (const [at, point] of series.points) {
          const points = byTime.get(at);
          if (points) points.push(point);
          else byTime.set(at, [point]);
        }
      }
      const first = value!.list[0];
      if (!first) return { kind: 'many', list: [] };
      return {
        kind: 'series',
        series: made(
          name,
          first.grid,
          [...byTime].map(([at, points]) => [at, reduce(points)]),
        ),
      };
    },
  };
}

/** Compares each value with the one before it, missing periods left out; the first has no result. */
function successive(compare: (value: number, previous: number, seconds: number) => number): MathFunction {
  return {
    arity: [1, 1],
    run: ([value]) =>
      mapSeries(value!, 'the function', (series) => {
        const results = new Map<number, number>();
        let previous: readonly [number, number] | undefined;
        for (const [at, point] of series.points) {
          if (previous) results.set(at, compare(point, previous[1], (at - previous[0]) / 1000));
          previous = [at, point];
        }
        return results;
      }),
  };
}

/**
 * `IF(condition, then, else)` period by period. Without `else`, periods in which the condition does not
 * hold are missing, and so are those in which the chosen series has no value.
 */
function choose(condition: MathValue, yes: MathValue, no: MathValue | undefined): MathValue {
  if (condition.kind === 'scalar') return chooseOnce(condition.value !== 0, yes, no);
  return mapSeries(condition, 'IF', (series) => {
    const results = new Map<number, number>();
    for (const [at, holds] of series.points) {
      const branch = holds !== 0 ? yes : no;
      const value = branch === undefined ? undefined : valueAt(branch, at);
      if (value !== undefined) results.set(at, value);
    }
    return results;
  });
}

/** With a number as condition one side is taken for all periods; alongside a series a number is one, too. */
function chooseOnce(holds: boolean, yes: MathValue, no: MathValue | undefined): MathValue {
  const chosen = holds ? yes : no;
  const other = holds ? no : yes;
  if (other?.kind !== 'series' || (chosen && chosen.kind !== 'scalar')) {
    if (chosen) return chosen;
    throw fault('IF with a number as condition and no third argument needs a time series as second');
  }
  const { label, grid } = other.series;
  const points = chosen ? periodStarts(grid).map((at): [number, number] => [at, chosen.value]) : [];
  return { kind: 'series', series: made(label, grid, points) };
}

function valueAt(value: MathValue, at: number): number | undefined {
  if (value.kind === 'scalar') return value.value;
  return seriesOf(value, 'IF').points.get(at);
}

const FILL_MODES: readonly string[] = ['REPEAT', 'LINEAR'];

/** Gives every period of the query a value: a number, another series, the last value, or a straight line. */
function fill(value: MathValue, filling: MathValue): MathValue {
  if (filling.kind === 'many' || (filling.kind === 'text' && !FILL_MODES.includes(filling.value))) {
    throw fault('FILL fills with a number, a time series, REPEAT or LINEAR');
  }
  return mapSeries(value, 'FILL', ({ points, grid }) => {
    const results = new Map<number, number>();
    let before: readonly [number, number] | undefined;
    const known = [...points];
    let ahead = 0;
    for (const at of periodStarts(grid)) {
      const point = points.get(at);
      if (point !== undefined) before = [at, point];
      while (ahead < known.length && known[ahead]![0] <= at) ahead++;
      const filled = point ?? filledAt(filling, at, before, known[ahead]);
      if (filled !== undefined) results.set(at, filled);
    }
    return results;
  });
}

function filledAt(
  filling: MathValue,
  at: number,
  before: readonly [number, number] | undefined,
  after: readonly [number, number] | undefined,
): number | undefined {
  if (filling.kind === 'scalar') return filling.value;
  if (filling.kind === 'series') return filling.series.points.get(at);
  if (filling.kind === 'text' && filling.value === 'REPEAT') return before?.[1];
  if (!before || !after) return undefined;
  return before[1] + ((after[1] - before[1]) * (at - before[0])) / (after[0] - before[0]);
}

function metrics(filter: MathValue | undefined, scope: MathScope): MathValue {
  if (filter && filter.kind !== 'text') throw fault('METRICS takes text to look for in ids and labels');
  const wanted = filter?.value;
  return {
    kind: 'many',
    list: scope
      .metrics()
      .filter(
        ({ id, series }) => wanted === undefined || id.includes(wanted) || series.label.includes(wanted),
      )
      .map(({ series }) => series),
  };
}

const OPERATORS: Readonly<Record<BinaryOperator, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => (b === 0 ? Number.NaN : a / b),
  '^': (a, b) => a ** b,
  '==': (a, b) => Number(a === b),
  '!=': (a, b) => Number(a !== b),
  '<': (a, b) => Number(a < b),
  '<=': (a, b) => Number(a <= b),
  '>': (a, b) => Number(a > b),
  '>=': (a, b) => Number(a >= b),
  AND: (a, b) => Number(a !== 0 && b !== 0),
  OR: (a, b) => Number(a !== 0 || b !== 0),
};

function combine(operator: BinaryOperator, left: MathValue, right: MathValue): MathValue {
  const apply = OPERATORS[operator];
  if (left.kind === 'text' || right.kind === 'text') throw fault(`'${operator}' does not take text`);
  if (left.kind === 'scalar' && right.kind === 'scalar') return scalar(apply(left.value, right.value));
  if (right.kind === 'scalar') return mapNumbers(left, operator, (value) => apply(value, right.value));
  if (left.kind === 'scalar') return mapNumbers(right, operator, (value) => apply(left.value, value));
  if (left.kind === 'series' && right.kind === 'series') {
    return { kind: 'series', series: zip(left.series, right.series, apply) };
  }
  if (left.kind === 'many' && right.kind === 'many') {
    throw fault(`'${operator}' does not combine two lists of time series`);
  }
  const list =
    left.kind === 'many'
      ? left.list.map((series) => zip(series, seriesOf(right, operator), apply))
      : listOf(right, operator).map((series) => zip(seriesOf(left, operator), series, apply));
  return { kind: 'many', list };
}

function zip(left: TimeSeries, right: TimeSeries, apply: (a: number, b: number) => number): TimeSeries {
  const points: Array<[number, number]> = [];
  for (const [at, value] of left.points) {
    const other = right.points.get(at);
    if (other !== undefined) points.push([at, apply(value, other)]);
  }
  return made(left.label, left.grid, points);
}

function mapNumbers(value: MathValue, where: string, map: (value: number) => number): MathValue {
  if (value.kind === 'scalar') return scalar(map(value.value));
  return mapSeries(
    value,
    where,
    (series) => new Map([...series.points].map(([at, point]) => [at, map(point)])),
  );
}

function mapSeries(
  value: MathValue,
  where: string,
  map: (series: TimeSeries) => Map<number, number>,
): MathValue {
  const one = (series: TimeSeries) => made(series.label, series.grid, map(series));
  if (value.kind === 'series') return { kind: 'series', series: one(value.series) };
  return { kind: 'many', list: listOf(value, where).map(one) };
}

function listOf(value: MathValue, where: string): readonly TimeSeries[] {
  if (value.kind === 'many') return value.list;
  return [seriesOf(value, where)];
}

function seriesOf(value: MathValue, where: string): TimeSeries {
  if (value.kind === 'series') return value.series;
  throw fault(
    `${where} needs a time series, not ${value.kind === 'many' ? 'a list of them' : 'a number or text'}`,
  );
}

function made(label: string, grid: Grid, points: Iterable<readonly [number, number]>): TimeSeries {
  const kept = [...points].filter(([, value]) => Number.isFinite(value)).sort(([a], [b]) => a - b);
  return { label, grid, points: new Map(kept) };
}

function scalar(value: number): MathValue {
  return { kind: 'scalar', value };
}

function fault(problem: string): AwsFault {
  return new AwsFault('ValidationError', `Error in expression: ${problem}`);
}
