import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Clock, Timer } from '../../clock/clock.ts';

interface Watched {
  readonly limitBytes: number;
  readonly onExceeded: () => void;
}

const INTERVAL_MS = 500;
const LINUX_PAGE_BYTES = 4096;

/**
 * Watches the memory of process groups where the kernel cannot be asked to limit it.
 *
 * Looks twice a second, so a group may exceed its limit for that long. On Linux only memory that is not shared
 * with files counts, which comes close to what a control group charges.
 */
export class MemoryPoll {
  readonly #clock: Clock;
  readonly #groups = new Map<number, Watched>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `onExceeded` once when the group uses more than the limit. Returns the function that ends the watch. */
  watch(group: number, limitBytes: number, onExceeded: () => void): () => void {
    this.#groups.set(group, { limitBytes, onExceeded });
    this.#arm();
    return () => {
      this.#groups.delete(group);
      if (this.#groups.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  #arm(): void {
    this.#timer ??= this.#clock.setTimer(INTERVAL_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    const usage = process.platform === 'linux' ? await linuxUsage() : await psUsage();
    this.#timer = undefined;
    for (const [group, { limitBytes, onExceeded }] of [...this.#groups]) {
      if ((usage.get(group) ?? 0) <= limitBytes) continue;
      this.#groups.delete(group);
      onExceeded();
    }
    if (this.#groups.size > 0) this.#arm();
  }
}

async function linuxUsage(): Promise<Map<number, number>> {
  const usage = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = await readFile(`/proc/${name}/stat`, 'utf8');
      const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
      const [, resident, shared] = (await readFile(`/proc/${name}/statm`, 'utf8')).split(' ').map(Number);
      usage.set(group, (usage.get(group) ?? 0) + (resident! - shared!) * LINUX_PAGE_BYTES);
    } catch {
      // The process ended between being listed and being read.
    }
  }
  return usage;
}

async function psUsage(): Promise<Map<number, number>> {
  const { stdout } = await promisify(execFile)('ps', ['-axo', 'pgid=,rss=']);
  const usage = new Map<number, number>();
  for (const line of stdout.split('\n')) {
    const [group, kilobytes] = line.trim().split(/\s+/).map(Number);
    if (group !== undefined && kilobytes !== undefined)
      usage.set(group, (usage.get(group) ?? 0) + kilobytes * 1024);
  }
  return usage;
}
