import { Command } from 'commander';
import type { LogSource } from '../commands/logs.ts';
import { wholeNumber } from './arguments.ts';
import type { Cli, Common } from './cli.ts';

const LOG_SOURCES: readonly LogSource[] = ['canary', 'stable', 'controller', 'build'];

export function logsCommand({ command, context }: Cli): void {
  command('logs', 'print logs')
    .addArgument(logSource())
    .option('-f, --follow', 'go on until Ctrl-C')
    .option('--since <minutes>', 'how far back', wholeNumber(1, 100_000), 60)
    .option('--raw', 'the messages exactly as they were written, for other programs')
    .action(
      async (source: LogSource, options: Common & { follow?: boolean; since: number; raw?: boolean }) => {
        const { logs } = await import('../commands/logs.ts');
        await logs(await context(options), source, {
          follow: options.follow ?? false,
          sinceMs: options.since * 60_000,
          raw: options.raw ?? false,
        });
      },
    );
}

function logSource() {
  return new Command().createArgument('<source>', LOG_SOURCES.join(', ')).choices([...LOG_SOURCES]);
}
