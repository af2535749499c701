import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Runtimes } from '../../runtime/lambda/runtimes.ts';
import type { Input } from '../../sdk/services.ts';
import { pointsTo } from './alias-operations.ts';
import type { CodeStore } from './code-store.ts';
import { functionArn, readReference } from './function-reference.ts';
import { checkArchitectures, invalidParameter, mergeSettings } from './function-settings.ts';
import type { Functions } from './functions.ts';
import { invalidMarker, pageSize } from './listing.ts';
import { assumeExecutionRole } from './role-sessions.ts';
import { LATEST, type LambdaStore } from './store.ts';
import { shownFunction } from './views.ts';

interface FunctionParts {
  readonly store: LambdaStore;
  readonly functions: Functions;
  readonly code: CodeStore;
  readonly runtimes: Pick<Runtimes, 'refusal'>;
}

/** Functions: created, changed, shown and deleted. */
export function functionOperations(engine: Engine, parts: FunctionParts) {
  const { store, functions, runtimes } = parts;
  const named = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) =>
    readReference(engine, input.FunctionName, input.Qualifier);
  const arnOf = (input: { FunctionName?: string | undefined }) => [
    functionArn(engine, named({ FunctionName: input.FunctionName }).name),
  ];
  const passes = ({ Role }: { Role?: string | undefined }) =>
    Role === undefined ? [] : [{ roleArn: Role, service: 'lambda.amazonaws.com' }];

  return {
    CreateFunction: {
      resources: arnOf,
      actions: (input) => [
        'lambda:CreateFunction',
        ...(Object.keys(input.Tags ?? {}).length > 0 ? ['lambda:TagResource'] : []),
      ],
      passesRoles: passes,
      run: (input, { principal }) => createFunction(engine, parts, input, principal),
    },
    UpdateFunctionCode: {
      resources: arnOf,
      run: (input, { principal }) => updateCode(engine, parts, input, principal),
    },
    UpdateFunctionConfiguration: {
      resources: arnOf,
      passesRoles: passes,
      run: async (input) => {
        const { name } = named(input);
        if (input.Runtime !== undefined) await requireRuntime(runtimes, input.Runtime);
        const before = functions.find({ name, qualifier: undefined });
        functions.checkRevision(input.RevisionId, before.revisionId);
        const settings = mergeSettings(input, before.settings);
        assumeExecutionRole(engine, settings.role, name);
        const fn = functions.put({ ...before, settings });
        engine.journal.append('lambda', 'function.updated', { functionName: name, what: 'configuration' });
        return shownFunction(engine, fn);
      },
    },
    GetFunction: {
      resources: arnOf,
      run: (input) => {
        const reference = named(input);
        const fn = functions.find(reference);
        const { tags, reservedConcurrency } = functions.extras(fn.name);
        return {
          Configuration: shownFunction(engine, fn, reference.qualifier),
          Code: { RepositoryType: 'S3' },
          ...(Object.keys(tags).length > 0 ? { Tags: { ...tags } } : {}),
          ...(reservedConcurrency === undefined
            ? {}
            : { Concurrency: { ReservedConcurrentExecutions: reservedConcurrency } }),
        };
      },
    },
    GetFunctionConfiguration: {
      resources: arnOf,
      run: (input) => {
        const reference = named(input);
        return shownFunction(engine, functions.find(reference), reference.qualifier);
      },
    },
    ListFunctions: {
      run: (input) => {
        if (input.MasterRegion !== undefined) {
          throw invalidParameter('MasterRegion: the local engine has no functions of other regions.');
        }
        const all = [...store.functions.values()]
          .filter((fn) => input.FunctionVersion === 'ALL' || fn.version === LATEST)
          .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
        const { items, next } = page(all, input.Marker, pageSize(input.MaxItems), invalidMarker);
        return {
          Functions: items.map((fn) =>
            shownFunction(engine, fn, input.FunctionVersion === 'ALL' ? fn.version : undefined),
          ),
          NextMarker: next,
        };
      },
    },
    DeleteFunction: {
      resources: arnOf,
      run: (input) => {
        const { name, qualifier } = named(input);
        functions.find({ name, qualifier });
        if (qualifier === LATEST) {
          throw invalidParameter('$LATEST version cannot be deleted without deleting the function.');
        }
        if (qualifier !== undefined) refuseUsed(store, name, qualifier);
        functions.remove(name, qualifier);
        engine.journal.append('lambda', 'function.deleted', {
          functionName: name,
          ...(qualifier === undefined ? {} : { version: qualifier }),
        });
        return { StatusCode: 204 };
      },
    },
  } satisfies OperationTable<'lambda'>;
}

