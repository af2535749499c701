/** The pure part of alarms: from data points to a state. */

export type AlarmStateValue = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
export type MissingDataTreatment = 'missing' | 'ignore' | 'breaching' | 'notBreaching';

/** What an alarm asks of its data points. */
export interface AlarmCondition {
  readonly comparison:
    | 'GreaterThanOrEqualToThreshold'
    | 'GreaterThanThreshold'
    | 'LessThanThreshold'
    | 'LessThanOrEqualToThreshold';
  readonly threshold: number;
  /** N: data points that are evaluated. */
  readonly evaluationPeriods: number;
  /** M: how many of them must breach. */
  readonly datapointsToAlarm: number;
  readonly treatMissingData: MissingDataTreatment;
}

/** One period; `value` is absent when the metric has no data there. */
export interface DataPoint {
  readonly atMs: number;
  readonly value: number | undefined;
}

export interface AlarmDecision {
  readonly state: AlarmStateValue;
  readonly reason: string;
  /** The data points on which the decision rests, newest first. */
  readonly evaluated: ReadonlyArray<DataPoint & { readonly value: number }>;
}

/** Periods that are looked at beyond N, for when some of the newest have no data. */
const PERIODS_BEYOND = 2;

/** How many periods an alarm looks at: AWS's evaluation range. In its examples 5 for N = 3. */
export function evaluationRange(condition: Pick<AlarmCondition, 'evaluationPeriods'>): number {
  return condition.evaluationPeriods + PERIODS_BEYOND;
}

/**
 * Decides an alarm's state from the periods of its evaluation range, oldest first.
 *
 * Real data points are used first: where at least N exist in the range, the newest N decide and the
 * treatment of missing data plays no part, so a single-period alarm recovers three periods after its metric
 * falls silent. Where fewer exist, the missing ones count as the treatment says. `missing` and `ignore`
 * count nothing: when all that is there breaches but is less than M, `missing` alarms once the oldest
 * breach is M periods old, and otherwise the state stays as it is.
 */
export function decide(
  condition: AlarmCondition,
  range: readonly DataPoint[],
  current: AlarmStateValue,
): AlarmDecision {
  const { evaluationPeriods, datapointsToAlarm, treatMissingData } = condition;
  const real = range.filter((point): point is DataPoint & { value: number } => point.value !== undefined);
  const evaluated = real.slice(-evaluationPeriods).reverse();
  const breaching = evaluated.filter(({ value }) => breaches(condition, value));
  const missing = Math.max(0, evaluationPeriods - real.length);
  const say = (state: AlarmStateValue): AlarmDecision => ({
    state,
    reason: reasonFor(condition, state, evaluated, missing),
    evaluated,
  });
  if (missing === 0 || breaching.length >= datapointsToAlarm) {
    return say(breaching.length >= datapointsToAlarm ? 'ALARM' : 'OK');
  }
  switch (treatMissingData) {
    case 'breaching':
      return say(breaching.length + missing >= datapointsToAlarm ? 'ALARM' : 'OK');
    case 'notBreaching':
      return say('OK');
    case 'ignore':
      return say(breaching.length === real.length ? current : 'OK');
    case 'missing': {
      if (real.length === 0) return say('INSUFFICIENT_DATA');
      if (breaching.length < real.length) return say('OK');
      const oldestAge = range.length - range.findIndex(({ value }) => value !== undefined);
      return say(oldestAge >= datapointsToAlarm ? 'ALARM' : current);
    }
  }
}

/** Whether a value breaches the alarm's threshold. */
function breaches(
  { comparison, threshold }: Pick<AlarmCondition, 'comparison' | 'threshold'>,
  value: number,
): boolean {
  switch (comparison) {
    case 'GreaterThanOrEqualToThreshold':
      return value >= threshold;
    case 'GreaterThanThreshold':
      return value > threshold;
    case 'LessThanThreshold':
      return value < threshold;
    case 'LessThanOrEqualToThreshold':
      return value <= threshold;
  }
}

const WORDS: Readonly<Record<AlarmCondition['comparison'], string>> = {
  GreaterThanOrEqualToThreshold: 'greater than or equal to',
  GreaterThanThreshold: 'greater than',
  LessThanThreshold: 'less than',
  LessThanOrEqualToThreshold: 'less than or equal to',
};

function reasonFor(
  condition: AlarmCondition,
  state: AlarmStateValue,
  evaluated: AlarmDecision['evaluated'],
  missing: number,
): string {
  const { evaluationPeriods, datapointsToAlarm, treatMissingData, threshold, comparison } = condition;
  const filled = `${missing} missing ${plural('datapoint', missing)} ${missing === 1 ? 'was' : 'were'} treated as [${treatmentName(treatMissingData)}]`;
  if (evaluated.length === 0) {
    return state === 'INSUFFICIENT_DATA'
      ? `Insufficient Data: ${evaluationPeriods} ${plural('datapoint', evaluationPeriods)} ${evaluationPeriods === 1 ? 'was' : 'were'} unknown.`
      : `Threshold Crossed: no datapoints were received for ${evaluationPeriods} ${plural('period', evaluationPeriods)} and ${filled}.`;
  }
  const inAlarm = state === 'ALARM';
  const telling = evaluated.filter(({ value }) => breaches(condition, value) === inAlarm);
  const [from, to, minimum] = inAlarm
    ? ['OK', 'ALARM', datapointsToAlarm]
    : ['ALARM', 'OK', evaluationPeriods - datapointsToAlarm + 1];
  const points = telling.map(({ value, atMs }) => `${decimal(value)} (${shortTime(atMs)})`).join(', ');
  return (
    `Threshold Crossed: ${telling.length} out of the last ${evaluated.length} datapoints [${points}] ` +
    `${telling.length === 1 ? 'was' : 'were'} ${inAlarm ? '' : 'not '}${WORDS[comparison]} the threshold (${decimal(threshold)}) ` +
    `(minimum ${minimum} ${plural('datapoint', minimum)} for ${from} -> ${to} transition)` +
    `${missing > 0 && (treatMissingData === 'breaching' || treatMissingData === 'notBreaching') ? ` and ${filled}` : ''}.`
  );
}

function treatmentName(treatment: MissingDataTreatment): string {
  return treatment === 'notBreaching' ? 'NonBreaching' : 'Breaching';
}

function plural(word: string, count: number): string {
  return count === 1 ? word : `${word}s`;
}

function decimal(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** As in AWS's reasons: day, month, year. */
function shortTime(atMs: number): string {
  const text = new Date(atMs).toISOString();
  return `${text.slice(8, 10)}/${text.slice(5, 7)}/${text.slice(2, 4)} ${text.slice(11, 19)}`;
}
