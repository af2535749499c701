#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
// Node 22 warns of its SQLite at each start; the engine is tested with it.
// JavaScript on purpose: with the compile cache on before the first TypeScript file is loaded, types are
// stripped once and not at every start, which halves the start and saves the stripper's memory.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `error: queue-canary needs Node 22.18 or later, and this is ${process.version}: install a later one (https://nodejs.org); in a checkout "npx queue-canary" or an npm script brings it`,
  );
  process.exit(1);
}
// By the variable, what the command starts (CDK and its app, tools of builds, functions) finds the cache too.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache', import.meta.url));
module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
if (existsSync(new URL('../src', import.meta.url))) {
  // A checkout, whose packages are found as sources: nothing has to be built.
  module.registerHooks({
    resolve: (specifier, context, next) =>
      next(
        specifier,
        /^(#|@queue-canary\/)/.test(specifier)
          ? { ...context, conditions: ['@queue-canary/source', ...context.conditions] }
          : context,
      ),
  });
}
await import('#command-line');
