import { Option } from 'commander';
import type { DemoOptions } from '../demo/demo-options.ts';
import { factor, seed, wholeNumber } from './arguments.ts';
import type { Cli } from './cli.ts';

export function demoCommand({ program, world, exitWith }: Cli): void {
  program
    .command('demo')
    .description('play good and bad releases on this machine, from git push to promotion or rollback')
    .addOption(
      new Option('--approval <who>', 'who promotes: the judge (automatic) or a person (manual)')
        .choices(['automatic', 'manual'])
        .default('automatic'),
    )
    .option('--pace <factor>', "divide AWS's own latencies by this", factor, 20)
    .addOption(seed())
    .option('--rate <number>', 'messages per second', wholeNumber(1, 1000), 40)
    .option('--json', 'print the result as JSON on standard output')
    .option('--keep', 'leave the engine running')
    .option('--state <directory>', 'state directory (default: a new temporary one)')
    .action(async (options: Partial<DemoOptions> & Pick<DemoOptions, 'approval' | 'pace' | 'rate'>) => {
      const { demo } = await import('../demo/demo.ts');
      exitWith(await demo(world, { json: false, keep: false, ...options }));
    });
}
