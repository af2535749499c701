import { isObject, type Json } from '../resources/schema.ts';
import { evaluateCondition, type Scope } from './intrinsics.ts';
import type { ParameterValue } from './parameters.ts';
import { type Template, templateError } from './template.ts';
import { availabilityZones } from './zones.ts';

/** What the functions of one stack's template see. */
export interface StackScopeParts {
  readonly template: Template;
  readonly parameters: readonly ParameterValue[];
  readonly stackName: string;
  readonly stackId: string;
  readonly accountId: string;
  readonly region: string;
  readonly notificationArns: readonly string[];
  /** `Ref` of a resource that exists; `undefined` when there is none. */
  readonly resource: (logicalId: string) => Json | undefined;
  readonly attribute: (logicalId: string, name: string) => Json | undefined;
  readonly exported: (name: string) => string | undefined;
  /** Told which exports the template imports. */
  readonly onImport?: (name: string) => void;
}

export function stackScope(parts: StackScopeParts): Scope {
  const { template } = parts;
  const pseudo: Record<string, Json> = {
    'AWS::AccountId': parts.accountId,
    'AWS::NotificationARNs': [...parts.notificationArns],
    'AWS::Partition': 'aws',
    'AWS::Region': parts.region,
    'AWS::StackId': parts.stackId,
    'AWS::StackName': parts.stackName,
    'AWS::URLSuffix': 'amazonaws.com',
  };
  const parameters = new Map(parts.parameters.map(({ key, value }) => [key, value]));
  const conditions = new Map<string, boolean>();
  const scope: Scope = {
    parameter: (name) => pseudo[name] ?? parameters.get(name),
    resource: parts.resource,
    attribute(logicalId, name) {
      const value = parts.attribute(logicalId, name);
      if (value === undefined) {
        throw templateError(
          `Template error: resource ${logicalId} does not support attribute type ${name} in Fn::GetAtt`,
        );
      }
      return value;
    },
    condition(name) {
      let value = conditions.get(name);
      if (value === undefined) {
        const expression = template.Conditions[name];
        if (expression === undefined) {
          throw templateError(
            `Template format error: Unresolved condition dependency ${name} in the Resources block of the template`,
          );
        }
        value = evaluateCondition(expression, scope);
        conditions.set(name, value);
      }
      return value;
    },
    mapping(map, first, second) {
      const level = template.Mappings[map]?.[first];
      return isObject(level) ? level[second] : undefined;
    },
    importValue(name) {
      const value = parts.exported(name);
      if (value === undefined) throw templateError(`No export named ${name} found.`);
      parts.onImport?.(name);
      return value;
    },
    zones: availabilityZones,
  };
  return scope;
}

/** Logical ids of the resources whose condition holds. */
export function activeResources(template: Template, scope: Scope): Set<string> {
  return new Set(
    Object.entries(template.Resources)
      .filter(([, { Condition }]) => Condition === undefined || scope.condition(Condition))
      .map(([logicalId]) => logicalId),
  );
}
