import { isObject, type Json } from '../resources/schema.ts';
import { calledFunction, getAttParts, substitutedNames } from './intrinsics.ts';
import { type Template, templateError } from './template.ts';

/** One mention of a resource, parameter or condition in a value of the template. */
export interface Mention {
  readonly kind: 'ref' | 'attribute' | 'condition' | 'mapping' | 'function';
  readonly name: string;
  readonly attribute?: string;
}

/** Everything that the intrinsic functions in a value mention. */
export function mentions(value: Json): Mention[] {
  if (Array.isArray(value)) return value.flatMap(mentions);
  if (!isObject(value)) return [];
  const name = calledFunction(value);
  if (name === undefined) return Object.values(value).flatMap(mentions);
  const argument = value[name]!;
  switch (name) {
    case 'Ref':
      return [{ kind: 'ref', name: String(argument) }];
    case 'Condition':
      return [{ kind: 'condition', name: String(argument) }];
    case 'Fn::GetAtt': {
      const [logicalId, attribute] = getAttParts(argument);
      return typeof attribute === 'string'
        ? [{ kind: 'attribute', name: logicalId, attribute }]
        : [{ kind: 'attribute', name: logicalId }, ...mentions(attribute)];
    }
    case 'Fn::Sub': {
      const [source, variables] = Array.isArray(argument) ? argument : [argument, {}];
      const own = isObject(variables) ? variables : {};
      return [
        ...substitutedNames(String(source))
          .filter((item) => !Object.hasOwn(own, item))
          .map((item): Mention => {
            const dot = item.indexOf('.');
            return dot > 0 && !item.includes('::')
              ? { kind: 'attribute', name: item.slice(0, dot), attribute: item.slice(dot + 1) }
              : { kind: 'ref', name: item };
          }),
        ...Object.values(own).flatMap(mentions),
      ];
    }
    case 'Fn::If':
      return Array.isArray(argument)
        ? [{ kind: 'condition', name: String(argument[0]) }, ...argument.slice(1).flatMap(mentions)]
        : [];
    case 'Fn::FindInMap':
      return [
        ...(Array.isArray(argument) && typeof argument[0] === 'string'
          ? [{ kind: 'mapping' as const, name: argument[0] }]
          : []),
        ...mentions(argument),
      ];
    default:
      return [{ kind: 'function', name }, ...mentions(argument)];
  }
}

/** Which resources each resource needs first, from references and `DependsOn`. */
export function dependencies(template: Template): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const [logicalId, resource] of Object.entries(template.Resources)) {
    const needs = new Set<string>(resource.DependsOn);
    for (const { kind, name } of mentions(resource.Properties)) {
      if ((kind === 'ref' || kind === 'attribute') && Object.hasOwn(template.Resources, name))
        needs.add(name);
    }
    graph.set(logicalId, needs);
  }
  return graph;
}

/**
 * Logical ids in an order in which every resource comes after what it needs. A cycle is a `ValidationError`
 * that names its members, as AWS words it.
 */
export function inOrder(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const order: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const path: string[] = [];
  const visit = (id: string) => {
    if (state.get(id) === 'done') return;
    if (state.get(id) === 'open') {
      const cycle = path.slice(path.indexOf(id));
      throw templateError(`Circular dependency between resources: [${cycle.join(', ')}]`);
    }
    state.set(id, 'open');
    path.push(id);
    for (const need of graph.get(id) ?? []) if (graph.has(need)) visit(need);
    path.pop();
    state.set(id, 'done');
    order.push(id);
  };
  for (const id of graph.keys()) visit(id);
  return order;
}
