import type { ParseArgsConfig } from 'node:util';
import { parseArgs } from 'node:util';
import { UserError } from '../../../errors.ts';
import type { ImageReference } from '../../oci/image-reference.ts';
import { parseImageReference } from '../../oci/image-reference.ts';

/** A command line that is wrong, or asks for what is not there. */
export class UsageError extends UserError {
  constructor(message: string) {
    super('Usage', message);
  }
}

export function requireReference(name: string): ImageReference {
  const reference = parseImageReference(name);
  if (reference === undefined)
    throw new UserError('InvalidReference', `"${name}" is not a valid image name; it must be lower case.`);
  return reference;
}

/** The options and arguments of a command, between so many and so many arguments. */
export function parse<const Options extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  args: readonly string[],
  options: Options,
  [least, most]: readonly [number, number],
) {
  const parsed = parseOrExplain(command, args, options);
  const count = parsed.positionals.length;
  if (count < least || count > most) {
    throw new UsageError(
      `${command} takes ${least === most ? least : `${least} or more`} argument${least === 1 && most === 1 ? '' : 's'}, not ${count}.`,
    );
  }
  return parsed;
}

function parseOrExplain<const Options extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const [unknown] = /'-[^']*'/.exec(error instanceof Error ? error.message : '') ?? [];
    throw new UsageError(
      unknown === undefined
        ? `${command}: ${error instanceof Error ? error.message : String(error)}`
        : `${command} does not support ${unknown} without a container engine.`,
    );
  }
}
