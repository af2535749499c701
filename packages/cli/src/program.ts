import type { Clock } from '@queue-canary/engine';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { CalibrateOptions } from './commands/calibrate.ts';
import type { CostOptions } from './commands/cost.ts';
import type { DoctorOptions } from './commands/doctor.ts';
import type { EnvOptions } from './commands/env.ts';
import type { LogSource } from './commands/logs.ts';
import type { SampleOptions } from './commands/sample.ts';
import type { UpOptions } from './commands/up.ts';
import type { Context } from './context.ts';
import type { DemoOptions } from './demo/demo-options.ts';
import { resolveTarget } from './target.ts';
import type { Terminal } from './terminal.ts';

/** What the program gets from the outside world. */
export interface World {
  readonly clock: Clock;
  readonly terminal: Terminal;
  readonly print: (text: string) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly ask: (question: string) => Promise<string>;
}

interface Common {
  /** Absent unless the user named one. */
  readonly state?: string;
  readonly appName: string;
  readonly aws?: boolean;
}

const USUAL_STATE = '.queue-canary';

const LOG_SOURCES: readonly LogSource[] = ['canary', 'stable', 'controller', 'build'];

/**
 * The `queue-canary` command; resolves with the exit status.
 *
 * Each command loads its own modules when it runs: the engine needs none of the SDK clients that the others
 * take, and the others need no engine.
 */
export function createProgram(world: World): (args: readonly string[]) => Promise<number> {
  let status = 0;
  const program = createCommand(world, (code) => {
    status = code;
  });
  return async (args) => {
    try {
      await program.parseAsync([...args], { from: 'user' });
    } catch (error) {
      if (error instanceof CommanderError) return error.exitCode;
      throw error;
    }
    return status;
  };
}

