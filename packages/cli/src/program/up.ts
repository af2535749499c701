import type { UpOptions } from '../commands/up.ts';
import { factor, notEmpty, region, seed, wholeNumber } from './arguments.ts';
import { type Cli, USUAL_STATE } from './cli.ts';

export function upCommand({ program, world }: Cli): void {
  program
    .command('up')
    .description('run the local engine until Ctrl-C')
    .option('--state <directory>', 'state directory; it keeps everything', notEmpty, USUAL_STATE)
    .option(
      '--port <port>',
      'port on 127.0.0.1 (default: the last one, or 4580; 0: any free port the first time)',
      wholeNumber(0, 65_535),
    )
    .option('--pace <factor>', "divide AWS's own latencies by this", factor, 1)
    .addOption(seed())
    .option('--region <region>', 'region of the engine (default: the last one, or us-east-1)', region)
    .action(async (options: UpOptions) => {
      const { up } = await import('../commands/up.ts');
      const engine = await up(options, world.clock, world.terminal);
      await aborted(world.signal);
      world.terminal.line('stopping…');
      await engine.close();
      world.terminal.line('stopped; nothing is left running');
    });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
