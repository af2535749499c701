import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../errors.ts';

/**
 * Claims a state directory for this process. A second engine on the same directory is refused; a lock left
 * behind by a killed engine is recognised by the process's start time and taken over.
 */
export function lockStateDirectory(directory: string): { release(): void } {
  const path = join(directory, 'engine.lock');
  const own = `${process.pid} ${startTime(process.pid) ?? '?'}\n`;
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(path, own, { flag: 'wx', mode: 0o600 });
      return { release: () => rmSync(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 3) throw error;
    }
    const [pid = '', started = ''] = existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ') : [];
    if (isRunning(Number(pid), started)) {
      throw new UserError(
        'EngineRunning',
        `another engine (process ${pid}) uses ${directory}: stop it first, or choose another directory with --state`,
      );
    }
    rmSync(path, { force: true });
  }
}

function isRunning(pid: number, started: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const actual = startTime(pid);
  return actual === undefined || started === '?' || actual === started;
}

/** Start time of a process in clock ticks since boot, where /proc tells it; zombies count as gone (`undefined`). */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[19];
  } catch {
    return undefined;
  }
}
