import { sleep } from '../clock/clock.ts';
import type { Engine } from '../dispatch/service.ts';
import { AwsFault } from '../errors.ts';
import type { Principal } from '../iam/principal.ts';
import type { Input, OperationName, Output, ServiceName } from '../sdk/services.ts';
import type { CustomResourceAnswer, CustomResourceQuestion } from './custom-resource-exchange.ts';
import { type PhysicalNameOptions, physicalName } from './physical-name.ts';
import {
  checkPropertyNames,
  coerceProperties,
  type Json,
  type JsonObject,
  type Members,
  type Properties,
  PropertyError,
} from './schema.ts';

export type Attributes = Readonly<Record<string, Json>>;

/** What a resource works with: whose stack it belongs to and with which rights it acts. */
export interface ResourceContext {
  readonly stackName: string;
  readonly stackId: string;
  readonly logicalId: string;
  readonly accountId: string;
  readonly region: string;
  /** Tags of the stack: they go to every resource that takes tags. */
  readonly stackTags: Readonly<Record<string, string>>;
  /** Drawn once for each resource to be created, and kept over a crash. */
  readonly suffix: string;
  /** Aborts when the stack operation is cancelled or the engine stops. */
  readonly signal: AbortSignal;
  /** Random lower-case hexadecimal, for ids that AWS draws. */
  readonly hex: (length: number) => string;
  /** Calls an operation with the rights of the stack's role. */
  readonly call: <S extends ServiceName, O extends OperationName<S> & string>(
    service: S,
    operation: O,
    input: Input<S, O>,
  ) => Promise<Output<S, O>>;
  /** A name that CloudFormation generates: `<stack>-<logicalId>-<suffix>` within the type's limits. */
  readonly name: (options?: PhysicalNameOptions) => string;
  /** Reports that the resource has this id now and that `create` only waits for it to become ready. */
  readonly initiated: (id: string) => void;
  /** Asks the function of a custom resource, and waits for its answer. */
  readonly ask: (question: CustomResourceQuestion) => Promise<CustomResourceAnswer>;
  /** Resolves when the named part of the engine reports anything in the journal, or after five seconds. */
  readonly untilReported: (source: string) => Promise<void>;
}

/** What a resource became: `id` is what `Ref` gives. */
export interface Created {
  readonly id: string;
  readonly attributes?: Attributes;
}

export interface Existing<P> {
  readonly id: string;
  readonly properties: P;
  readonly attributes: Attributes;
  /** Tags of the stack with which it was made or changed last. */
  readonly stackTags: Readonly<Record<string, string>>;
}

/** How one CloudFormation type is created, changed and deleted. */
export interface ResourceDefinition<M extends Members> {
  readonly properties: M;
  /** Names that `Fn::GetAtt` accepts. */
  readonly attributes?: readonly string[];
  /** Properties whose change replaces the resource. Without `update`, every change does. */
  readonly createOnly?: ReadonlyArray<keyof M & string>;
  /** The type has no local meaning: it is kept and reported, nothing acts on it. */
  readonly recordedOnly?: true;
  /** The id that `create` will give, where a name decides it: what a crash left behind is found by it. */
  readonly identify?: (context: ResourceContext, properties: Properties<M>) => string;
  /** Whether something with this id exists already. Needed where users may choose the name. */
  readonly exists?: (context: ResourceContext, id: string) => Promise<boolean>;
  /** What a crash left behind is given back by `create`, if it is asked for the same; otherwise it is deleted first. */
  readonly isCreatedOnce?: true;
  readonly create: (context: ResourceContext, properties: Properties<M>) => Promise<Created> | Created;
  /** Changes in place; returns the attributes. */
  readonly update?: (
    context: ResourceContext,
    properties: Properties<M>,
    existing: Existing<Properties<M>>,
  ) => Promise<Attributes | undefined> | Attributes | undefined;
  /** Deletes; what is gone already is no error. */
  readonly delete: (context: ResourceContext, existing: Existing<Properties<M>>) => Promise<void> | void;
}

/** A resource type as the stack engine sees it: properties are resolved JSON. */
export interface ResourceType {
  readonly name: string;
  readonly recordedOnly: boolean;
  readonly isCreatedOnce: boolean;
  /** Names of properties that the type knows. */
  readonly propertyNames: readonly string[];
  /** Whether `Fn::GetAtt` may ask for this name. */
  hasAttribute(name: string): boolean;
  /** Checks the names of properties that may still hold intrinsic functions. */
  checkNames(properties: Json): void;
  /** Whether a change of this property replaces the resource. */
  replacesOn(property: string): boolean;
  /** An update may give another id; the resource of the old id is then deleted. */
  readonly choosesId: boolean;
  identify(context: ResourceContext, properties: JsonObject): string | undefined;
  exists(context: ResourceContext, id: string): Promise<boolean>;
  create(context: ResourceContext, properties: JsonObject): Promise<Created>;
  update(
    context: ResourceContext,
    properties: JsonObject,
    existing: Existing<JsonObject>,
  ): Promise<Required<Created>>;
  delete(context: ResourceContext, existing: Existing<JsonObject>): Promise<void>;
}

