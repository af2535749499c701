import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Release } from './release.ts';
import type { Task } from './work.ts';

/**
 * Finished tasks in a file, so that a long run which was stopped goes on where it was.
 *
 * Tasks are told apart by what they simulate and by the sources of the judge and of the simulation, so that
 * results of other code are never taken for this one's.
 */
export class SavedTasks {
  readonly #path: string | undefined;
  readonly #sources: string;
  readonly #known = new Map<string, readonly Release[]>();

  constructor(path: string | undefined) {
    this.#path = path;
    this.#sources = path === undefined ? '' : digestOfSources();
    if (path === undefined || !existsSync(path)) return;
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      const saved = parse(line);
      if (saved !== undefined) this.#known.set(saved.key, saved.releases);
    }
  }

  /** The task's releases, if they are known. */
  find(task: Task): readonly Release[] | undefined {
    return this.#known.get(this.#key(task));
  }

  add(task: Task, releases: readonly Release[]): void {
    if (this.#path === undefined) return;
    appendFileSync(this.#path, `\n${JSON.stringify({ key: this.#key(task), releases })}`);
  }

  #key(task: Task): string {
    return createHash('sha256').update(this.#sources).update(JSON.stringify(task)).digest('base64url');
  }
}

/** A line of the file; undefined where the run was stopped in the middle of it. */
function parse(line: string): { key: string; releases: readonly Release[] } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** What a release's course depends on; how results are summed up and shown may change. */
const SIMULATION = [
  'before.ts',
  'comparators.ts',
  'durations.ts',
  'fleet.ts',
  'random.ts',
  'release.ts',
  'task.ts',
  'work.ts',
  'world.ts',
];

function digestOfSources(): string {
  const core = new URL('../../packages/core/src/', import.meta.url);
  const sourcesIn = (folder: URL) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .sort()
      .map((file) => new URL(file, folder));
  const files = [
    ...SIMULATION.map((file) => new URL(file, import.meta.url)),
    ...sourcesIn(new URL('judge/', core)),
    new URL('policy/policy.ts', core),
  ];
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}
