import { Option } from 'commander';
import type { EnvOptions } from '../commands/env.ts';
import { notEmpty } from './arguments.ts';
import { type Cli, USUAL_STATE } from './cli.ts';

export function envCommand({ program, world }: Cli): void {
  program
    .command('env')
    .description(
      'print environment variables that point other tools to the local engine, for a shell to evaluate',
    )
    .option('--state <directory>', 'state directory of the engine', notEmpty, USUAL_STATE)
    .addOption(
      new Option('--shell <name>', 'shell to print for; sh includes bash and zsh')
        .choices(['sh', 'fish', 'csh', 'tcsh'])
        .default('sh'),
    )
    .option('--json', 'as JSON; null means that the variable must be unset')
    .action(async (options: EnvOptions) => {
      const { env } = await import('../commands/env.ts');
      await env(options, world);
    });
}
