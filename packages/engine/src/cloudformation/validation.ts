import type { ResourceType } from '../resources/resource-type.ts';
import { isObject, type Json, PropertyError } from '../resources/schema.ts';
import { dependencies, inOrder, type Mention, mentions } from './graph.ts';
import { FUNCTIONS } from './intrinsics.ts';
import { type Template, templateError } from './template.ts';

const PSEUDO_PARAMETERS = new Set([
  'AWS::AccountId',
  'AWS::NotificationARNs',
  'AWS::NoValue',
  'AWS::Partition',
  'AWS::Region',
  'AWS::StackId',
  'AWS::StackName',
  'AWS::URLSuffix',
]);

/** Finds a resource type by its name, such as `AWS::SQS::Queue`. */
export type TypeLookup = (name: string) => ResourceType | undefined;

/**
 * Refuses a template that could not be deployed, before anything is created: unknown types and properties,
 * references to nothing, unknown functions and attributes, circular dependencies.
 */
export function validateTemplate(template: Template, typeOf: TypeLookup): void {
  checkTypes(template, typeOf);
  for (const [logicalId, resource] of Object.entries(template.Resources)) {
    checkMentions(template, typeOf, mentions(resource.Properties), 'Resources');
    checkMentions(
      template,
      typeOf,
      resource.DependsOn.map((name) => ({ kind: 'ref', name })),
      'Resources',
      false,
    );
    if (resource.Condition !== undefined) checkCondition(template, resource.Condition, 'Resources');
    checkProperties(logicalId, resource.Properties, typeOf(resource.Type)!);
  }
  for (const output of Object.values(template.Outputs)) {
    checkMentions(template, typeOf, mentions([output.Value, output.Export ?? null]), 'Outputs');
    if (output.Condition !== undefined) checkCondition(template, output.Condition, 'Outputs');
  }
  checkConditions(template);
  inOrder(dependencies(template));
}

function checkTypes(template: Template, typeOf: TypeLookup): void {
  const unknown = Object.entries(template.Resources).filter(([, { Type }]) => !typeOf(Type));
  if (unknown.length === 0) return;
  const types = [...new Set(unknown.map(([, { Type }]) => Type))];
  const where = unknown.map(([logicalId, { Type }]) => `${logicalId} (${Type})`).join(', ');
  throw templateError(
    `Template format error: Unrecognized resource types: [${types.join(', ')}]. The local engine does not know the type of ${where}: leave it out of what is deployed here, or deploy it on AWS.`,
  );
}

function checkProperties(logicalId: string, properties: Json, type: ResourceType): void {
  try {
    type.checkNames(properties);
  } catch (error) {
    if (!(error instanceof PropertyError)) throw error;
    const hint = error.message.includes('extraneous key')
      ? '. If AWS has this property, the local engine does not know it: leave it out of what is deployed here, or deploy it on AWS.'
      : '';
    throw templateError(
      `Properties validation failed for resource ${logicalId} with message: ${error.message} (${type.name})${hint}`,
    );
  }
}

function checkMentions(
  template: Template,
  typeOf: TypeLookup,
  found: Mention[],
  block: string,
  allowParameters = true,
): void {
  for (const { kind, name, attribute } of found) {
    switch (kind) {
      case 'ref':
        if (Object.hasOwn(template.Resources, name)) break;
        if (allowParameters && (Object.hasOwn(template.Parameters, name) || PSEUDO_PARAMETERS.has(name)))
          break;
        throw templateError(
          `Template format error: Unresolved resource dependencies [${name}] in the ${block} block of the template`,
        );
      case 'attribute': {
        const resource = Object.hasOwn(template.Resources, name) ? template.Resources[name] : undefined;
        if (!resource) {
          throw templateError(`Template error: instance of Fn::GetAtt references undefined resource ${name}`);
        }
        const type = typeOf(resource.Type)!;
        if (attribute !== undefined && !type.attributes.includes(attribute)) {
          throw templateError(
            `Template error: resource ${name} does not support attribute type ${attribute} in Fn::GetAtt`,
          );
        }
        break;
      }
      case 'condition':
        checkCondition(template, name, block);
        break;
      case 'mapping':
        if (!Object.hasOwn(template.Mappings, name)) {
          throw templateError(
            `Template error: Mapping named '${name}' is not present in the 'Mappings' section of template.`,
          );
        }
        break;
      case 'function':
        if (!FUNCTIONS.some((known) => known === name)) {
          throw templateError(
            `Template error: Encountered unsupported function: ${name} Supported functions are: [${FUNCTIONS.join(', ')}, Ref, Condition]`,
          );
        }
    }
  }
}

function checkCondition(template: Template, name: string, block: string): void {
  if (Object.hasOwn(template.Conditions, name)) return;
  throw templateError(
    `Template format error: Unresolved condition dependency ${name} in the ${block} block of the template`,
  );
}

function checkConditions(template: Template): void {
  const graph = new Map<string, Set<string>>();
  for (const [name, condition] of Object.entries(template.Conditions)) {
    if (!isObject(condition)) {
      throw templateError(
        `Template format error: [/Conditions/${name}] Every Conditions member must be an object`,
      );
    }
    const found = mentions(condition);
    for (const mention of found) {
      const resource = mention.kind === 'attribute' || Object.hasOwn(template.Resources, mention.name);
      const parameter =
        Object.hasOwn(template.Parameters, mention.name) || PSEUDO_PARAMETERS.has(mention.name);
      if ((mention.kind === 'ref' && !parameter) || (mention.kind === 'attribute' && resource)) {
        throw templateError(
          `Template format error: Unresolved dependencies [${mention.name}]. Cannot reference resources in the Conditions block of the template`,
        );
      }
      if (mention.kind === 'condition') checkCondition(template, mention.name, 'Conditions');
    }
    graph.set(name, new Set(found.filter(({ kind }) => kind === 'condition').map((mention) => mention.name)));
  }
  inOrder(graph);
}
