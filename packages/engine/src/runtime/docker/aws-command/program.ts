import { buffer } from 'node:stream/consumers';
import { runAwsCommand } from './aws-command.ts';

/** Composition root of the engine's `aws`. */
process.exitCode = await runAwsCommand(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  version: '0.1.0',
  print: (line) => process.stdout.write(`${line}\n`),
  warn: (line) => process.stderr.write(`${line}\n`),
  write: (bytes) => process.stdout.write(bytes),
  readInput: () => buffer(process.stdin),
});
