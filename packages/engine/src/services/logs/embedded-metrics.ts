import { DIMENSIONS_MAX, isMetricTime, isMetricValue, isNamespace } from '../../metric-limits.ts';
import { isUnit, type Unit } from './units.ts';

/** One value, or several of one instant, that a log event carries for a metric. */
export interface EmbeddedMetric {
  readonly namespace: string;
  readonly name: string;
  readonly unit: Unit;
  readonly storageResolution: 1 | 60;
  readonly dimensions: ReadonlyArray<{ readonly Name: string; readonly Value: string }>;
  readonly atMs: number;
  readonly values: readonly number[];
}

/** What was found in a message; `rejections` says what of it CloudWatch cannot take, and why. */
export interface Embedded {
  readonly metrics: readonly EmbeddedMetric[];
  readonly rejections: readonly string[];
}

const METRICS_MAX = 100;
const VALUES_MAX = 100;
const NAME_LENGTH_MAX = 1024;
const NOTHING: Embedded = { metrics: [], rejections: [] };

type Json = Record<string, unknown>;

/**
 * Reads the metrics of a message in the embedded metric format (EMF); a message without `_aws` has none.
 *
 * A document that breaks the format yields nothing; a single metric or dimension set that cannot be used is
 * left out, and the others count. The reasons name fields but not values, so that one mistake repeated in a
 * thousand lines has one reason.
 */
export function readEmbeddedMetrics(message: string, nowMs: number): Embedded {
  if (!message.includes('"_aws"')) return NOTHING;
  let document: unknown;
  try {
    document = JSON.parse(message);
  } catch {
    return /^\s*\{/.test(message) ? rejected('the message is not valid JSON') : NOTHING;
  }
  if (!isObject(document) || document._aws === undefined) return NOTHING;
  const metadata = document._aws;
  if (!isObject(metadata)) return rejected('_aws must be an object');
  const { Timestamp: atMs, CloudWatchMetrics: directives } = metadata;
  // Other services mark their own documents with `_aws`, too: only with this member is it EMF.
  if (directives === undefined) return NOTHING;
  if (typeof atMs !== 'number' || !Number.isInteger(atMs) || atMs < 0) {
    return rejected('_aws.Timestamp must be a number of milliseconds since 1970');
  }
  if (!isMetricTime(atMs, nowMs)) {
    return rejected('_aws.Timestamp must be within the past two weeks and at most two hours ahead');
  }
  if (!Array.isArray(directives)) return rejected('_aws.CloudWatchMetrics must be an array');
  const metrics: EmbeddedMetric[] = [];
  const rejections: string[] = [];
  for (const directive of directives) {
    const problem = readDirective(directive, document, atMs, { metrics, rejections });
    if (problem !== undefined) return rejected(problem);
  }
  return { metrics, rejections };
}

/** Adds what one directive yields; returns why the whole document is to be refused, if it is. */
function readDirective(
  directive: unknown,
  document: Json,
  atMs: number,
  found: { readonly metrics: EmbeddedMetric[]; readonly rejections: string[] },
): string | undefined {
  if (!isObject(directive)) return 'an element of _aws.CloudWatchMetrics must be an object';
  const { Namespace: namespace, Metrics: definitions, Dimensions: sets } = directive;
  if (typeof namespace !== 'string' || !isNamespace(namespace)) {
    return 'Namespace must be a string of 1 to 255 characters that does not begin with a colon';
  }
  if (namespace.startsWith('AWS/')) return 'Namespace must not begin with AWS/, which is reserved';
  if (!Array.isArray(definitions)) return 'Metrics must be an array';
  if (definitions.length > METRICS_MAX) return `Metrics must not have more than ${METRICS_MAX} elements`;
  if (sets !== undefined && !(Array.isArray(sets) && sets.every(isStringList))) {
    return 'Dimensions must be an array of arrays of strings';
  }
  const given = (sets as string[][] | undefined) ?? [];
  // Without a dimension set the metrics count without dimensions.
  const dimensionSets = dimensionSetsOf(given.length === 0 ? [[]] : given, document, found.rejections);
  for (const definition of definitions) {
    const metric = readMetric(definition, document, found.rejections);
    if (typeof metric === 'string') return metric;
    if (!metric) continue;
    for (const dimensions of dimensionSets) found.metrics.push({ ...metric, namespace, dimensions, atMs });
  }
  return undefined;
}

function dimensionSetsOf(
  sets: readonly string[][],
  document: Json,
  rejections: string[],
): Array<EmbeddedMetric['dimensions']> {
  const usable: Array<EmbeddedMetric['dimensions']> = [];
  for (const names of sets) {
    const problem = dimensionProblem(names, document);
    if (problem === undefined) usable.push(names.map((Name) => ({ Name, Value: String(document[Name]) })));
    else rejections.push(problem);
  }
  return usable;
}

function dimensionProblem(names: readonly string[], document: Json): string | undefined {
  if (names.length > DIMENSIONS_MAX)
    return `a dimension set must not have more than ${DIMENSIONS_MAX} dimensions`;
  if (new Set(names).size < names.length) return `the dimension set [${names}] names a dimension twice`;
  for (const name of names) {
    const value = document[name];
    if (value === undefined) return `dimension ${name} has no value in the message`;
    if (typeof value !== 'string') return `dimension ${name} must be a string`;
    if (name === '' || value.trim() === '') return `dimension ${name} must not be empty`;
    if (value.length > NAME_LENGTH_MAX)
      return `dimension ${name} is longer than ${NAME_LENGTH_MAX} characters`;
  }
  return undefined;
}

/** A metric's values; `undefined` when it is left out, a text when the document breaks the format. */
function readMetric(definition: unknown, document: Json, rejections: string[]) {
  if (!isObject(definition)) return 'an element of Metrics must be an object';
  const { Name: name, Unit: unit = 'None', StorageResolution: storageResolution = 60 } = definition;
  if (typeof name !== 'string' || name === '' || name.length > NAME_LENGTH_MAX) {
    return `the Name of a metric must be a string of 1 to ${NAME_LENGTH_MAX} characters`;
  }
  if (!isUnit(unit)) return `metric ${name} has an unknown Unit`;
  if (storageResolution !== 1 && storageResolution !== 60) {
    return `metric ${name} has a StorageResolution other than 1 and 60`;
  }
  const given = document[name];
  const values: unknown[] = Array.isArray(given) ? given : [given];
  if (given === undefined) rejections.push(`metric ${name} has no value in the message`);
  else if (!values.every(isMetricValue))
    rejections.push(`metric ${name} must be a number or an array of numbers`);
  else if (values.length > VALUES_MAX) rejections.push(`metric ${name} has more than ${VALUES_MAX} values`);
  else if (values.length > 0) return { name, unit, storageResolution, values } as const;
  return undefined;
}

function rejected(reason: string): Embedded {
  return { metrics: [], rejections: [reason] };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStringList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
