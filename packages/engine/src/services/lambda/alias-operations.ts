import type { AliasConfiguration } from '@aws-sdk/client-lambda';
import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import { functionArn, readReference } from './function-reference.ts';
import { invalidParameter } from './function-settings.ts';
import type { Functions } from './functions.ts';
import { LATEST, type LambdaStore, type StoredAlias } from './store.ts';

const PAGE_MAX = 50;

interface AliasName {
  readonly FunctionName?: string | undefined;
  readonly Name?: string | undefined;
}

/** Names for versions of functions, and what part of the calls another version gets. */
export function aliasOperations(
  engine: Engine,
  { store, functions }: { store: LambdaStore; functions: Functions },
) {
  const named = (input: AliasName) => readReference(engine, input.FunctionName).name;
  const resources = (input: AliasName) => [functionArn(engine, named(input))];
  const aliasOf = (input: AliasName): StoredAlias => {
    const { name } = functions.find({ name: named(input), qualifier: undefined });
    const alias = store.aliases.get(`${name}:${input.Name}`);
    if (alias) return alias;
    throw new AwsFault(
      'ResourceNotFoundException',
      `Cannot find alias arn: ${functionArn(engine, name, input.Name)}`,
      404,
    );
  };
  const put = (alias: Omit<StoredAlias, 'revisionId'>): AliasConfiguration => {
    checkRouting(functions, alias);
    const stored = { ...alias, revisionId: engine.ids.uuid() };
    return shown(engine, store.aliases.put(`${alias.functionName}:${alias.name}`, stored));
  };

  return {
    CreateAlias: {
      resources,
      run: (input) => {
        const functionName = functions.find({ name: named(input), qualifier: undefined }).name;
        const name = input.Name ?? '';
        if (!/^(?!\d+$)[a-zA-Z0-9-_]{1,128}$/.test(name)) {
          throw invalidParameter(
            `Name: ${JSON.stringify(name)} must be 1 to 128 letters, digits, hyphens and underscores, and not only digits.`,
          );
        }
        if (store.aliases.has(`${functionName}:${name}`)) {
          throw new AwsFault(
            'ResourceConflictException',
            `Alias already exists: ${functionArn(engine, functionName, name)}`,
            409,
          );
        }
        return put({
          ...{
            functionName,
            name,
            version: input.FunctionVersion ?? '',
            description: input.Description ?? '',
          },
          weights: weightsOf(input),
        });
      },
    },
    UpdateAlias: {
      resources,
      run: (input) => {
        const alias = aliasOf(input);
        functions.checkRevision(input.RevisionId, alias.revisionId);
        return put({
          ...alias,
          version: input.FunctionVersion ?? alias.version,
          description: input.Description ?? alias.description,
          weights: input.RoutingConfig === undefined ? alias.weights : weightsOf(input),
        });
      },
    },
    GetAlias: { resources, run: (input) => shown(engine, aliasOf(input)) },
    ListAliases: {
      resources,
      run: (input) => {
        const { name } = functions.find({ name: named(input), qualifier: undefined });
        const aliases = store
          .aliasesOf(name)
          .filter((alias) => input.FunctionVersion === undefined || pointsTo(alias, input.FunctionVersion));
        const { items, next } = page(
          aliases,
          input.Marker,
          Math.min(input.MaxItems ?? PAGE_MAX, PAGE_MAX),
          () => invalidParameter('Marker: not a marker of this listing.'),
        );
        return { Aliases: items.map((alias) => shown(engine, alias)), NextMarker: next };
      },
    },
    DeleteAlias: {
      resources,
      run: (input) => {
        const { functionName, name } = aliasOf(input);
        store.removeAlias(functionName, name);
        return {};
      },
    },
  } satisfies OperationTable<'lambda'>;
}

/** Whether the alias leads to this version, wholly or in part. */
export function pointsTo(alias: StoredAlias, version: string): boolean {
  return alias.version === version || Object.hasOwn(alias.weights, version);
}

function weightsOf({ RoutingConfig }: Input<'lambda', 'UpdateAlias'>): Record<string, number> {
  return { ...RoutingConfig?.AdditionalVersionWeights } as Record<string, number>;
}

function checkRouting(functions: Functions, alias: Omit<StoredAlias, 'revisionId'>): void {
  const others = Object.entries(alias.weights);
  if (others.length > 1) throw invalidParameter('AdditionalVersionWeights: an alias has one other version.');
  for (const version of [alias.version, ...others.map(([other]) => other)]) {
    if (version !== LATEST && !/^\d+$/.test(version)) {
      throw invalidParameter(`FunctionVersion: ${JSON.stringify(version)} is not a version.`);
    }
    functions.find({ name: alias.functionName, qualifier: version });
  }
  for (const [version, weight] of others) {
    if (!(weight >= 0 && weight <= 1)) {
      throw invalidParameter(`AdditionalVersionWeights: ${weight} is not a weight from 0 to 1.`);
    }
    if (version === LATEST || alias.version === LATEST) {
      throw invalidParameter('$LATEST is not supported for an alias pointing to more than 1 version');
    }
  }
}

function shown(engine: Engine, alias: StoredAlias): AliasConfiguration {
  return {
    AliasArn: functionArn(engine, alias.functionName, alias.name),
    Name: alias.name,
    FunctionVersion: alias.version,
    Description: alias.description,
    RevisionId: alias.revisionId,
    ...(Object.keys(alias.weights).length === 0
      ? {}
      : { RoutingConfig: { AdditionalVersionWeights: { ...alias.weights } } }),
  };
}
