import { Option } from 'commander';
import type { CostOptions } from '../commands/cost.ts';
import { notNegative, positive, wholeNumber } from './arguments.ts';
import type { Cli } from './cli.ts';

export function costCommand({ program, world }: Cli): void {
  program
    .command('cost')
    .description('print the monthly cost on AWS at list prices, line by line, compared with the AWS sample')
    .addHelpText(
      'after',
      "\nOptions that are not given take the app's defaults, at the workload of the AWS sample.",
    )
    .option('--canary-tasks <number>', 'canary tasks', wholeNumber(0, 1000))
    .option('--stable-tasks <number>', 'stable tasks on average', wholeNumber(0, 100_000))
    .option('--vcpu <number>', 'vCPU per task', positive)
    .option('--gb <number>', 'GB of memory per task', positive)
    .addOption(new Option('--architecture <name>', 'architecture of the tasks').choices(['arm64', 'x86_64']))
    .option('--spot', "stable's tasks beyond the first on Fargate Spot")
    .option('--no-spot', 'all tasks on demand')
    .option('--nat-gateways <number>', 'NAT gateways', wholeNumber(0, 10))
    .option('--container-insights', 'with Container Insights')
    .option('--messages <number>', 'messages per month', wholeNumber(0, 1e12))
    .option('--releases <number>', 'releases per month', wholeNumber(0, 100_000))
    .option(
      '--bake-minutes <number>',
      'minutes until a release is decided, at most decideWithinMinutes',
      notNegative,
    )
    .option('--watch-minutes <number>', 'minutes it is watched after the promotion', notNegative)
    .option('--approval-hours <number>', 'hours until a person approves', notNegative)
    .option('--internet-gb <number>', 'GB per month sent to the internet', notNegative)
    .option('--no-builds', 'images that your own CI builds')
    .option('--json', 'as JSON')
    .action(async (options: CostOptions) => {
      const { cost } = await import('../commands/cost.ts');
      for (const text of cost(options)) world.print(text);
    });
}
