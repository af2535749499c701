import { existsSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { LambdaError } from '../protocol.ts';

export type Handler = (
  event: unknown,
  context: unknown,
  callback: (error: unknown, result?: unknown) => void,
) => unknown;

/** Why a function's code cannot be used; carries Lambda's own name for the case. */
export class InitError extends Error {
  readonly detail: LambdaError;

  constructor(detail: LambdaError) {
    super(detail.errorMessage);
    this.name = 'InitError';
    this.detail = detail;
  }
}

/**
 * Lets the function import the AWS SDK without bringing it, as on Lambda, where the runtime holds it: what the
 * bundle does not resolve itself is resolved from the engine's own dependencies.
 */
export function provideAwsSdk(engineUrl: string): void {
  const engineRequire = createRequire(engineUrl);
  let fallingBack = false;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const provided = specifier.startsWith('@aws-sdk/') || specifier.startsWith('@smithy/');
      if (!provided || fallingBack) return nextResolve(specifier, context);
      try {
        return nextResolve(specifier, context);
      } catch (error) {
        if (!isMissingModule(error)) throw error;
        fallingBack = true;
        try {
          // `require` starts from the calling module, whatever the context says; `import` does not.
          // Node 22 gives the conditions as a set.
          return [...context.conditions].includes('require')
            ? { url: pathToFileURL(engineRequire.resolve(specifier)).href, shortCircuit: true }
            : nextResolve(specifier, { ...context, parentURL: engineUrl });
        } catch {
          throw error;
        } finally {
          fallingBack = false;
        }
      }
    },
  });
}

/** Loads `file.export` from the code directory, whether the file is CommonJS or an ES module. */
export async function loadHandler(taskRoot: string, name: string): Promise<Handler> {
  const match = /^([^.]+)\.(.+)$/.exec(basename(name));
  if (match === null || name.includes('..')) {
    throw new InitError({
      errorType: 'Runtime.MalformedHandlerName',
      errorMessage: `Bad handler ${name}: it must be FILE.FUNCTION.`,
    });
  }
  const stem = join(taskRoot, dirname(name), match[1]!);
  const file = ['.js', '.mjs', '.cjs']
    .map((extension) => stem + extension)
    .find((candidate) => existsSync(candidate));
  if (file === undefined) {
    throw new InitError({
      errorType: 'Runtime.ImportModuleError',
      errorMessage: `Error: Cannot find module '${match[1]}'`,
    });
  }
  const found = member(await importModule(file), match[2]!);
  if (typeof found !== 'function') {
    throw new InitError({
      errorType: 'Runtime.HandlerNotFound',
      errorMessage: `${name} is undefined or not exported`,
    });
  }
  return found as Handler;
}

/** The error as Lambda reports it. */
export function describeError(error: unknown): LambdaError {
  if (error instanceof InitError) return error.detail;
  if (error instanceof Error) {
    return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

async function importModule(file: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(file).href);
  } catch (error) {
    const described = describeError(error);
    const [firstLine = ''] = described.errorMessage.split('\n');
    if (isMissingModule(error))
      throw new InitError({
        ...described,
        errorType: 'Runtime.ImportModuleError',
        errorMessage: `Error: ${firstLine}`,
      });
    if (error instanceof SyntaxError)
      throw new InitError({
        ...described,
        errorType: 'Runtime.UserCodeSyntaxError',
        errorMessage: `SyntaxError: ${firstLine}`,
      });
    throw error;
  }
}

/** Exports of CommonJS files are also found on `default`, where those that static analysis misses are. */
function member(module: unknown, path: string): unknown {
  const names = path.split('.');
  return walk(module, names) ?? walk(walk(module, ['default']), names);
}

function walk(start: unknown, names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined,
    start,
  );
}

function isMissingModule(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND')
  );
}
