import type { CalibrateOptions } from '../commands/calibrate.ts';
import { notEmpty, wholeNumber } from './arguments.ts';
import type { Cli, Common } from './cli.ts';

export function calibrateCommand({ command, context }: Cli): void {
  command(
    'calibrate',
    "replay stable's log as releases that never happened, and recommend settings for the judge",
  )
    .option('--days <number>', 'how far back', wholeNumber(1, 20), 7)
    .option(
      '--policy <file>',
      "policy to judge by: JSON of a release policy, or of the judge's settings that differ from the deployed ones",
      notEmpty,
    )
    .option('--json', 'as JSON')
    .action(async (options: Common & CalibrateOptions) => {
      const { calibrateHistory } = await import('../commands/calibrate.ts');
      await calibrateHistory(await context(options), options);
    });
}
