import { matchesWithin } from '../../bounded-match.ts';
import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { tagMap } from '../../iam/tags.ts';
import type { Input } from '../../sdk/services.ts';
import { parameterFilter } from './parameter-filters.ts';
import { type FoundParameter, invalid, type ParameterStore } from './parameter-store.ts';

const NAMES_MAX = 10;
const PAGE_MAX = 50;
/** A page of GetParametersByPath holds at most ten. */
const PATH_PAGE_MAX = 10;

/** Versions of a parameter that can be read, the latest included, as on AWS. */
const VERSIONS_MAX = 100;

/** Parameters, written, read and listed. */
export function parameterOperations(engine: Engine, store: ParameterStore) {
  return {
    GetParameter: {
      resources: (input) => store.arnsOf([input.Name]),
      run: (input) => ({ Parameter: shown(store, store.find(input.Name ?? '')) }),
    },
    GetParameters: {
      resources: (input) => store.arnsOf(input.Names ?? []),
      run: (input) => {
        const names = input.Names ?? [];
        if (names.length > NAMES_MAX) {
          throw invalid(
            `1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length less than or equal to ${NAMES_MAX}`,
          );
        }
        const results = names.map((name) => store.findIfAny(name));
        return {
          Parameters: results.filter((result) => result !== undefined).map((result) => shown(store, result)),
          InvalidParameters: names.filter((_, index) => results[index] === undefined),
        };
      },
    },
    PutParameter: {
      resources: (input) => store.arnsOf([input.Name]),
      run: (input) => putParameter(engine, store, input),
    },
    DeleteParameter: {
      resources: (input) => store.arnsOf([input.Name]),
      run: (input) => {
        const { parameter, selector } = store.find(input.Name ?? '');
        if (selector !== undefined) throw invalid('A single version of a parameter cannot be deleted.');
        const { name, version } = parameter;
        store.parameters.delete(name);
        for (let past = version - 1; past > 0 && past > version - VERSIONS_MAX; past--) {
          store.earlier.delete(`${name}:${past}`);
        }
        return {};
      },
    },
    GetParametersByPath: {
      resources: (input) => store.arnsOf([input.Path]),
      run: (input) => {
        const prefix = (input.Path ?? '/').replace(/\/?$/, '/');
        const below = [...store.parameters.values()].filter(
          ({ name }) =>
            name.startsWith(prefix) && (input.Recursive || !name.slice(prefix.length).includes('/')),
        );
        const { items, next } = paged(
          below.filter(parameterFilter(input.ParameterFilters ?? [])),
          input,
          PATH_PAGE_MAX,
        );
        return { Parameters: items.map((parameter) => shown(store, { parameter })), NextToken: next };
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
        const passed = [...store.parameters.values()].filter(parameterFilter([...filters, ...older]));
        const { items, next } = paged(passed, input, PAGE_MAX);
        return {
          Parameters: items.map((parameter) => ({
            Name: parameter.name,
            ARN: store.arnOf(parameter.name),
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
  } satisfies OperationTable<'ssm'>;
}

function putParameter(engine: Engine, store: ParameterStore, input: Input<'ssm', 'PutParameter'>) {
  const name = store.nameOf(input.Name ?? '');
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
  const existing = store.parameters.get(name);
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
    store.earlier.put(`${name}:${existing.version}`, existing);
    store.earlier.delete(`${name}:${existing.version + 1 - VERSIONS_MAX}`);
  }
  const parameter = store.parameters.put(name, {
    name,
    type: input.Type ?? existing!.type,
    value: input.Value,
    version: (existing?.version ?? 0) + 1,
    description: input.Description ?? existing?.description,
    modifiedAtMs: engine.clock.nowMs(),
    tier,
    dataType: input.DataType ?? existing?.dataType ?? 'text',
    allowedPattern,
    tags: existing?.tags ?? tagMap(input.Tags),
  });
  return { Version: parameter.version, Tier: tier as 'Standard' | 'Advanced' };
}

function shown(store: ParameterStore, { parameter, selector }: FoundParameter) {
  return {
    Name: parameter.name,
    Type: parameter.type,
    Value: parameter.value,
    Version: parameter.version,
    ...(selector === undefined ? {} : { Selector: `:${selector}` }),
    ARN: store.arnOf(parameter.name),
    LastModifiedDate: new Date(parameter.modifiedAtMs),
    DataType: parameter.dataType ?? 'text',
  };
}

function paged<T>(
  all: readonly T[],
  input: { NextToken?: string | undefined; MaxResults?: number | undefined },
  most: number,
) {
  const size = input.MaxResults ?? most;
  if (!(size >= 1 && size <= most)) {
    throw invalid(
      `1 validation error detected: Value '${size}' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and ${most}`,
    );
  }
  return page(all, input.NextToken, size, () => new AwsFault('InvalidNextToken', 'The token is not valid.'));
}
