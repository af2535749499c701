import type { Verdict, VerdictCode } from '../judge/evidence.ts';
import type { Track } from './track.ts';

/** A release that both services ran at steady state: what every rollback returns to. */
export interface LastGood {
  /** The pipeline execution that brought it, or `initial` for the image the services were created with. */
  readonly executionId: string;
  /** Unknown for the image that the services were created with. */
  readonly commit?: string;
  readonly imageDigest: string;
  readonly imageUri: string;
  /** Unknown where the canary has not run this image since the controller first looked. */
  readonly canaryTaskDefinitionArn?: string;
  readonly stableTaskDefinitionArn: string;
  /** ISO 8601. */
  readonly recordedAt: string;
}

/** The execution id of the last good release that no pipeline execution brought. */
export const initialExecutionId = 'initial';

/** `abort` ends a release on request before stable was touched; everything else is a `rollback`. */
export type DecisionKind = 'rollback' | 'abort';

/** Who or what ended a release. */
export type DecidedBy = 'judge' | 'health' | 'person' | 'pipeline' | 'newerCommit';

/** What the judge said when it settled, or when its verdict ended the release. */
export interface RecordedVerdict {
  readonly executionId: string;
  readonly kind: Verdict['kind'];
  /**
   * `unchanged` when the candidate was the last good image, and `first` when stable had not run any: there was nothing
   * to judge.
   */
  readonly code: VerdictCode | 'unchanged' | 'first';
  readonly summary: string;
  /** By how much the canary differed, in a sentence. */
  readonly effect?: string;
  /** ISO 8601. */
  readonly decidedAt: string;
  /** Units that the canary finished on first attempts, and how many of them failed. */
  readonly canaryUnits: number;
  readonly canaryFailed: number;
}

/**
 * The decision to end a release, written before anything is touched, so that a rollback goes on after the
 * alarm has cleared and after a crash. It stays as history until the next one.
 */
export interface Decision {
  readonly executionId: string;
  readonly kind: DecisionKind;
  readonly reason: string;
  readonly by: DecidedBy;
  /** ISO 8601. */
  readonly decidedAt: string;
  /** ISO 8601; when both services were back on the last good release. */
  readonly restoredAt?: string;
}

/** One track that ran something else than the last good release although no release was under way. */
export interface DriftedTrack {
  /** The ECS deployment that was seen last: another one later is another change. */
  readonly deploymentId: string;
  /** The digest of what it ran then; absent where the image is named by tag. */
  readonly imageDigest?: string;
  /** How often it was seen to be changed since both services last ran the last good release. */
  readonly times: number;
}

/** The last change of the services from outside, written before they are restored. It stays as history until the next one. */
export interface Drift extends Partial<Readonly<Record<Track, DriftedTrack>>> {
  /** ISO 8601. */
  readonly seenAt: string;
  /** ISO 8601; when both services were back on the last good release. */
  readonly restoredAt?: string;
}

/** What the current release began with, to tell later what has changed since. */
export interface Baseline {
  readonly executionId: string;
  /** Depth of the dead-letter queue when the release's canary deployment began. */
  readonly deadLetters?: number;
  /** The release's image, once the canary was seen to be told to run it. */
  readonly candidateDigest?: string;
  /** When it was first seen to be; epoch milliseconds. Older records do not say. */
  readonly candidateSeenAt?: number;
  /** When more dead letters than allowed were first seen, of those that are still to be confirmed or excused; epoch milliseconds. */
  readonly deadLettersSeenAt?: number;
  /** Dead letters of the release that were accepted when stable's deployment began. */
  readonly deadLettersAccepted?: number;
}

/** Since when the controller has been halted. It stays until it is not. */
export interface Halt {
  /** ISO 8601. */
  readonly since: string;
  /** ISO 8601; when people were told. */
  readonly toldAt?: string;
}

/** The durable record of one application's releases (SSM parameter, JSON). */
export interface ReleaseRecord {
  readonly version: 1;
  readonly lastGood?: LastGood;
  readonly decision?: Decision;
  readonly baseline?: Baseline;
  readonly verdict?: RecordedVerdict;
  readonly drift?: Drift;
  readonly halt?: Halt;
}

/**
 * A person's wish that a release be rolled back. It stands in a parameter of its own, which nothing but such wishes is
 * written to: the record has several writers, of which one may write over another.
 */
export interface RollbackRequest {
  readonly executionId: string;
  readonly reason: string;
  /** ISO 8601. */
  readonly requestedAt: string;
}

