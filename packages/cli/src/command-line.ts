import { createInterface } from 'node:readline/promises';
import { SystemClock } from '@queue-canary/engine';
import { createProgram } from './program.ts';
import { createTerminal } from './terminal.ts';
import { CliError, explain } from './user-error.ts';

const terminal = createTerminal(process.stderr);
const interrupted = new AbortController();
let presses = 0;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    presses += 1;
    if (presses === 1) interrupted.abort();
    else process.exit(130);
  });
}
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
  signal: interrupted.signal,
  ask: async (question) => {
    if (!process.stdin.isTTY) {
      throw new CliError('there is no terminal to ask on: add --yes if you mean it');
    }
    const reader = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await reader.question(question, { signal: interrupted.signal });
    } finally {
      reader.close();
    }
  },
});

try {
  process.exitCode = await program(process.argv.slice(2));
} catch (error) {
  terminal.line(`${terminal.style('bad', 'error:')} ${explain(error)}`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
