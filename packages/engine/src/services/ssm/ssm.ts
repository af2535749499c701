import type { Engine, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';

interface StoredParameter {
  readonly name: string;
  readonly type: 'String' | 'StringList' | 'SecureString';
  readonly value: string;
  readonly version: number;
  readonly description: string | undefined;
  readonly modifiedAtMs: number;
}

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
    DataType: 'text',
  });
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
          if (Buffer.byteLength(input.Value) > 4096 && input.Tier !== 'Advanced') {
            throw invalid('Standard tier parameters support a maximum value of 4096 characters.');
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
          });
          return { Version: parameter.version, Tier: 'Standard' };
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
          return { Parameters: below.map((parameter) => shown({ parameter })) };
        },
      },
      DescribeParameters: {
        run: () => ({
          Parameters: [...parameters.values()].map(({ name, type, version, modifiedAtMs }) => ({
            Name: name,
            Type: type,
            Version: version,
            LastModifiedDate: new Date(modifiedAtMs),
          })),
        }),
      },
      AddTagsToResource: { run: () => ({}) },
      RemoveTagsFromResource: { run: () => ({}) },
      ListTagsForResource: { run: () => ({ TagList: [] }) },
    },
  };
}

function invalid(message: string): AwsFault {
  return new AwsFault('ValidationException', message);
}
