import { matchesWithin } from '../../bounded-match.ts';
import { page } from '../../dispatch/paging.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { parameterFilter } from './parameter-filters.ts';

export interface StoredParameter {
  readonly name: string;
  readonly type: 'String' | 'StringList' | 'SecureString';
  readonly value: string;
  readonly version: number;
  readonly description: string | undefined;
  readonly modifiedAtMs: number;
  /** Absent in parameters that were stored before these were kept. */
  readonly tier?: string;
  readonly dataType?: string;
  readonly allowedPattern?: string | undefined;
  readonly tags?: Readonly<Record<string, string>>;
}

const NAMES_MAX = 10;
const PAGE_MAX = 50;
/** A page of GetParametersByPath holds at most ten. */
const PATH_PAGE_MAX = 10;

/** Versions of a parameter that can be read, the latest included, as on AWS. */
const VERSIONS_MAX = 100;

/** Systems Manager Parameter Store: plain parameters with versions, without labels. */
export function createSsm(engine: Engine): Service<'ssm'> {
  const parameters = engine.state.table<StoredParameter>('ssm.parameters');
  /** Versions before the latest, by `name:version`. */
  const earlier = engine.state.table<StoredParameter>('ssm.versions');

  const split = (nameOrArn: string) => {
    const match = /^arn:aws:ssm:[^:]*:[^:]*:parameter(\/?.*)$/.exec(nameOrArn);
    const [name = '', selector, ...more] = (match ? match[1]! : nameOrArn).split(':');
    if (more.length > 0) throw invalid(`The parameter name ${nameOrArn} has more than one selector.`);
    return { name, selector };
  };
  const nameOf = (nameOrArn: string) => {
    const { name } = split(nameOrArn);
    return parameters.has(name) || !name.startsWith('/') || name.lastIndexOf('/') > 0 ? name : name.slice(1);
  };
  const arnOf = (name: string) =>
    `arn:aws:ssm:${engine.region}:${engine.accountId}:parameter${name.startsWith('/') ? '' : '/'}${name}`;
  const shown = ({ parameter, selector }: { parameter: StoredParameter; selector?: string | undefined }) => ({
    Name: parameter.name,
    Type: parameter.type,
    Value: parameter.value,
    Version: parameter.version,
    ...(selector === undefined ? {} : { Selector: `:${selector}` }),
    ARN: arnOf(parameter.name),
    LastModifiedDate: new Date(parameter.modifiedAtMs),
    DataType: parameter.dataType ?? 'text',
  });
  const paged = <T>(
    all: readonly T[],
    input: { NextToken?: string | undefined; MaxResults?: number | undefined },
    most: number,
  ) => {
    const size = input.MaxResults ?? most;
    if (!(size >= 1 && size <= most)) {
      throw invalid(
        `1 validation error detected: Value '${size}' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and ${most}`,
      );
    }
    return page(
      all,
      input.NextToken,
      size,
      () => new AwsFault('InvalidNextToken', 'The token is not valid.'),
    );
  };
  /** The parameter whose tags an operation is about. */
  const tagged = (type: string | undefined, id: string | undefined) => {
    const parameter = type === 'Parameter' ? parameters.get(nameOf(id ?? '')) : undefined;
    if (!parameter) {
      throw new AwsFault(
        'InvalidResourceId',
        `There is no ${type} ${id}: the local engine has parameters only.`,
      );
    }
    return parameter;
  };
  const arns = (names: ReadonlyArray<string | undefined>) => names.map((name) => arnOf(nameOf(name ?? '')));
  /** The parameter of that name, in the version that the name's selector asks for. */
  const find = (nameOrArn: string) => {
    const { selector } = split(nameOrArn);
    const latest = parameters.get(nameOf(nameOrArn));
    if (!latest) throw new AwsFault('ParameterNotFound', `Parameter ${nameOrArn} not found.`);
    if (selector === undefined) return { parameter: latest };
    const parameter =
      selector === String(latest.version) ? latest : earlier.get(`${latest.name}:${selector}`);
    if (!parameter) {
      throw new AwsFault(
        'ParameterVersionNotFound',
        /^\d+$/.test(selector)
          ? `Systems Manager could not find version ${selector} of ${latest.name}.`
          : `Systems Manager could not find version ${selector} of ${latest.name}: the local engine does not support labels, only version numbers.`,
      );
    }
    return { parameter, selector };
  };
  const found = (nameOrArn: string) => {
    try {
      return find(nameOrArn);
    } catch (error) {
      if (error instanceof AwsFault && /^Parameter.*NotFound$/.test(error.code)) return undefined;
      throw error;
    }
  };

  return {
    name: 'ssm',
    operations: {
      GetParameter: {
        resources: (input) => arns([input.Name]),
        run: (input) => ({ Parameter: shown(find(input.Name ?? '')) }),
      },
      GetParameters: {
        resources: (input) => arns(input.Names ?? []),
        run: (input) => {
          const names = input.Names ?? [];
          if (names.length > NAMES_MAX) {
            throw invalid(
              `1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length less than or equal to ${NAMES_MAX}`,
            );
          }
          const results = names.map(found);
          return {
            Parameters: results.filter((result) => result !== undefined).map(shown),
            InvalidParameters: names.filter((_, index) => results[index] === undefined),
          };
        },
      },
      PutParameter: {
        resources: (input) => arns([input.Name]),
        run: (input) => {
          const name = nameOf(input.Name ?? '');
          if (!/^[\w./-]+$/.test(input.Name ?? '')) {
            throw invalid(
              `The parameter name ${input.Name} is invalid: it may hold letters, digits and the symbols . - _ /.`,
            );
          }
          // https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
          if (/^\/?(aws|ssm)/i.test(name)) {
            throw invalid(`The parameter name ${name} is reserved: it begins with "aws" or "ssm".`);
          }
          if (input.Overwrite && (input.Tags ?? []).length > 0) {
            throw invalid("Invalid request: tags and overwrite can't be used together.");
          }
          for (const member of ['Policies'] as const) {
            if (input[member] !== undefined && input[member] !== '') {
              throw invalid(`${member}: the local engine does not act upon them; leave them out.`);
            }
          }
          const existing = parameters.get(name);
          if (existing && !input.Overwrite) {
            throw new AwsFault(
              'ParameterAlreadyExists',
              'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
            );
          }
          if (!existing && input.Type === undefined) {
            throw invalid('A parameter type is required when you create a parameter.');
          }
          if (input.Value === undefined || input.Value === '') {
            throw invalid('The parameter value must not be empty.');
          }
          const long = Buffer.byteLength(input.Value) > 4096;
          const wanted = input.Tier ?? existing?.tier ?? 'Standard';
          const tier = wanted === 'Intelligent-Tiering' ? (long ? 'Advanced' : 'Standard') : wanted;
          if (long && tier === 'Standard') {
            throw invalid('Standard tier parameters support a maximum value of 4096 characters.');
          }
          if (existing?.tier === 'Advanced' && tier === 'Standard') {
            throw invalid(
              'A parameter of the Advanced tier cannot become one of the Standard tier: delete it first.',
            );
          }
          const allowedPattern = input.AllowedPattern ?? existing?.allowedPattern;
          if (allowedPattern !== undefined && matchesWithin(allowedPattern, input.Value) !== true) {
            throw new AwsFault(
              'ParameterPatternMismatchException',
              `Parameter value, cannot be validated against allowedPattern: ${allowedPattern}`,
            );
          }
          if (existing) {
            earlier.put(`${name}:${existing.version}`, existing);
            earlier.delete(`${name}:${existing.version + 1 - VERSIONS_MAX}`);
          }
          const parameter = parameters.put(name, {
            name,
            type: input.Type ?? existing!.type,
            value: input.Value,
            version: (existing?.version ?? 0) + 1,
            description: input.Description ?? existing?.description,
            modifiedAtMs: engine.clock.nowMs(),
            tier,
            dataType: input.DataType ?? existing?.dataType ?? 'text',
            allowedPattern,
            tags: existing?.tags ?? tagsOf(input.Tags),
          });
          return { Version: parameter.version, Tier: tier as 'Standard' | 'Advanced' };
        },
      },
      DeleteParameter: {
        resources: (input) => arns([input.Name]),
        run: (input) => {
          const { parameter, selector } = find(input.Name ?? '');
          if (selector !== undefined) throw invalid('A single version of a parameter cannot be deleted.');
          const { name, version } = parameter;
          parameters.delete(name);
          for (let past = version - 1; past > 0 && past > version - VERSIONS_MAX; past--) {
            earlier.delete(`${name}:${past}`);
          }
          return {};
        },
      },
      GetParametersByPath: {
        resources: (input) => arns([input.Path]),
        run: (input) => {
          const prefix = (input.Path ?? '/').replace(/\/?$/, '/');
          const below = [...parameters.values()].filter(
            ({ name }) =>
              name.startsWith(prefix) && (input.Recursive || !name.slice(prefix.length).includes('/')),
          );
          const { items, next } = paged(
            below.filter(parameterFilter(input.ParameterFilters ?? [])),
            input,
            PATH_PAGE_MAX,
          );
          return { Parameters: items.map((parameter) => shown({ parameter })), NextToken: next };
        },
      },
      DescribeParameters: {
        run: (input) => {
          const filters = input.ParameterFilters ?? [];
          if (filters.length > 0 && (input.Filters ?? []).length > 0) {
            throw invalid('You can use either Filters or ParameterFilters in a single request.');
          }
          // The older form of a filter by name means names that begin so.
          const older = (input.Filters ?? []).map(({ Key, Values }) =>
            Key === 'Name' ? { Key, Option: 'BeginsWith', Values } : { Key, Values },
          );
          const passed = [...parameters.values()].filter(parameterFilter([...filters, ...older]));
          const { items, next } = paged(passed, input, PAGE_MAX);
          return {
            Parameters: items.map((parameter) => ({
              Name: parameter.name,
              ARN: arnOf(parameter.name),
              Type: parameter.type,
              Description: parameter.description,
              AllowedPattern: parameter.allowedPattern,
              Version: parameter.version,
              Tier: (parameter.tier ?? 'Standard') as 'Standard' | 'Advanced',
              DataType: parameter.dataType ?? 'text',
              Policies: [],
              LastModifiedDate: new Date(parameter.modifiedAtMs),
            })),
            NextToken: next,
          };
        },
      },
      AddTagsToResource: {
        resources: (input) => arns([input.ResourceId]),
        run: (input) => {
          const parameter = tagged(input.ResourceType, input.ResourceId);
          parameters.put(parameter.name, {
            ...parameter,
            tags: { ...parameter.tags, ...tagsOf(input.Tags) },
          });
          return {};
        },
      },
      RemoveTagsFromResource: {
        resources: (input) => arns([input.ResourceId]),
        run: (input) => {
          const parameter = tagged(input.ResourceType, input.ResourceId);
          const tags = Object.entries(parameter.tags ?? {}).filter(([key]) => !input.TagKeys?.includes(key));
          parameters.put(parameter.name, { ...parameter, tags: Object.fromEntries(tags) });
          return {};
        },
      },
      ListTagsForResource: {
        resources: (input) => arns([input.ResourceId]),
        run: (input) => ({
          TagList: Object.entries(tagged(input.ResourceType, input.ResourceId).tags ?? {}).map(
            ([Key, Value]) => ({ Key, Value }),
          ),
        }),
      },
    },
  };
}

function invalid(message: string): AwsFault {
  return new AwsFault('ValidationException', message);
}

function tagsOf(tags: ReadonlyArray<{ Key: string | undefined; Value: string | undefined }> | undefined) {
  return Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? '']));
}
