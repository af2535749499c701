import type { Cli, Common } from './cli.ts';

export function pushCommand({ command, context, world }: Cli): void {
  command('push', 'push a directory to the repository with git: a push to main starts a release')
    .argument('<directory>', "your worker's directory")
    .option(
      '-m, --message <text>',
      'commit message for a directory that is not a git repository',
      'Release the worker',
    )
    .action(async (directory: string, options: Common & { message: string }) => {
      const { push } = await import('../commands/push.ts');
      world.print(await push(await context(options), directory, options.message));
    });
}