/** The command with its subcommands and options. `exitWith` takes the exit status of an action that has one. */
export function createCommand(world: World, exitWith: (status: number) => void): Command {
  const program = new Command('queue-canary')
    .description('Canary releases for queue workers on Amazon ECS, here or on AWS.')
    .version('0.1.0')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.print(text.trimEnd()),
      writeErr: (text) => world.terminal.line(text.trimEnd()),
    })
    .showHelpAfterError('(queue-canary --help lists all commands)');

  const command = (name: string, description: string, parent: Command = program) =>
    parent
      .command(name)
      .description(description)
      .addOption(
        new Option(
          '--state <directory>',
          'state directory of the local engine (default: .queue-canary)',
        ).argParser(notEmpty),
      )
      .option('--app-name <name>', 'name of the application', appName, 'QueueCanary')
      .option('--aws', 'use your AWS account even if this directory has a local engine');

  const context = async (options: Common): Promise<Context> => {
    const { createClients } = await import('./clients.ts');
    const { state = USUAL_STATE, aws = false } = options;
    const target = await resolveTarget(
      { state, stateNamed: options.state !== undefined, aws },
      world.environment,
    );
    world.terminal.line(world.terminal.style('quiet', `target: ${target.description}`));
    return { ...world, target, clients: createClients(target), app: options.appName };
  };

  program
    .command('up')
    .description('run the local engine until Ctrl-C')
    .option('--state <directory>', 'state directory; it keeps everything', notEmpty, USUAL_STATE)
    .option(
      '--port <port>',
      'port on 127.0.0.1 (default: the last one, or 4580; 0: any free port the first time)',
      wholeNumber(0, 65_535),
    )
    .option('--pace <factor>', "divide AWS's own latencies by this", factor, 1)
    .addOption(seed())
    .option('--region <region>', 'region of the engine (default: the last one, or us-east-1)', region)
    .action(async (options: UpOptions) => {
      const { up } = await import('./commands/up.ts');
      const engine = await up(options, world.clock, world.terminal);
      await aborted(world.signal);
      world.terminal.line('stopping…');
      await engine.close();
      world.terminal.line('stopped; nothing is left running');
    });

  program
    .command('env')
    .description(
      'print environment variables that point other tools to the local engine, for a shell to evaluate',
    )
    .option('--state <directory>', 'state directory of the engine', notEmpty, USUAL_STATE)
    .addOption(
      new Option('--shell <name>', 'shell to print for; sh includes bash and zsh')
        .choices(['sh', 'fish', 'csh', 'tcsh'])
        .default('sh'),
    )
    .option('--json', 'as JSON; null means that the variable must be unset')
    .action(async (options: EnvOptions) => {
      const { env } = await import('./commands/env.ts');
      await env(options, world);
    });

  const deployCommand = (name: string, description: string, parent?: Command) =>
    command(name, description, parent)
      .option(
        '--cdk-app <command>',
        'command that synthesizes your CDK app (default: the one that comes with queue-canary)',
      )
      .option('-c, --context <name=value>', 'context for the CDK app; repeatable', collect, [])
      .option('--yes', 'on AWS, do not ask before changes that broaden permissions');
  type DeployFlags = Common & { cdkApp?: string; context: string[]; yes?: boolean };
  const deploy = program.command('deploy').description('deploy the stacks with cdk deploy');
  deployCommand(
    'image',
    'deploy the image stack: source repository, image repository and build',
    deploy,
  ).action(async (options: DeployFlags) => {
    const { deployImage } = await import('./commands/deploy.ts');
    await deployImage(await context(options), options);
  });
  deployCommand(
    'pipeline',
    'deploy the pipeline stack: queue, services, pipeline and controller; builds the first image before that',
    deploy,
  ).action(async (options: DeployFlags) => {
    const { deployPipeline } = await import('./commands/deploy.ts');
    await deployPipeline(await context(options), options);
  });

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
      const { doctor } = await import('./commands/doctor.ts');
      exitWith(await doctor(await context(options), options));
    });

  command('push', 'push a directory to the repository with git: a push to main starts a release')
    .argument('<directory>', "your worker's directory")
    .option(
      '-m, --message <text>',
      'commit message for a directory that is not a git repository',
      'Release the worker',
    )
    .action(async (directory: string, options: Common & { message: string }) => {
      const { push } = await import('./commands/push.ts');
      world.print(await push(await context(options), directory, options.message));
    });

  command('send', 'send messages to the queue')
    .option('--count <number>', 'how many', wholeNumber(1, 10_000_000), 100)
    .option('--rate <number>', 'messages per second; 0 is as fast as possible', wholeNumber(0, 100_000), 0)
    .option('--body <text>', 'body; {n} is the number of the message', 'Test message {n}')
    .action(async (options: Common & { count: number; rate: number; body: string }) => {
      const { send } = await import('./commands/send.ts');
      world.print(`sent ${await send(await context(options), options)}`);
    });

  const release = program.command('release').description('show the release');
  command('status', 'show where the release is and why', release)
    .option('--json', 'as JSON')
    .action(async (options: Common & { json?: boolean }) => {
      const { releaseStatus } = await import('./commands/release.ts');
      await releaseStatus(await context(options), options.json ?? false);
    });
  command('watch', 'follow the release until Ctrl-C', release).action(async (options: Common) => {
    const { releaseWatch } = await import('./commands/release.ts');
    await releaseWatch(await context(options));
  });

  type VerdictFlags = Common & { summary: string; token?: string };
  const verdict = (name: string, description: string, summary: string, answer: 'Approved' | 'Rejected') =>
    command(name, description)
      .option('--summary <text>', 'why, for the record', summary)
      .option('--token <token>', 'token of the approval to answer; refused if another approval is pending')
      .action(async (options: VerdictFlags) => {
        const { answerApproval } = await import('./commands/release.ts');
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
      const { rollback } = await import('./commands/release.ts');
      world.print(await rollback(await context(options), options.reason));
    });

  command('logs', 'print logs')
    .addArgument(logSource())
    .option('-f, --follow', 'go on until Ctrl-C')
    .option('--since <minutes>', 'how far back', wholeNumber(1, 100_000), 60)
    .option('--raw', 'the messages exactly as they were written, for other programs')
    .action(
      async (source: LogSource, options: Common & { follow?: boolean; since: number; raw?: boolean }) => {
        const { logs } = await import('./commands/logs.ts');
        await logs(await context(options), source, {
          follow: options.follow ?? false,
          sinceMs: options.since * 60_000,
          raw: options.raw ?? false,
        });
      },
    );

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
      const { calibrateHistory } = await import('./commands/calibrate.ts');
      await calibrateHistory(await context(options), options);
    });

  command('destroy', 'remove both stacks; asks first')
    .option('--yes', 'do not ask')
    .action(async (options: Common & { yes?: boolean }) => {
      const { destroy } = await import('./commands/destroy.ts');
      await destroy(await context(options), { yes: options.yes ?? false, ask: world.ask });
    });

  program
    .command('iam')
    .description('show which permissions the roles used on the local engine, and which calls were refused')
    .option('--state <directory>', 'state directory of an engine, running or stopped', notEmpty, USUAL_STATE)
    .option('--json', 'as JSON')
    .action(async (options: { state: string; json?: boolean }) => {
      const { iam } = await import('./commands/iam.ts');
      for (const text of iam(options)) world.print(text);
    });

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
    .option('--json', 'as JSON')
    .action(async (options: CostOptions) => {
      const { cost } = await import('./commands/cost.ts');
      for (const text of cost(options)) world.print(text);
    });

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
      const { sample } = await import('./commands/sample.ts');
      world.print(sample(options));
    });

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
      const { demo } = await import('./demo/demo.ts');
      exitWith(await demo(world, { json: false, keep: false, ...options }));
    });

  return program;
}

function seed() {
  return new Option(
    '--seed <number>',
    'seed of varying latencies and approximate counts (default: a new one each time)',
  ).argParser(wholeNumber(1, 999_999));
}

function logSource() {
  return new Command().createArgument('<source>', LOG_SOURCES.join(', ')).choices([...LOG_SOURCES]);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function notEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}

function region(text: string): string {
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(text)) {
    throw new InvalidArgumentError('It must be the name of a region, such as eu-central-1.');
  }
  return text;
}

function appName(text: string): string {
  if (!/^[A-Za-z][A-Za-z0-9-]{0,39}$/.test(text)) {
    throw new InvalidArgumentError('It must be a letter, then up to 39 letters, digits or -.');
  }
  return text;
}

function collect(value: string, before: string[]): string[] {
  if (!/^[^=]+=/.test(value)) throw new InvalidArgumentError('It must have the form name=value.');
  return [...before, value];
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

function rate(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 1)) throw new InvalidArgumentError('It must be a number from 0, below 1.');
  return value;
}

function factor(text: string): number {
  const value = Number(text);
  if (!(value >= 1 && value <= 1000)) throw new InvalidArgumentError('It must be a number from 1 to 1000.');
  return value;
}

function notNegative(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1e6))
    throw new InvalidArgumentError('It must be a number from 0 to 1000000.');
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1000))
    throw new InvalidArgumentError('It must be a number above 0, at most 1000.');
  return value;
}
