import { AwsFault } from '../../errors.ts';
import { DIMENSIONS_MAX, isMetricTime, isMetricValue, isNamespace } from '../../metric-limits.ts';
import type { Input } from '../../sdk/services.ts';
import type { MetricName, Observation } from './metric-store.ts';

type PutMetricDataInput = Input<'cloudwatch', 'PutMetricData'>;
type MetricDatum = NonNullable<PutMetricDataInput['MetricData']>[number];
type Dimensions = ReadonlyArray<{ Name?: string | undefined; Value?: string | undefined }>;

const DATA_MAX = 1000;
const VALUES_MAX = 150;

/** The values of a `PutMetricData` call, checked as AWS checks them. */
export function observationsOf(input: PutMetricDataInput, vended: boolean, nowMs: number): Observation[] {
  const namespace = input.Namespace ?? '';
  checkNamespace(namespace, vended);
  if (input.EntityMetricData && input.EntityMetricData.length > 0) {
    throw invalid('The parameter EntityMetricData is not supported by the local engine: use MetricData.');
  }
  const data = input.MetricData ?? [];
  if (data.length === 0) {
    throw new AwsFault('MissingRequiredParameterException', 'The parameter MetricData is required.');
  }
  if (data.length > DATA_MAX) {
    throw invalid(`The collection MetricData must not have a size greater than ${DATA_MAX}.`);
  }
  return data.map((datum, index) => observationOf(namespace, datum, `MetricData.member.${index + 1}`, nowMs));
}

function checkNamespace(namespace: string, vended: boolean): void {
  if (!isNamespace(namespace)) {
    throw invalid(
      'The parameter Namespace must be 1 to 255 characters long and must not begin with a colon.',
    );
  }
  if (namespace.startsWith('AWS/') && !vended) {
    throw invalid("The value AWS/ for parameter Namespace is invalid: namespaces of AWS's own are reserved.");
  }
}

function observationOf(namespace: string, datum: MetricDatum, where: string, nowMs: number): Observation {
  if (!datum.MetricName) {
    throw new AwsFault('MissingRequiredParameterException', `The parameter ${where}.MetricName is required.`);
  }
  const atMs = datum.Timestamp?.getTime() ?? nowMs;
  if (!isMetricTime(atMs, nowMs)) {
    throw invalid(
      `The parameter ${where}.Timestamp must specify a time within the past two weeks and no more than two hours in the future.`,
    );
  }
  const resolution = datum.StorageResolution;
  if (resolution !== undefined && resolution !== 1 && resolution !== 60) {
    throw invalid(`The value ${resolution} for parameter ${where}.StorageResolution must be 1 or 60.`);
  }
  return {
    metric: metricNameOf(namespace, datum.MetricName, datum.Dimensions ?? [], where),
    unit: datum.Unit ?? 'None',
    atMs: Math.trunc(atMs),
    data: dataOf(datum, where),
  };
}

/** A metric's name with its dimensions in canonical order. */
export function metricNameOf(
  namespace: string,
  name: string,
  dimensions: Dimensions,
  where = 'Metric',
): MetricName {
  if (dimensions.length > DIMENSIONS_MAX) {
    throw invalid(`The collection ${where}.Dimensions must not have a size greater than ${DIMENSIONS_MAX}.`);
  }
  const pairs = dimensions.map(({ Name, Value }, index): [string, string] => {
    if (!Name || !Value) {
      throw invalid(`The parameter ${where}.Dimensions.member.${index + 1} must have a Name and a Value.`);
    }
    return [Name, Value];
  });
  if (new Set(pairs.map(([key]) => key)).size !== pairs.length) {
    throw invalid(`The collection ${where}.Dimensions names a dimension twice.`);
  }
  return { namespace, name, dimensions: pairs.sort(([a], [b]) => (a < b ? -1 : 1)) };
}

function dataOf(datum: MetricDatum, where: string): Observation['data'] {
  const given = [datum.Value, datum.Values, datum.StatisticValues].filter((part) => part !== undefined);
  if (given.length !== 1) {
    throw new AwsFault(
      given.length === 0 ? 'MissingRequiredParameterException' : 'InvalidParameterCombinationException',
      given.length === 0
        ? `At least one of the parameters must be specified: ${where}.Value, ${where}.Values or ${where}.StatisticValues.`
        : `Only one of the parameters ${where}.Value, ${where}.Values and ${where}.StatisticValues may be specified.`,
    );
  }
  if (datum.StatisticValues) {
    const { SampleCount: count, Sum: sum, Minimum: min, Maximum: max } = datum.StatisticValues;
    if (count === undefined || sum === undefined || min === undefined || max === undefined) {
      throw new AwsFault(
        'MissingRequiredParameterException',
        `The parameter ${where}.StatisticValues needs SampleCount, Sum, Minimum and Maximum.`,
      );
    }
    for (const value of [count, sum, min, max]) checkValue(value, `${where}.StatisticValues`);
    if (count <= 0 || min > max) {
      throw invalid(
        `The parameter ${where}.StatisticValues needs a SampleCount above 0 and a Minimum not above its Maximum.`,
      );
    }
    return { kind: 'summary', summary: { count, sum, min, max } };
  }
  const values = datum.Values ?? [datum.Value ?? 0];
  const counts = datum.Counts ?? values.map(() => 1);
  if (values.length > VALUES_MAX || values.length === 0) {
    throw invalid(`The collection ${where}.Values must have a size of 1 to ${VALUES_MAX}.`);
  }
  if (counts.length !== values.length) {
    throw invalid(`The parameters ${where}.Values and ${where}.Counts must be of the same size.`);
  }
  return {
    kind: 'values',
    values: values.map((value, index) => {
      const count = counts[index] ?? 1;
      checkValue(value, `${where}.Values.member.${index + 1}`);
      checkValue(count, `${where}.Counts.member.${index + 1}`);
      if (count <= 0) throw invalid(`The parameter ${where}.Counts.member.${index + 1} must be above 0.`);
      return [value, count];
    }),
  };
}

function checkValue(value: number, where: string): void {
  if (!isMetricValue(value)) {
    throw invalid(`The value ${value} for parameter ${where} is invalid: it must be a number within ±2^360.`);
  }
}

function invalid(message: string): AwsFault {
  return new AwsFault('InvalidParameterValueException', message);
}
