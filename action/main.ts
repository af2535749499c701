import { appendFileSync } from 'node:fs';
import { SystemClock } from '@queue-canary/engine';
import { interruption } from '../packages/cli/src/interruption.ts';
import { runAction } from './run-action.ts';

process.exitCode = await runAction({
  environment: process.env,
  clock: new SystemClock(),
  signal: interruption(),
  print: (line) => process.stdout.write(`${line}\n`),
  append: appendFileSync,
});