export type RecordResult =
  | { readonly ok: true; readonly record: ReleaseRecord }
  | { readonly ok: false; readonly problem: string };

/**
 * The record that a parameter's text holds, or what is wrong with it.
 *
 * A record that cannot be read whole is never read in part: half a record would name a rollback target
 * that nobody recorded.
 */
export function parseRecord(text: string): RecordResult {
  const document = parseObject(text);
  if (typeof document === 'string') return { ok: false, problem: document };
  if (document.version !== 1) {
    return {
      ok: false,
      problem: `its version is ${JSON.stringify(document.version)}, and this controller reads version 1`,
    };
  }
  const reader = new FieldReader();
  const lastGood = reader.section(document, 'lastGood', (s) => ({
    executionId: s.text('executionId'),
    ...s.optionalText('commit'),
    imageDigest: s.text('imageDigest', digest),
    imageUri: s.text('imageUri'),
    ...s.optionalText('canaryTaskDefinitionArn'),
    stableTaskDefinitionArn: s.text('stableTaskDefinitionArn'),
    recordedAt: s.text('recordedAt'),
  }));
  const decision = reader.section(document, 'decision', (s) => ({
    executionId: s.text('executionId'),
    kind: s.oneOf('kind', decisionKinds),
    reason: s.text('reason'),
    by: s.oneOf('by', deciders),
    decidedAt: s.text('decidedAt'),
    ...s.optionalText('restoredAt'),
  }));
  const baseline = reader.section(document, 'baseline', (s) => ({
    executionId: s.text('executionId'),
    ...s.optionalCount('deadLetters'),
    ...s.optionalText('candidateDigest', digest),
    ...s.optionalCount('candidateSeenAt'),
    ...s.optionalCount('deadLettersSeenAt'),
    ...s.optionalCount('deadLettersAccepted'),
  }));
  const verdict = reader.section(document, 'verdict', (s) => ({
    executionId: s.text('executionId'),
    kind: s.oneOf('kind', verdictKinds),
    code: s.oneOf('code', verdictCodes),
    summary: s.text('summary'),
    ...s.optionalText('effect'),
    decidedAt: s.text('decidedAt'),
    canaryUnits: s.count('canaryUnits'),
    canaryFailed: s.count('canaryFailed'),
  }));
  const driftedTrack = (s: SectionReader): DriftedTrack => ({
    deploymentId: s.text('deploymentId'),
    ...s.optionalText('imageDigest', digest),
    times: s.count('times'),
  });
  const drift = reader.section(document, 'drift', (s) => ({
    seenAt: s.text('seenAt'),
    ...s.optionalText('restoredAt'),
    ...s.optionalSection('canary', driftedTrack),
    ...s.optionalSection('stable', driftedTrack),
  }));
  const halt = reader.section(document, 'halt', (s) => ({
    since: s.text('since'),
    ...s.optionalText('toldAt'),
  }));
  if (reader.problems.length > 0) return { ok: false, problem: reader.problems.join('; ') };
  return {
    ok: true,
    record: {
      version: 1,
      ...(lastGood && { lastGood }),
      ...(decision && { decision }),
      ...(baseline && { baseline }),
      ...(verdict && { verdict }),
      ...(drift && { drift }),
      ...(halt && { halt }),
    },
  };
}

export type RollbackRequestResult =
  | { readonly ok: true; readonly request?: RollbackRequest }
  | { readonly ok: false; readonly problem: string };

/** The request that its parameter's text holds, `{}` for none, or what is wrong with it. */
export function parseRollbackRequest(text: string): RollbackRequestResult {
  const document = parseObject(text);
  if (typeof document === 'string') return { ok: false, problem: document };
  if (Object.keys(document).length === 0) return { ok: true };
  const reader = new FieldReader();
  const request = reader.section({ request: document }, 'request', (s) => ({
    executionId: s.text('executionId'),
    reason: s.text('reason'),
    requestedAt: s.text('requestedAt'),
  }));
  if (reader.problems.length > 0 || request === undefined) {
    return { ok: false, problem: reader.problems.join('; ') };
  }
  return { ok: true, request };
}

/** The request as its parameter's text. */
export function formatRollbackRequest({ reason, ...request }: RollbackRequest): string {
  return JSON.stringify({ ...request, reason: storedText(reason) });
}

/** With both texts at their longest, the record still fits the 4 KB of a standard parameter. */
const storedCharactersMax = 400;
const storedBytesMax = 800;

/**
 * A sentence as the record keeps it: cut where it would make the record too large, which could then not be written
 * at all. What counts is its size as JSON; text of people may be anything.
 */
