import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Release } from './simulation.ts';
import type { Task } from './work.ts';

/** A release's numbers without their names: the judge's, then each comparator's. */
type Row = readonly (readonly number[] | null)[];

/**
 * Finished tasks in a file, so that a long run which was stopped goes on where it was.
 *
 * Tasks are told apart by what they simulate and by the sources of the judge and of the simulation, so that
 * results of other code are never taken for this one's.
 */
export class SavedTasks {
  readonly #path: string | undefined;
  readonly #sources: string;
  readonly #known = new Map<string, readonly Row[]>();

  constructor(path: string | undefined) {
    this.#path = path;
    this.#sources = path === undefined ? '' : digestOfSources();
    if (path === undefined || !existsSync(path)) return;
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      const saved = parse(line);
      if (saved !== undefined) this.#known.set(saved.key, saved.rows);
    }
  }

  /** The task's releases, if they are known. */
  find(task: Task): Release[] | undefined {
    return this.#known.get(this.#key(task))?.map(([judge, ...comparators]) => {
      const [atMs, harmed, units] = judge ?? [];
      return {
        judge: judge === null ? undefined : { atMs: atMs!, harmed: harmed!, units: units! },
        comparators: comparators.map((each) =>
          each === null ? undefined : { atMs: each[0]!, harmed: each[1]! },
        ),
      };
    });
  }

  add(task: Task, releases: readonly Release[]): void {
    if (this.#path === undefined) return;
    const rows = releases.map(
      ({ judge, comparators }): Row => [
        judge === undefined ? null : [judge.atMs, judge.harmed, judge.units],
        ...comparators.map((each) => (each === undefined ? null : [each.atMs, each.harmed])),
      ],
    );
    appendFileSync(this.#path, `\n${JSON.stringify({ key: this.#key(task), rows })}`);
  }

  #key(task: Task): string {
    return createHash('sha256').update(this.#sources).update(JSON.stringify(task)).digest('base64url');
  }
}

/** A line of the file; undefined where the run was stopped in the middle of it. */
function parse(line: string): { key: string; rows: readonly Row[] } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** What a release's course depends on; how results are summed up and shown may change. */
const SIMULATION = ['comparators.ts', 'random.ts', 'simulation.ts', 'trace.ts', 'work.ts'];

function digestOfSources(): string {
  const judge = new URL('../../packages/core/src/judge/', import.meta.url);
  const files = [
    ...SIMULATION.map((file) => new URL(file, import.meta.url)),
    ...readdirSync(judge)
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .sort()
      .map((file) => new URL(file, judge)),
  ];
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}
