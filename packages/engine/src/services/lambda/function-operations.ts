import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Runtimes } from '../../runtime/lambda/runtimes.ts';
import { pointsTo } from './alias-operations.ts';
import type { CodeStore } from './code-store.ts';
import { functionArn, readReference } from './function-reference.ts';
import { checkArchitectures, invalidParameter, mergeSettings } from './function-settings.ts';
import type { Functions } from './functions.ts';
import { assumeExecutionRole } from './role-sessions.ts';
import { LATEST, type LambdaStore } from './store.ts';
import { shownFunction } from './views.ts';

const LARGEST_PAGE = 50;

/** Creating, changing, showing and deleting functions and their versions. */
export function functionOperations(
  engine: Engine,
  {
    store,
    functions,
    code,
    runtimes,
  }: { store: LambdaStore; functions: Functions; code: CodeStore; runtimes: Pick<Runtimes, 'refusal'> },
) {
  const requireRuntime = async (runtime: string) => {
    const refusal = await runtimes.refusal(runtime);
    if (refusal !== undefined) throw invalidParameter(`Runtime: ${refusal}`);
  };
  const named = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) =>
    readReference(engine, input.FunctionName, input.Qualifier);
  const arnOf = (input: { FunctionName?: string | undefined }) => [
    functionArn(engine, named({ FunctionName: input.FunctionName }).name),
  ];
  const passes = ({ Role }: { Role?: string | undefined }) =>
    Role === undefined ? [] : [{ roleArn: Role, service: 'lambda.amazonaws.com' }];
  const invalidMarker = () => invalidParameter('Marker: not a marker of this listing.');
  const pageSize = (maxItems: number | undefined) => Math.min(maxItems ?? LARGEST_PAGE, LARGEST_PAGE);
  const tagged = (arn: string | undefined) => functions.find(readReference(engine, arn)).name;

  /** A version that an alias needs is kept. */
  const refuseUsed = (name: string, qualifier: string) => {
    const aliases = store
      .aliasesOf(name)
      .filter((alias) => alias.name === qualifier || pointsTo(alias, qualifier));
    if (aliases.length === 0) return;
    throw new AwsFault(
      'ResourceConflictException',
      `Version ${qualifier} of function ${name} is referenced by aliases: ${aliases.map((alias) => alias.name).join(', ')}`,
      409,
    );
  };

  return {
    CreateFunction: {
      resources: arnOf,
      actions: (input) => [
        'lambda:CreateFunction',
        ...(Object.keys(input.Tags ?? {}).length > 0 ? ['lambda:TagResource'] : []),
      ],
      passesRoles: passes,
      run: async (input, { principal }) => {
        const { name } = named(input);
        const refuseExisting = () => {
          if (!store.functions.has(`${name}:${LATEST}`)) return;
          throw new AwsFault('ResourceConflictException', `Function already exist: ${name}`, 409);
        };
        refuseExisting();
        if (input.PackageType === 'Image') {
          throw invalidParameter('PackageType: the local engine runs functions from zip files only.');
        }
        const settings = mergeSettings(input, undefined);
        await requireRuntime(settings.runtime);
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
      },
    },
    UpdateFunctionCode: {
      resources: arnOf,
      run: async (input, { principal }) => {
        const { name } = named(input);
        functions.checkRevision(input.RevisionId, functions.find({ name, qualifier: undefined }).revisionId);
        if (input.PublishTo !== undefined) {
          throw invalidParameter('PublishTo: not supported by the local engine.');
        }
        const zip = await functions.zipOf(principal, input);
        const before = functions.find({ name, qualifier: undefined });
        functions.checkRevision(input.RevisionId, before.revisionId);
        const architectures = input.Architectures
          ? checkArchitectures(input.Architectures)
          : before.architectures;
        if (input.DryRun) {
          return shownFunction(engine, { ...before, architectures, code: code.inspect(zip).code });
        }
        const fn = functions.put({ ...before, architectures, code: code.put(zip) });
        engine.journal.append('lambda', 'function.updated', { functionName: name, what: 'code' });
        return shownFunction(engine, input.Publish ? functions.publish(fn, undefined) : fn);
      },
    },
    UpdateFunctionConfiguration: {
      resources: arnOf,
      passesRoles: passes,
      run: async (input) => {
        const { name } = named(input);
        if (input.Runtime !== undefined) await requireRuntime(input.Runtime);
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
    ListVersionsByFunction: {
      resources: arnOf,
      run: (input) => {
        const { name } = functions.find({ ...named(input), qualifier: undefined });
        const { items, next } = page(
          store.versionsOf(name),
          input.Marker,
          pageSize(input.MaxItems),
          invalidMarker,
        );
        return { Versions: items.map((fn) => shownFunction(engine, fn, fn.version)), NextMarker: next };
      },
    },
    PublishVersion: {
      resources: arnOf,
      run: (input) => {
        const fn = functions.find({ ...named(input), qualifier: undefined });
        functions.checkRevision(input.RevisionId, fn.revisionId);
        if (input.PublishTo !== undefined) {
          throw invalidParameter('PublishTo: not supported by the local engine.');
        }
        const { CodeSha256 } = shownFunction(engine, fn);
        if (input.CodeSha256 !== undefined && input.CodeSha256 !== CodeSha256) {
          throw invalidParameter(
            `CodeSHA256 (${input.CodeSha256}) is different from current CodeSHA256 in $LATEST (${CodeSha256}). Please try again with the CodeSHA256 in $LATEST.`,
          );
        }
        return shownFunction(engine, functions.publish(fn, input.Description));
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
        if (qualifier !== undefined) refuseUsed(name, qualifier);
        functions.remove(name, qualifier);
        engine.journal.append('lambda', 'function.deleted', {
          functionName: name,
          ...(qualifier === undefined ? {} : { version: qualifier }),
        });
        return { StatusCode: 204 };
      },
    },
    TagResource: {
      resources: ({ Resource }) => [Resource ?? ''],
      run: ({ Resource, Tags }) => {
        const name = tagged(Resource);
        functions.putExtras(name, { tags: { ...functions.extras(name).tags, ...Tags } });
        return {};
      },
    },
    UntagResource: {
      resources: ({ Resource }) => [Resource ?? ''],
      run: ({ Resource, TagKeys }) => {
        const name = tagged(Resource);
        const kept = Object.entries(functions.extras(name).tags).filter(([key]) => !TagKeys?.includes(key));
        functions.putExtras(name, { tags: Object.fromEntries(kept) });
        return {};
      },
    },
    ListTags: {
      resources: ({ Resource }) => [Resource ?? ''],
      run: ({ Resource }) => ({ Tags: { ...functions.extras(tagged(Resource)).tags } }),
    },
  } satisfies OperationTable<'lambda'>;
}
