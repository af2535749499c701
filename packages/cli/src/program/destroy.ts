import type { Cli, Common } from './cli.ts';

export function destroyCommand({ command, context, world }: Cli): void {
  command('destroy', 'remove both stacks; asks first')
    .option('--yes', 'do not ask')
    .action(async (options: Common & { yes?: boolean }) => {
      const { destroy } = await import('../commands/destroy.ts');
      await destroy(await context(options), { yes: options.yes ?? false, ask: world.ask });
    });
}
