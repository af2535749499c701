import { createInterface } from 'node:readline/promises';
import { SystemClock } from '@queue-canary/engine';
import { interruption } from './interruption.ts';
import { createProgram } from './program.ts';
import { createTerminal } from './terminal.ts';
import { CliError, explain } from './user-error.ts';

const terminal = createTerminal(process.stderr);
const interrupted = interruption();
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads our output has gone, as in `queue-canary logs | head`.
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const program = createProgram({
  clock: new SystemClock(),
  terminal,
  print: (text) => process.stdout.write(`${text}\n`),
  environment: process.env,
  signal: interrupted,
  ask: async (question) => {
    if (!process.stdin.isTTY) {
      throw new CliError('there is no terminal to ask on: add --yes to go on without being asked');
    }
    const reader = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await reader.question(question, { signal: interrupted });
    } finally {
      reader.close();
    }
  },
});

try {
  process.exitCode = await program(process.argv.slice(2));
} catch (error) {
  terminal.line(`${terminal.style('bad', 'error:')} ${explain(error)}`);
  process.exitCode = interrupted.aborted ? 130 : 1;
}
