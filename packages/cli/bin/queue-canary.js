#!/usr/bin/env -S node --conditions=@queue-canary/source
// JavaScript on purpose: with the compile cache on before the first TypeScript file is loaded, types are
// stripped once and not at every start, which halves the start and saves the stripper's memory.
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/queue-canary', import.meta.url)));
await import('../src/command-line.ts');
