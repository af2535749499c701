import type { SampleOptions } from '../commands/sample.ts';
import { positive, rate, wholeNumber } from './arguments.ts';
import type { Cli } from './cli.ts';

export function sampleCommand({ program, world }: Cli): void {
  program
    .command('sample')
    .description('compute how many messages, and how much time, a good version needs to pass')
    .requiredOption('--rate <number>', 'messages per second of both tracks together', positive)
    .option('--share <part>', "the canary's share of them", rate, 0.25)
    .option('--failures <part>', 'share of the messages that a good version fails', rate, 0.001)
    .option(
      '--margin <part>',
      'how many more failures than stable must be excluded, as a share of the messages',
      rate,
      0.02,
    )
    .option(
      '--false-promotions <part>',
      'probability of passing a version that is worse by the margin',
      rate,
      0.05,
    )
    .option('--within <minutes>', 'minutes available', wholeNumber(1, 720), 60)
    .option('--json', 'as JSON')
    .action(async (options: SampleOptions) => {
      const { sample } = await import('../commands/sample.ts');
      world.print(sample(options));
    });
}
