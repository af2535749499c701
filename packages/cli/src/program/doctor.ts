import type { DoctorOptions } from '../commands/doctor.ts';
import { collect } from './arguments.ts';
import type { Cli, Common } from './cli.ts';

export function doctorCommand({ command, context, exitWith }: Cli): void {
  command(
    'doctor',
    'check whether your AWS account and this machine are ready for a first deployment; changes nothing',
  )
    .option(
      '--cdk-app <command>',
      'command that synthesizes your CDK app (default: the one that comes with queue-canary)',
    )
    .option('-c, --context <name=value>', 'context for the CDK app, as for deploy; repeatable', collect, [])
    .option('--json', 'as JSON')
    .action(async (options: Common & DoctorOptions) => {
      const { doctor } = await import('../commands/doctor.ts');
      exitWith(await doctor(await context(options), options));
    });
}
