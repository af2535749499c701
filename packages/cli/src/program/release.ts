import { CliError } from '../user-error.ts';
import { notEmpty } from './arguments.ts';
import type { Cli, Common } from './cli.ts';
import { EXIT_STATUSES } from './exit-statuses.ts';

type VerdictFlags = Common & { summary: string; token?: string };

const exitStatuses = [
  '',
  'Exit status with --wait and --until-done:',
  ...EXIT_STATUSES.map(([status, meaning]) => `  ${String(status).padEnd(4)} ${meaning}`),
].join('\n');

export function releaseCommand({ program, command, context, world, exitWith }: Cli): void {
  const release = program.command('release').description('start, show and follow releases');
  command('start', 'release an image, or the newest commit again', release)
    .option(
      '--image <uri>',
      'the image, as REPOSITORY@sha256:... or REPOSITORY:TAG, where your own CI pushes the images',
      notEmpty,
    )
    .option('--wait', 'follow the release until it is decided or a person is asked')
    .option('--json', 'the execution as JSON, or with --wait what became of it')
    .addHelpText('after', exitStatuses)
    .action(async (options: Common & { image?: string; wait?: boolean; json?: boolean }) => {
      const { releaseStart } = await import('../commands/release-start.ts');
      exitWith(await releaseStart(await context(options), options));
    });
  command('status', 'show where the release is and why', release)
    .option('--json', 'as JSON')
    .action(async (options: Common & { json?: boolean }) => {
      const { releaseStatus } = await import('../commands/release.ts');
      await releaseStatus(await context(options), options.json ?? false);
    });
  command('watch', 'follow the release until Ctrl-C', release)
    .option('--until-done', 'follow the newest release until it is decided or a person is asked')
    .option('--json', 'with --until-done, what became of it as JSON')
    .addHelpText('after', exitStatuses)
    .action(async (options: Common & { untilDone?: boolean; json?: boolean }) => {
      const { untilDone = false, json = false } = options;
      if (json && !untilDone)
        throw new CliError(
          '--json is for --until-done: "queue-canary release status --json" shows the present state',
        );
      if (untilDone) {
        const { reportOutcome } = await import('../commands/release-follow.ts');
        exitWith(await reportOutcome(await context(options), {}, json));
        return;
      }
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
