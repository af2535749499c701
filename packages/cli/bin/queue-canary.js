#!/usr/bin/env -S node --conditions=@queue-canary/source
// JavaScript on purpose: with the compile cache on before the first TypeScript file is loaded, types are
// stripped once and not at every start, which halves the start and saves the stripper's memory.
import module from 'node:module';
import { fileURLToPath } from 'node:url';

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `error: queue-canary needs Node 24, and this is ${process.version}: use "npx queue-canary" or an npm script, which bring it`,
  );
  process.exit(1);
}
module.enableCompileCache(
  fileURLToPath(new URL('../../../node_modules/.cache/queue-canary', import.meta.url)),
);
await import('../src/command-line.ts');
