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

/** Systems Manager Parameter Store: plain parameters with versions. History is not kept. */
export function createSsm(engine: Engine): Service<'ssm'> {
  const parameters = engine.state.table<StoredParameter>('ssm.parameters');

  const nameOf = (nameOrArn: string) => {
    const match = /^arn:aws:ssm:[^:]*:[^:]*:parameter(\/?.*)$/.exec(nameOrArn);
    const name = match ? match[1]! : nameOrArn;
    return parameters.has(name) || !name.startsWith('/') || name.lastIndexOf('/') > 0 ? name : name.slice(1);
  };
  const arnOf = (name: string) =>
    `arn:aws:ssm:${engine.region}:${engine.accountId}:parameter${name.startsWith('/') ? '' : '/'}${name}`;
  const shown = (parameter: StoredParameter) => ({
    Name: parameter.name,
    Type: parameter.type,
    Value: parameter.value,
    Version: parameter.version,
    ARN: arnOf(parameter.name),
    LastModifiedDate: new Date(parameter.modifiedAtMs),
    DataType: 'text',
  });
  const arns = (names: ReadonlyArray<string | undefined>) => names.map((name) => arnOf(nameOf(name ?? '')));
  const find = (name: string) => {
    const parameter = parameters.get(nameOf(name));
    if (!parameter) throw new AwsFault('ParameterNotFound', `Parameter ${name} not found.`);
    return parameter;
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
          const found = names.map((name) => parameters.get(nameOf(name)));
          return {
            Parameters: found.filter((parameter) => parameter !== undefined).map(shown),
            InvalidParameters: names.filter((_, index) => found[index] === undefined),
          };
        },
      },
      PutParameter: {
        resources: (input) => arns([input.Name]),
        run: (input) => {
          const name = nameOf(input.Name ?? '');
          const existing = parameters.get(name);
          if (existing && !input.Overwrite) {
            throw new AwsFault(
              'ParameterAlreadyExists',
              'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
            );
          }
          if (!existing && input.Type === undefined) {
            throw new AwsFault(
              'ValidationException',
              'A parameter type is required when you create a parameter.',
            );
          }
          if (input.Value === undefined || input.Value === '') {
            throw new AwsFault('ValidationException', 'The parameter value must not be empty.');
          }
          if (Buffer.byteLength(input.Value) > 4096 && input.Tier !== 'Advanced') {
            throw new AwsFault(
              'ValidationException',
              'Standard tier parameters support a maximum value of 4096 characters.',
            );
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
          parameters.delete(find(input.Name ?? '').name);
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
          return { Parameters: below.map(shown) };
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
