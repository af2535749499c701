import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic-file.ts';
import { killCgroup, removeCgroup } from './cgroups.ts';
import { processIdentity } from './process-identity.ts';

interface Entry {
  readonly pid: number;
  readonly identity: string;
  readonly cgroups: readonly string[];
}

/**
 * On-disk list of the processes that the engine has started, so that the next engine on the same state
 * directory can end what a killed one left.
 */
export class ProcessLedger {
  readonly #directory: string;

  constructor(stateDirectory: string) {
    this.#directory = ledgerDirectory(stateDirectory);
    mkdirSync(this.#directory, { recursive: true });
  }

  /** Records a process group by its leader. `id` is unique among running processes. */
  record(id: string, pid: number, cgroups: readonly string[]): void {
    const identity = processIdentity(pid);
    if (identity === undefined) return;
    const entry: Entry = { pid, identity, cgroups };
    writeFileAtomic(this.#path(id), JSON.stringify(entry), 'write');
  }

  forget(id: string): void {
    rmSync(this.#path(id), { force: true });
  }

  #path(id: string): string {
    return join(this.#directory, `${encodeURIComponent(id)}.json`);
  }
}

/** One process group that a previous engine left running, and that was killed. */
export interface ReapedOrphan {
  readonly id: string;
  readonly pid: number;
}

/**
 * Kills what an earlier engine on this state directory left running, and clears its records.
 *
 * Usually there is nothing: processes die with the engine. A recorded process is killed only when it is still
 * the same one, by its start time; a process id that was given to someone else is left alone.
 */
export function reapOrphans(stateDirectory: string): ReapedOrphan[] {
  const directory = ledgerDirectory(stateDirectory);
  mkdirSync(directory, { recursive: true });
  const reaped: ReapedOrphan[] = [];
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const entry = name.endsWith('.json') ? readEntry(path) : undefined;
    if (entry !== undefined) {
      for (const cgroup of entry.cgroups) killCgroup(cgroup);
      if (processIdentity(entry.pid) === entry.identity) {
        killGroup(entry.pid);
        reaped.push({ id: decodeURIComponent(name.slice(0, -'.json'.length)), pid: entry.pid });
      }
      for (const cgroup of entry.cgroups) removeWhenEmpty(cgroup);
    }
    rmSync(path, { force: true });
  }
  return reaped;
}

/** Waits for the kernel to end the killed processes: some milliseconds, at most a fifth of a second. */
function removeWhenEmpty(cgroup: string): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; attempt < 20 && !removeCgroup(cgroup); attempt++) Atomics.wait(never, 0, 0, 10);
}

/** Sends SIGKILL to every process of the group; one that has gone is no error. */
export function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function ledgerDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'processes');
}

/** An unreadable record can only be a half-written one of a crashed file system; it names nothing to kill. */
function readEntry(path: string): Entry | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<Entry>;
    if (typeof value.pid !== 'number' || value.pid <= 1 || typeof value.identity !== 'string')
      return undefined;
    return { pid: value.pid, identity: value.identity, cgroups: value.cgroups ?? [] };
  } catch {
    return undefined;
  }
}
