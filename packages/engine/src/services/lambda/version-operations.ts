import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { functionArn, readReference } from './function-reference.ts';
import { invalidParameter } from './function-settings.ts';
import type { Functions } from './functions.ts';
import { invalidMarker, pageSize } from './listing.ts';
import type { LambdaStore } from './store.ts';
import { shownFunction } from './views.ts';

/** Versions of functions. */
export function versionOperations(
  engine: Engine,
  { store, functions }: { store: LambdaStore; functions: Functions },
) {
  const named = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) =>
    readReference(engine, input.FunctionName, input.Qualifier);
  const arnOf = (input: { FunctionName?: string | undefined }) => [
    functionArn(engine, named({ FunctionName: input.FunctionName }).name),
  ];

  return {
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
          throw invalidParameter('PublishTo: not supported by the local engine; leave it out.');
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
  } satisfies OperationTable<'lambda'>;
}