export function storedText(text: string): string {
  let kept = '';
  let characters = 0;
  let bytes = 0;
  for (const character of text) {
    characters += 1;
    bytes += bytesOf(character);
    if (characters > storedCharactersMax || bytes > storedBytesMax) return `${cutOne(kept)}\u2026`;
    kept += character;
  }
  return kept;
}

/** In UTF-8, after JSON has escaped what it must. */
function bytesOf(character: string): number {
  const escaped = JSON.stringify(character).length - 2;
  const point = character.codePointAt(0) ?? 0;
  return point < 0x80 ? escaped : Math.max(escaped, point < 0x800 ? 2 : point < 0x10000 ? 3 : 4);
}

function cutOne(text: string): string {
  return [...text].slice(0, -1).join('');
}

/** The record as the parameter's text. */
export function formatRecord(record: ReleaseRecord): string {
  return JSON.stringify(record);
}

const digest = /^sha256:[0-9a-f]{64}$/;
const decisionKinds: readonly DecisionKind[] = ['rollback', 'abort'];
const deciders: readonly DecidedBy[] = ['judge', 'health', 'person', 'pipeline', 'newerCommit'];
const verdictKinds: readonly Verdict['kind'][] = ['pass', 'fail', 'inconclusive', 'error'];
/** A code that is left out here would make a record unreadable that the controller itself has written. */
const verdictCodes = Object.keys({
  unchanged: true,
  first: true,
  regression: true,
  certified: true,
  undecided: true,
  deadline: true,
  'stable-differs': true,
  concern: true,
  'dry-run': true,
  'no-data': true,
  'canary-silent': true,
  'baseline-silent': true,
  'not-measured': true,
  'unusable-block': true,
} satisfies Record<RecordedVerdict['code'], true>) as RecordedVerdict['code'][];

/** The JSON object that a text is, or why it is none. */
function parseObject(text: string): Record<string, unknown> | string {
  try {
    const document: unknown = JSON.parse(text);
    return isObject(document) ? document : 'it is not a JSON object';
  } catch {
    return 'it is not JSON';
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Collects every problem of a document instead of stopping at the first. */
class FieldReader {
  readonly problems: string[] = [];

  section<T>(
    document: Record<string, unknown>,
    name: string,
    read: (section: SectionReader) => T,
  ): T | undefined {
    return readSection(document[name], name, this.problems, read);
  }
}

function readSection<T>(
  value: unknown,
  name: string,
  problems: string[],
  read: (section: SectionReader) => T,
): T | undefined {
  if (value === undefined) return undefined;
  if (!isObject(value)) {
    problems.push(`${name} is not an object`);
    return undefined;
  }
  return read(new SectionReader(name, value, problems));
}

class SectionReader {
  readonly #name: string;
  readonly #values: Record<string, unknown>;
  readonly #problems: string[];

  constructor(name: string, values: Record<string, unknown>, problems: string[]) {
    this.#name = name;
    this.#values = values;
    this.#problems = problems;
  }

  text(field: string, pattern = /./): string {
    const value = this.#values[field];
    if (typeof value === 'string' && pattern.test(value)) return value;
    this.#wrong(field, value);
    return '';
  }

  optionalText<K extends string>(field: K, pattern?: RegExp): { [P in K]?: string } {
    const optional: { [P in K]?: string } = {};
    if (this.#values[field] !== undefined) optional[field] = this.text(field, pattern);
    return optional;
  }

  oneOf<T extends string>(field: string, allowed: readonly T[]): T {
    const value = this.#values[field];
    const found = allowed.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    this.#wrong(field, value);
    return allowed[0]!;
  }

  count(field: string): number {
    const value = this.#values[field];
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    this.#wrong(field, value);
    return 0;
  }

  optionalCount<K extends string>(field: K): { [P in K]?: number } {
    const optional: { [P in K]?: number } = {};
    if (this.#values[field] !== undefined) optional[field] = this.count(field);
    return optional;
  }

  optionalSection<K extends string, T>(field: K, read: (section: SectionReader) => T): { [P in K]?: T } {
    const optional: { [P in K]?: T } = {};
    const value = readSection(this.#values[field], `${this.#name}.${field}`, this.#problems, read);
    if (value !== undefined) optional[field] = value;
    return optional;
  }

  #wrong(field: string, value: unknown): void {
    this.#problems.push(
      value === undefined
        ? `${this.#name}.${field} is missing`
        : `${this.#name}.${field} cannot be ${JSON.stringify(value)}`,
    );
  }
}
