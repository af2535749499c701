import { Command, CommanderError } from 'commander';
import { calibrateCommand } from './program/calibrate.ts';
import { createCli, type World } from './program/cli.ts';
import { costCommand } from './program/cost.ts';
import { demoCommand } from './program/demo.ts';
import { deployCommand } from './program/deploy.ts';
import { destroyCommand } from './program/destroy.ts';
import { doctorCommand } from './program/doctor.ts';
import { envCommand } from './program/env.ts';
import { iamCommand } from './program/iam.ts';
import { logsCommand } from './program/logs.ts';
import { pushCommand } from './program/push.ts';
import { releaseCommand } from './program/release.ts';
import { sampleCommand } from './program/sample.ts';
import { sendCommand } from './program/send.ts';
import { upCommand } from './program/up.ts';

/** In the order of the help. */
const COMMANDS = [
  upCommand,
  envCommand,
  deployCommand,
  doctorCommand,
  pushCommand,
  sendCommand,
  releaseCommand,
  logsCommand,
  calibrateCommand,
  destroyCommand,
  iamCommand,
  costCommand,
  sampleCommand,
  demoCommand,
];

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
  const cli = createCli(program, world, exitWith);
  for (const declare of COMMANDS) declare(cli);
  return program;
}
