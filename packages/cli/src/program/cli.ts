import type { Clock } from '@queue-canary/engine';
import { type Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { resolveTarget } from '../target.ts';
import type { Terminal } from '../terminal.ts';
import { appName, notEmpty } from './arguments.ts';

/** What the program gets from the outside world. */
export interface World {
  readonly clock: Clock;
  readonly terminal: Terminal;
  readonly print: (text: string) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly ask: (question: string) => Promise<string>;
}

/** The options of all commands that reach a target. */
export interface Common {
  /** Absent unless the user named one. */
  readonly state?: string;
  readonly appName: string;
  readonly aws?: boolean;
}

/** What each command is declared with. */
export interface Cli {
  readonly world: World;
  readonly program: Command;
  /** Declares a command that reaches a target, with the options for it. */
  readonly command: (name: string, description: string, parent?: Command) => Command;
  /** Resolves the target, prints it, and connects to it. */
  readonly context: (options: Common) => Promise<Context>;
  /** Takes the exit status of an action that has one. */
  readonly exitWith: (status: number) => void;
}

export const USUAL_STATE = '.queue-canary';

/** What the commands of `program` are declared with. */
export function createCli(program: Command, world: World, exitWith: (status: number) => void): Cli {
  const command: Cli['command'] = (name, description, parent = program) =>
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

  const context: Cli['context'] = async (options) => {
    const { createClients } = await import('../clients.ts');
    const { state = USUAL_STATE, aws = false } = options;
    const target = await resolveTarget(
      { state, stateNamed: options.state !== undefined, aws },
      world.environment,
    );
    world.terminal.line(world.terminal.style('quiet', `target: ${target.description}`));
    return { ...world, target, clients: createClients(target), app: options.appName };
  };

  return { world, program, command, context, exitWith };
}
