import type { Cli, Common } from './cli.ts';

type VerdictFlags = Common & { summary: string; token?: string };

export function releaseCommand({ program, command, context, world }: Cli): void {
  const release = program.command('release').description('show the release');
  command('status', 'show where the release is and why', release)
    .option('--json', 'as JSON')
    .action(async (options: Common & { json?: boolean }) => {
      const { releaseStatus } = await import('../commands/release.ts');
      await releaseStatus(await context(options), options.json ?? false);
    });
  command('watch', 'follow the release until Ctrl-C', release).action(async (options: Common) => {
    const { releaseWatch } = await import('../commands/release.ts');
    await releaseWatch(await context(options));
  });

  const verdict = (name: string, description: string, summary: string, answer: 'Approved' | 'Rejected') =>
    command(name, description)
      .option('--summary <text>', 'why, for the record', summary)
      .option('--token <token>', 'token of the approval to answer; refused if another approval is pending')
      .action(async (options: VerdictFlags) => {
        const { answerApproval } = await import('../commands/release.ts');
        await answerApproval(await context(options), answer, options);
        world.print(answer.toLowerCase());
      });
  verdict('approve', 'promote the canary to the stable service', 'approved with queue-canary', 'Approved');
  verdict(
    'reject',
    'end the release and restore the last good version',
    'rejected with queue-canary',
    'Rejected',
  );

  command('rollback', 'restore the last good version on both services')
    .option('--reason <text>', 'why, for the record', 'rolled back with queue-canary')
    .action(async (options: Common & { reason: string }) => {
      const { rollback } = await import('../commands/release.ts');
      world.print(await rollback(await context(options), options.reason));
    });
}