async function createFunction(
  engine: Engine,
  { store, functions, code, runtimes }: FunctionParts,
  input: Input<'lambda', 'CreateFunction'>,
  principal: Principal,
) {
  const { name } = readReference(engine, input.FunctionName);
  const refuseExisting = () => {
    if (!store.functions.has(`${name}:${LATEST}`)) return;
    throw new AwsFault('ResourceConflictException', `Function already exist: ${name}`, 409);
  };
  refuseExisting();
  if (input.PackageType === 'Image') {
    throw invalidParameter('PackageType: the local engine runs functions from zip files only.');
  }
  const settings = mergeSettings(input, undefined);
  await requireRuntime(runtimes, settings.runtime);
  const architectures = checkArchitectures(input.Architectures);
  assumeExecutionRole(engine, settings.role, name);
  const zip = await functions.zipOf(principal, input.Code ?? {});
  refuseExisting();
  const fn = functions.put({ name, version: LATEST, settings, architectures, code: code.put(zip) });
  functions.putExtras(name, { tags: input.Tags ?? {} });
  engine.journal.append('lambda', 'function.created', {
    functionName: name,
    runtime: settings.runtime,
    role: settings.role,
  });
  return shownFunction(engine, input.Publish ? functions.publish(fn, undefined) : fn);
}

async function updateCode(
  engine: Engine,
  { functions, code }: FunctionParts,
  input: Input<'lambda', 'UpdateFunctionCode'>,
  principal: Principal,
) {
  const { name } = readReference(engine, input.FunctionName);
  functions.checkRevision(input.RevisionId, functions.find({ name, qualifier: undefined }).revisionId);
  if (input.PublishTo !== undefined) {
    throw invalidParameter('PublishTo: not supported by the local engine; leave it out.');
  }
  const zip = await functions.zipOf(principal, input);
  const before = functions.find({ name, qualifier: undefined });
  functions.checkRevision(input.RevisionId, before.revisionId);
  const architectures = input.Architectures ? checkArchitectures(input.Architectures) : before.architectures;
  if (input.DryRun) {
    return shownFunction(engine, { ...before, architectures, code: code.inspect(zip).code });
  }
  const fn = functions.put({ ...before, architectures, code: code.put(zip) });
  engine.journal.append('lambda', 'function.updated', { functionName: name, what: 'code' });
  return shownFunction(engine, input.Publish ? functions.publish(fn, undefined) : fn);
}

async function requireRuntime(runtimes: Pick<Runtimes, 'refusal'>, runtime: string): Promise<void> {
  const refusal = await runtimes.refusal(runtime);
  if (refusal !== undefined) throw invalidParameter(`Runtime: ${refusal}`);
}

/** A version that an alias needs is kept. */
function refuseUsed(store: LambdaStore, name: string, qualifier: string): void {
  const aliases = store
    .aliasesOf(name)
    .filter((alias) => alias.name === qualifier || pointsTo(alias, qualifier));
  if (aliases.length === 0) return;
  throw new AwsFault(
    'ResourceConflictException',
    `Version ${qualifier} of function ${name} is referenced by aliases: ${aliases.map((alias) => alias.name).join(', ')}`,
    409,
  );
}
