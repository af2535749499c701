import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../errors.ts';

const OTHERS = 0o077;

/**
 * Makes the state directory, or takes one that is there, so that its owner alone may look into it: it holds the account's
 * keys. One that is open to others is closed if it is empty or the engine's already; a directory with something else in
 * it is left as it is and refused, since closing it could break what it is for.
 */
export function openStateDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UserError(
      'StateUnusable',
      `${directory} cannot be made (${(error as Error).message}): choose another directory with --state`,
      { cause: error },
    );
  }
  const { uid, mode } = statSync(directory);
  if (process.getuid !== undefined && uid !== process.getuid()) {
    throw new UserError(
      'StateOfAnother',
      `${directory} belongs to another user, who could read the keys in it: choose a directory of your own with --state`,
    );
  }
  if ((mode & OTHERS) === 0) return;
  const names = readdirSync(directory);
  if (!names.includes('engine.db') && !names.every((name) => name.startsWith('engine.'))) {
    throw new UserError(
      'StateOpen',
      `${directory} is open to other users of this machine and holds other files: choose an empty directory with --state, or close it with "chmod 700 ${directory}"`,
    );
  }
  chmodSync(directory, 0o700);
}

/** Takes what others may do from everything at the top of the state directory. */
export function closeToOthers(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) chmodSync(path, 0o700);
    else if (entry.isFile()) chmodSync(path, 0o600);
  }
}
