import { readdirSync, readFileSync } from 'node:fs';

/** What the processes of one group have used. */
export interface GroupUsage {
  /** CPU time since the processes began, in seconds. */
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
}

/** Linux counts CPU time in hundredths of a second for user space, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

/**
 * CPU and memory of process groups by the id of their leader, read from /proc in one pass. Empty where there
 * is no /proc: then nothing is known, and nothing is reported.
 */
export function readGroupUsage(leaders: ReadonlySet<number>): ReadonlyMap<number, GroupUsage> {
  const usage = new Map<number, GroupUsage>();
  if (leaders.size === 0) return usage;
  for (const entry of list('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = read(`/proc/${entry}/stat`);
    // The command name may contain spaces and parentheses; the numbered fields follow the last one.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
    const leader = Number(fields[2]);
    if (!leaders.has(leader)) continue;
    const before = usage.get(leader) ?? { cpuSeconds: 0, memoryBytes: 0 };
    usage.set(leader, {
      cpuSeconds: before.cpuSeconds + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      memoryBytes: before.memoryBytes + Number(fields[21]) * PAGE_BYTES,
    });
  }
  return usage;
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Undefined for a process that has ended since it was listed. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