/** Makes a resource type from its definition; properties are coerced and checked on the way in. */
export function defineResource<M extends Members>(
  name: string,
  definition: ResourceDefinition<M>,
): ResourceType {
  const coerce = (context: ResourceContext, properties: JsonObject) => {
    try {
      return coerceProperties(definition.properties, properties);
    } catch (error) {
      throw error instanceof PropertyError ? invalid(context.logicalId, error) : error;
    }
  };
  return {
    name,
    recordedOnly: definition.recordedOnly ?? false,
    isCreatedOnce: definition.isCreatedOnce ?? false,
    hasAttribute: (attribute) => definition.attributes?.includes(attribute) ?? false,
    choosesId: false,
    propertyNames: Object.keys(definition.properties),
    checkNames: (properties) => checkPropertyNames(definition.properties, properties),
    replacesOn: (property) =>
      definition.update === undefined || (definition.createOnly?.includes(property) ?? false),
    identify: (context, properties) => definition.identify?.(context, coerce(context, properties)),
    exists: async (context, id) => (await definition.exists?.(context, id)) ?? false,
    create: async (context, properties) => definition.create(context, coerce(context, properties)),
    async update(context, properties, existing) {
      const attributes = await definition.update!(context, coerce(context, properties), {
        ...existing,
        properties: coerce(context, existing.properties),
      });
      return { id: existing.id, attributes: attributes ?? existing.attributes };
    },
    async delete(context, existing) {
      await definition.delete(context, { ...existing, properties: coerce(context, existing.properties) });
    },
  };
}

function invalid(logicalId: string, error: PropertyError): AwsFault {
  return new AwsFault(
    'ValidationError',
    `Properties validation failed for resource ${logicalId} with message: ${error.message}`,
  );
}

/** Parts of the engine that a {@link ResourceContext} is made from. */
export interface ContextParts {
  readonly engine: Engine;
  readonly principal: Principal;
  readonly stackName: string;
  readonly stackId: string;
  readonly stackTags: Readonly<Record<string, string>>;
  readonly logicalId: string;
  readonly suffix: string;
  readonly signal: AbortSignal;
  /** The properties hold a secret. */
  readonly confidential: boolean;
  readonly initiated: (id: string) => void;
  readonly ask: ResourceContext['ask'];
}

export function resourceContext(parts: ContextParts): ResourceContext {
  const { engine, principal, stackName, logicalId, suffix, signal } = parts;
  return {
    stackName,
    stackId: parts.stackId,
    logicalId,
    accountId: engine.accountId,
    region: engine.region,
    stackTags: parts.stackTags,
    suffix,
    signal,
    initiated: parts.initiated,
    ask: parts.ask,
    hex: (length) => engine.ids.hex(length),
    call: (service, operation, input) =>
      engine.call(principal, service, operation, input, { confidential: parts.confidential }),
    name: (options) => physicalName(stackName, logicalId, suffix, options),
    async untilReported(source) {
      const reported = new AbortController();
      const stop = engine.journal.subscribe((entry) => {
        if (entry.source === source) reported.abort();
      });
      try {
        await sleep(engine.clock, 5000, AbortSignal.any([reported.signal, signal]));
      } finally {
        stop();
      }
    },
  };
}

const MISSING = /NotFound|DoesNotExist|NoSuch|NonExistent|NotActive/;

/** Runs a call; `undefined` when AWS says that what it is about does not exist. */
export async function unlessMissing<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof AwsFault && MISSING.test(error.code)) return undefined;
    throw error;
  }
}

/** Tags of the stack under those of the resource, as a record. */
export function mergedTags(context: ResourceContext, own: OwnTags): Record<string, string> {
  return { ...context.stackTags, ...Object.fromEntries((own ?? []).map((tag) => [tag.Key, tag.Value])) };
}

/** Merged tags as a list of `Key` and `Value`; `undefined` when there are none. */
export function tagList(
  context: ResourceContext,
  own: OwnTags,
): Array<{ Key: string; Value: string }> | undefined {
  const tags = listed(mergedTags(context, own));
  return tags.length === 0 ? undefined : tags;
}

/** Merged tags as a list of `key` and `value`; `undefined` when there are none. */
export function lowerTagList(
  context: ResourceContext,
  own: OwnTags,
): Array<{ key: string; value: string }> | undefined {
  const tags = lowerListed(mergedTags(context, own));
  return tags.length === 0 ? undefined : tags;
}

type OwnTags = ReadonlyArray<{ readonly Key: string; readonly Value: string }> | undefined;

/** Brings the tags of an existing resource to what its template and its stack say now. */
export async function retag(
  context: ResourceContext,
  own: OwnTags,
  before: {
    readonly properties: { readonly Tags?: OwnTags };
    readonly stackTags: Readonly<Record<string, string>>;
  },
  change: {
    readonly set: (tags: Record<string, string>) => Promise<unknown>;
    readonly remove: (keys: string[]) => Promise<unknown>;
  },
): Promise<void> {
  const after = mergedTags(context, own);
  const old = mergedTags({ ...context, stackTags: before.stackTags }, before.properties.Tags);
  const gone = Object.keys(old).filter((key) => !Object.hasOwn(after, key));
  const changed = Object.entries(after).filter(([key, value]) => old[key] !== value);
  if (gone.length > 0) await change.remove(gone);
  if (changed.length > 0) await change.set(Object.fromEntries(changed));
}

/** Tags as a list of `Key` and `Value`. */
export function listed(tags: Readonly<Record<string, string>>): Array<{ Key: string; Value: string }> {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

/** Tags as a list of `key` and `value`. */
export function lowerListed(tags: Readonly<Record<string, string>>): Array<{ key: string; value: string }> {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}
