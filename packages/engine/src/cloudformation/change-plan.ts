import { isDeepStrictEqual } from 'node:util';
import type { ResourceType } from '../resources/resource-type.ts';
import type { JsonObject } from '../resources/schema.ts';
import { dependencies, inOrder } from './graph.ts';
import { resolve, type Scope } from './intrinsics.ts';
import { activeResources, type StackScopeParts, stackScope } from './stack-scope.ts';
import type { PlannedChange, ResourceRecord, StackOutput } from './stack-store.ts';
import { type Template, templateError } from './template.ts';
import type { TypeLookup } from './validation.ts';

/** Thrown while planning where a value needs something that does not exist yet. */
class KnownLater extends Error {}

/** A property whose value is known only once a resource that it needs exists. */
const KNOWN_LATER = '{{known later}}';

/**
 * Names of the properties that differ. `Tags` counts as different when the stack's tags changed and the
 * type takes tags, because they are merged into them.
 */
export function changedProperties(
  type: ResourceType,
  before: { declared: JsonObject; stackTags: Readonly<Record<string, string>> },
  declared: JsonObject,
  stackTags: Readonly<Record<string, string>>,
): string[] {
  const names = new Set([...Object.keys(before.declared), ...Object.keys(declared)]);
  const changed = [...names].filter((name) => !isDeepStrictEqual(before.declared[name], declared[name]));
  if (
    type.propertyNames.includes('Tags') &&
    !changed.includes('Tags') &&
    !isDeepStrictEqual(before.stackTags, stackTags)
  ) {
    changed.push('Tags');
  }
  return changed;
}

export interface PlanInput {
  readonly scope: Omit<StackScopeParts, 'resource' | 'attribute'>;
  readonly stackTags: Readonly<Record<string, string>>;
  readonly existing: readonly ResourceRecord[];
  readonly outputs: readonly StackOutput[];
  readonly typeOf: TypeLookup;
}

/** What deploying a template would change, without doing it. */
export function planChanges(
  template: Template,
  input: PlanInput,
): { changes: PlannedChange[]; outputsChange: boolean } {
  const existing = new Map(
    input.existing
      .filter((record) => record.id !== undefined && record.status !== 'DELETE_COMPLETE')
      .map((record) => [record.logicalId, record]),
  );
  const fresh = new Set<string>();
  const known = (logicalId: string): ResourceRecord => {
    const record = existing.get(logicalId);
    if (!record || fresh.has(logicalId)) throw new KnownLater();
    return record;
  };
  const scope = stackScope({
    ...input.scope,
    resource: (logicalId) => (Object.hasOwn(template.Resources, logicalId) ? known(logicalId).id : undefined),
    attribute: (logicalId, name) => known(logicalId).attributes[name],
  });
  const active = activeResources(template, scope);
  const changes: PlannedChange[] = [];
  for (const logicalId of inOrder(dependencies(template))) {
    const resource = template.Resources[logicalId];
    if (!resource || !active.has(logicalId)) continue;
    const type = input.typeOf(resource.Type)!;
    const record = existing.get(logicalId);
    if (!record) {
      fresh.add(logicalId);
      plannedProperties(resource.Properties, scope);
      changes.push(added(logicalId, resource.Type));
      continue;
    }
    if (record.type !== resource.Type) {
      throw templateError(
        `Update of resource type is not permitted. The new template modifies resource type of the following resources: [${logicalId}]`,
      );
    }
    const declared = plannedProperties(resource.Properties, scope);
    const names = changedProperties(type, record, declared, input.stackTags);
    if (names.length === 0) continue;
    const change = modified(record, type, names, declared);
    if (change.replacement !== 'False') fresh.add(logicalId);
    changes.push(change);
  }
  for (const record of existing.values()) {
    if (!active.has(record.logicalId)) changes.push(removed(record));
  }
  return { changes, outputsChange: outputsChange(template, scope, input.outputs) };
}

/** Each property resolved, or {@link KNOWN_LATER}. */
function plannedProperties(properties: JsonObject, scope: Scope): JsonObject {
  const planned: JsonObject = {};
  for (const [name, value] of Object.entries(properties)) {
    try {
      Object.assign(planned, resolve({ [name]: value }, scope));
    } catch (error) {
      if (!(error instanceof KnownLater)) throw error;
      planned[name] = KNOWN_LATER;
    }
  }
  return planned;
}

function outputsChange(template: Template, scope: Scope, before: readonly StackOutput[]): boolean {
  try {
    return !isDeepStrictEqual(outputsOf(template, scope), shown(before));
  } catch (error) {
    if (error instanceof KnownLater) return true;
    throw error;
  }
}

function added(logicalId: string, type: string): PlannedChange {
  return {
    action: 'Add',
    logicalId,
    id: undefined,
    type,
    replacement: undefined,
    policyAction: undefined,
    properties: [],
  };
}

function modified(
  record: ResourceRecord,
  type: ResourceType,
  names: readonly string[],
  declared: JsonObject,
): PlannedChange {
  const properties = names.map((name) => ({
    name,
    recreation: !type.replacesOn(name)
      ? ('Never' as const)
      : declared[name] === KNOWN_LATER
        ? ('Conditionally' as const)
        : ('Always' as const),
  }));
  const recreations = new Set(properties.map(({ recreation }) => recreation));
  const replacement = recreations.has('Always')
    ? 'True'
    : recreations.has('Conditionally')
      ? 'Conditional'
      : 'False';
  return {
    action: 'Modify',
    logicalId: record.logicalId,
    id: record.id,
    type: record.type,
    replacement,
    policyAction:
      replacement === 'False'
        ? undefined
        : record.updateReplacePolicy === 'Retain'
          ? 'ReplaceAndRetain'
          : 'ReplaceAndDelete',
    properties,
  };
}

function removed(record: ResourceRecord): PlannedChange {
  return {
    action: 'Remove',
    logicalId: record.logicalId,
    id: record.id,
    type: record.type,
    replacement: undefined,
    policyAction: keeps(record) ? 'Retain' : 'Delete',
    properties: [],
  };
}

/** Whether deleting the resource from its stack leaves the real thing in place. */
export function keeps(record: ResourceRecord): boolean {
  return record.deletionPolicy === 'Retain' || record.deletionPolicy === 'RetainExceptOnCreate';
}

/** The outputs of a template whose condition holds, with their values. */
export function outputsOf(template: Template, scope: Scope): StackOutput[] {
  return Object.entries(template.Outputs)
    .filter(([, output]) => output.Condition === undefined || scope.condition(output.Condition))
    .map(([key, output]) => {
      const value = resolve(output.Value, scope);
      if (typeof value === 'object') {
        throw templateError(
          `Template format error: Output ${key} is malformed. The Value field of every Outputs member must resolve to a String.`,
        );
      }
      const name = output.Export === undefined ? undefined : resolve(output.Export, scope);
      return {
        key,
        value: String(value),
        description: output.Description,
        exportName: name === undefined ? undefined : String(name),
      };
    });
}

function shown(outputs: readonly StackOutput[]): StackOutput[] {
  return outputs.map(({ key, value, description, exportName }) => ({ key, value, description, exportName }));
}
