import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { UserError } from '../errors.ts';
import { isBusy, stateFailure } from './state-failure.ts';

/** For how long another claimant may be in the middle of saying who it is. */
const PATIENCE_MS = 1_000;

/**
 * Claims a state directory for this process. A second engine on the same directory is refused.
 *
 * The claim is SQLite's write lock on a file of its own, which the operating system takes from a process that ends,
 * however it ends: nothing is ever left behind that somebody would have to remove.
 */
export function lockStateDirectory(directory: string): { release(): void } {
  const path = join(directory, 'engine.owner');
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: PATIENCE_MS });
    claim(db);
    // Only what is committed can be read by who is refused. Who comes in between is the owner, and this one is not.
    db.exec(`PRAGMA user_version = ${process.pid}; COMMIT`);
    claim(db);
  } catch (error) {
    const owner = isBusy(error) ? ownerOf(db) : undefined;
    db?.close();
    if (!isBusy(error)) throw stateFailure(path, error);
    throw new UserError(
      'EngineRunning',
      `another engine${owner === undefined ? '' : ` (process ${owner})`} uses ${directory}: stop it first, or choose another directory with --state`,
    );
  }
  const owned = db;
  return { release: () => owned.close() };
}

function claim(db: DatabaseSync): void {
  db.exec('PRAGMA busy_timeout = 0; BEGIN IMMEDIATE');
}

function ownerOf(db: DatabaseSync | undefined): number | undefined {
  try {
    db?.exec(`PRAGMA busy_timeout = ${PATIENCE_MS}`);
    return Number(db?.prepare('PRAGMA user_version').get()?.user_version) || undefined;
  } catch {
    return undefined;
  }
}
