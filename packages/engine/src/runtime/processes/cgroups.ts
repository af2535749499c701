import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../../clock/clock.ts';

/** Limits of one task. */
export interface ResourceLimits {
  readonly memoryBytes?: number;
  /** In ECS units: 1024 is one CPU. */
  readonly cpuUnits?: number;
}

/** Control groups made for one task. */
export interface TaskCgroups {
  /** Directories, to be recorded so that a later engine can remove them. */
  readonly directories: readonly string[];
  /** Files into which the task's first process writes its own id before it becomes the task. */
  readonly procsFiles: readonly string[];
  /** Whether the kernel has killed a process of the task for lack of memory. */
  oomKilled(): boolean;
  /** Kills whatever is left in the groups and removes them. */
  release(): void;
}

/** Which mechanism holds tasks to their limits on this machine. */
export interface CgroupSupport {
  readonly memory: 'cgroup-v1' | 'cgroup-v2' | undefined;
  readonly cpu: 'cgroup-v1' | 'cgroup-v2' | undefined;
}

interface Hierarchy {
  readonly version: 1 | 2;
  readonly parent: string;
}

const CPU_PERIOD_MICROS = 100_000;
const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 3_000;

/**
 * Makes control groups where this process may, and says which limits that enforces.
 *
 * Version 1 groups are made below the engine's own, version 2 groups below the nearest ancestor that
 * delegates the controller (a version 2 group with processes cannot have limited children).
 */
export class Cgroups {
  readonly #memory: Hierarchy | undefined;
  readonly #cpu: Hierarchy | undefined;

  readonly #clock: Clock;

  private constructor(memory: Hierarchy | undefined, cpu: Hierarchy | undefined, clock: Clock) {
    this.#clock = clock;
    this.#memory = memory;
    this.#cpu = cpu;
  }

  /** Finds out by making a group named `probeName` and removing it. */
  static detect(probeName: string, clock: Clock): Cgroups {
    if (process.platform !== 'linux') return new Cgroups(undefined, undefined, clock);
    return new Cgroups(findHierarchy('memory', probeName), findHierarchy('cpu', probeName), clock);
  }

