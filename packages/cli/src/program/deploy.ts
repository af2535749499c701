import type { Command } from 'commander';
import { collect } from './arguments.ts';
import type { Cli, Common } from './cli.ts';

type DeployFlags = Common & { cdkApp?: string; context: string[]; yes?: boolean };

export function deployCommand({ program, command, context }: Cli): void {
  const stackCommand = (name: string, description: string, parent?: Command) =>
    command(name, description, parent)
      .option(
        '--cdk-app <command>',
        'command that synthesizes your CDK app (default: the one that comes with queue-canary)',
      )
      .option('-c, --context <name=value>', 'context for the CDK app; repeatable', collect, [])
      .option('--yes', 'on AWS, do not ask before changes that broaden permissions');
  const deploy = program.command('deploy').description('deploy the stacks with cdk deploy');
  stackCommand(
    'image',
    'deploy the image stack: source repository, image repository and build',
    deploy,
  ).action(async (options: DeployFlags) => {
    const { deployImage } = await import('../commands/deploy.ts');
    await deployImage(await context(options), options);
  });
  stackCommand(
    'pipeline',
    'deploy the pipeline stack: queue, services, pipeline and controller; builds the first image before that',
    deploy,
  ).action(async (options: DeployFlags) => {
    const { deployPipeline } = await import('../commands/deploy.ts');
    await deployPipeline(await context(options), options);
  });
}
