import { NormalizedSchema } from '@smithy/core/schema';
import { InvariantError } from '../errors.ts';

/*
 * How the AWS SDK for JavaScript lays its schemas out. The layout is the SDK's own business and may change with any
 * version, so this file alone knows it, and `test/sdk-schemas.test.ts` compares it with every client in use.
 *
 * A schema is a tuple: kind, namespace, name, traits, and then what the kind needs.
 *   operation   [9, …, input, output]
 *   structure   [3, …, names of members, their schemas, how many of the first ones are required]
 *   error       [-3, …] as a structure
 * Simple schemas are numbers.
 */

const OPERATION = 9;
const ERROR = -3;
const [KIND, NAME, TRAITS, INPUT, OUTPUT, REQUIRED] = [0, 2, 3, 4, 5, 6];

const TIMESTAMPS: Readonly<Record<number, TimestampFormat>> = {
  5: 'date-time',
  6: 'http-date',
  7: 'epoch-seconds',
};

export type TimestampFormat = 'date-time' | 'http-date' | 'epoch-seconds';

/** The traits that the engine uses. A trait without a value is 1. */
export interface Traits {
  /** Of an operation of a REST protocol. */
  readonly http?: readonly [method: string, path: string, status: number];
  readonly httpLabel?: 1;
  readonly httpQuery?: string;
  readonly httpHeader?: string;
  readonly httpPrefixHeaders?: string;
  readonly httpPayload?: 1;
  readonly httpResponseCode?: 1;
  readonly xmlName?: string;
  readonly xmlFlattened?: 1;
  readonly ec2QueryName?: string;
  readonly sensitive?: 1;
  /** Of an error: whose fault it is, its status, and its code and status in the Query protocol. */
  readonly error?: 'client' | 'server';
  readonly httpError?: number;
  readonly awsQueryError?: readonly [code: string, status: number];
}

/** An operation or a modelled error. */
export type Item =
  | {
      readonly kind: 'operation';
      readonly name: string;
      readonly traits: Traits;
      readonly input: unknown;
      readonly output: unknown;
    }
  | { readonly kind: 'error'; readonly name: string; readonly traits: Traits };

/** The operations and modelled errors of a client package. */
export function itemsOf(module: Readonly<Record<string, unknown>>): Item[] {
  return Object.values(module).flatMap((value) => itemOf(value) ?? []);
}

/** The schema of the input of an operation of a client package. */
export function inputSchemaOf(module: Readonly<Record<string, unknown>>, operation: string): unknown {
  const item = itemOf(module[`${operation}$`]);
  if (item?.kind !== 'operation') throw new InvariantError(`the SDK has no schema of ${operation}`);
  return item.input;
}

function itemOf(value: unknown): Item | undefined {
  if (!Array.isArray(value)) return undefined;
  const name = value[NAME] as string;
  const traits = (typeof value[TRAITS] === 'object' ? value[TRAITS] : {}) as Traits;
  if (value[KIND] === ERROR) return { kind: 'error', name, traits };
  if (value[KIND] !== OPERATION) return undefined;
  return { kind: 'operation', name, traits, input: value[INPUT], output: value[OUTPUT] };
}

/** A schema with the SDK's own way of asking what it is. */
export function normalized(schema: unknown): NormalizedSchema {
  return NormalizedSchema.of(schema as Parameters<typeof NormalizedSchema.of>[0]);
}

export function traitsOf(schema: NormalizedSchema): Traits {
  return schema.getMergedTraits() as Traits;
}

/** How many of a structure's members are required: they are its first ones. */
export function requiredOf(schema: NormalizedSchema): number {
  const layout: unknown = schema.getSchema();
  return Array.isArray(layout) && typeof layout[REQUIRED] === 'number' ? layout[REQUIRED] : 0;
}

/** The format of a timestamp, where the model fixes it. */
export function timestampFormatOf(schema: NormalizedSchema): TimestampFormat | undefined {
  const layout: unknown = schema.getSchema();
  return typeof layout === 'number' ? TIMESTAMPS[layout] : undefined;
}
