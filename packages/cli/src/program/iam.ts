import { notEmpty } from './arguments.ts';
import { type Cli, USUAL_STATE } from './cli.ts';

export function iamCommand({ program, world }: Cli): void {
  program
    .command('iam')
    .description('show which permissions the roles used on the local engine, and which calls were refused')
    .option('--state <directory>', 'state directory of an engine, running or stopped', notEmpty, USUAL_STATE)
    .option('--json', 'as JSON')
    .action(async (options: { state: string; json?: boolean }) => {
      const { iam } = await import('../commands/iam.ts');
      for (const text of iam(options)) world.print(text);
    });
}
