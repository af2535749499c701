import { dirname } from 'node:path';
import { UserError } from '../errors.ts';

/** SQLite's result codes, without their extensions: https://sqlite.org/rescode.html */
const BUSY = 5;
const READ_ONLY = 8;
const INPUT_OUTPUT = 10;
const CORRUPT = 11;
const FULL = 13;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;
const FAILURES = [READ_ONLY, INPUT_OUTPUT, CORRUPT, FULL, CANNOT_OPEN, NOT_A_DATABASE];

/** Whether another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  return resultCode(error) === BUSY;
}

/** Whether the disk or the file is at fault, and not the statement. */
export function isStateFailure(error: unknown): boolean {
  return FAILURES.includes(resultCode(error) ?? 0);
}

/** Why the state cannot be read or written, where it is, and the way out. */
export function stateFailure(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const code = resultCode(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (code === FULL || (error as NodeJS.ErrnoException).code === 'ENOSPC') {
    return new UserError(
      'DiskFull',
      `the disk of ${path} is full: make room and start the engine again; everything that was acknowledged is kept`,
      { cause: error },
    );
  }
  if (code === CORRUPT || code === NOT_A_DATABASE || error instanceof SyntaxError) {
    return new UserError(
      'StateDamaged',
      `${path} is damaged (${reason}): put back a copy of ${dirname(path)} if there is one, or remove that directory to begin with nothing`,
      { cause: error },
    );
  }
  return new UserError(
    'StateUnusable',
    `${path} cannot be used (${reason}): see to it that you may write there, or choose another directory with --state`,
    { cause: error },
  );
}

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined;
  return error.errcode & 0xff;
}