  get support(): CgroupSupport {
    const name = (hierarchy: Hierarchy | undefined) =>
      hierarchy === undefined ? undefined : (`cgroup-v${hierarchy.version}` as const);
    return { memory: name(this.#memory), cpu: name(this.#cpu) };
  }

  /** Makes the groups of one task. Limits that this machine cannot enforce are left out: see {@link support}. */
  create(name: string, limits: ResourceLimits): TaskCgroups {
    const directories = new Set<string>();
    let memoryDirectory: string | undefined;
    const make = (hierarchy: Hierarchy) => {
      const directory = join(hierarchy.parent, name);
      mkdirSync(directory, { recursive: true });
      directories.add(directory);
      return directory;
    };
    if (this.#memory !== undefined && limits.memoryBytes !== undefined) {
      memoryDirectory = make(this.#memory);
      limitMemory(memoryDirectory, this.#memory.version, limits.memoryBytes);
    }
    if (this.#cpu !== undefined && limits.cpuUnits !== undefined) {
      limitCpu(make(this.#cpu), this.#cpu.version, limits.cpuUnits);
    }
    const paths = [...directories];
    return {
      directories: paths,
      procsFiles: paths.map((directory) => join(directory, 'cgroup.procs')),
      oomKilled: () => memoryDirectory !== undefined && countOomKills(memoryDirectory) > 0,
      release: () => {
        for (const directory of paths) killCgroup(directory);
        for (const directory of paths) this.#remove(directory, FIRST_RETRY_MS);
      },
    };
  }

  /** Tries again while the kernel is still ending the killed processes, which takes moments. */
  #remove(directory: string, retryMs: number): void {
    if (removeCgroup(directory) || retryMs > LAST_RETRY_MS) return;
    this.#clock.setTimer(retryMs, () => this.#remove(directory, retryMs * 2));
  }
}

/** Kills every process in the group, also those that left the task's process group. */
export function killCgroup(directory: string): void {
  const kill = join(directory, 'cgroup.kill');
  if (existsSync(kill)) {
    writeFileSync(kill, '1');
    return;
  }
  for (const pid of readLines(join(directory, 'cgroup.procs'))) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

/** Removes an empty group. False when killed processes in it have not ended yet: then it is to be tried again. */
export function removeCgroup(directory: string): boolean {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (error.code === 'EBUSY') return false;
    if (error.code !== 'ENOENT') throw error;
  }
  return true;
}

function limitMemory(directory: string, version: 1 | 2, bytes: number): void {
  if (version === 2) {
    writeFileSync(join(directory, 'memory.max'), String(bytes));
    writeIfPresent(join(directory, 'memory.swap.max'), '0');
    writeIfPresent(join(directory, 'memory.oom.group'), '1');
    return;
  }
  writeFileSync(join(directory, 'memory.limit_in_bytes'), String(bytes));
  writeIfPresent(join(directory, 'memory.memsw.limit_in_bytes'), String(bytes));
}

function limitCpu(directory: string, version: 1 | 2, units: number): void {
  const quota = Math.max(Math.round((units / 1024) * CPU_PERIOD_MICROS), 1000);
  if (version === 2) {
    writeFileSync(join(directory, 'cpu.max'), `${quota} ${CPU_PERIOD_MICROS}`);
    return;
  }
  writeFileSync(join(directory, 'cpu.cfs_period_us'), String(CPU_PERIOD_MICROS));
  writeFileSync(join(directory, 'cpu.cfs_quota_us'), String(quota));
}

function countOomKills(directory: string): number {
  const lines = [
    ...readLines(join(directory, 'memory.events')),
    ...readLines(join(directory, 'memory.oom_control')),
  ];
  const line = lines.find((candidate) => candidate.startsWith('oom_kill '));
  return line === undefined ? 0 : Number(line.split(' ')[1]);
}

function findHierarchy(controller: 'memory' | 'cpu', probeName: string): Hierarchy | undefined {
  const own = readLines('/proc/self/cgroup').map((line) => line.split(':'));
  for (const mount of cgroupMounts()) {
    const version = mount.type === 'cgroup2' ? 2 : 1;
    if (version === 1 && !mount.options.includes(controller)) continue;
    const entry = own.find(([, controllers]) =>
      version === 2 ? controllers === '' : controllers?.split(',').includes(controller),
    );
    const ownPath = entry?.slice(2).join(':');
    if (ownPath === undefined) continue;
    let directory = join(
      mount.point,
      mount.root !== '/' && ownPath.startsWith(mount.root) ? ownPath.slice(mount.root.length) : ownPath,
    );
    for (;;) {
      const hierarchy: Hierarchy = { version, parent: directory };
      if (delegates(hierarchy, controller) && canLimit(hierarchy, controller, probeName)) return hierarchy;
      if (version === 1 || directory === mount.point || !directory.startsWith(mount.point)) break;
      directory = dirname(directory);
    }
  }
  return undefined;
}

function delegates(hierarchy: Hierarchy, controller: string): boolean {
  if (hierarchy.version === 1) return existsSync(hierarchy.parent);
  return readLines(join(hierarchy.parent, 'cgroup.subtree_control')).some((line) =>
    line.split(' ').includes(controller),
  );
}

function canLimit(hierarchy: Hierarchy, controller: 'memory' | 'cpu', probeName: string): boolean {
  const probe = join(hierarchy.parent, probeName);
  try {
    mkdirSync(probe);
  } catch {
    return false;
  }
  try {
    if (controller === 'memory') limitMemory(probe, hierarchy.version, 64 * 1024 * 1024);
    else limitCpu(probe, hierarchy.version, 1024);
    return true;
  } catch {
    return false;
  } finally {
    removeCgroup(probe);
  }
}

function cgroupMounts(): { type: string; point: string; root: string; options: string[] }[] {
  return readLines('/proc/self/mountinfo').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , root = '/', point = ''] = left.split(' ');
    const [type = '', , options = ''] = right.split(' ');
    return type === 'cgroup' || type === 'cgroup2'
      ? [{ type, point, root, options: options.split(',') }]
      : [];
  });
}

function writeIfPresent(path: string, value: string): void {
  if (!existsSync(path)) return;
  try {
    writeFileSync(path, value);
  } catch {
    // Only tightens the limit (no swap, whole task at once); kernels without it enforce the memory limit alone.
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
