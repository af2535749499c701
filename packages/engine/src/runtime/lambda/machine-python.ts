import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/** A Python of this machine that can run functions. */
export interface MachinePython {
  readonly path: string;
  /** Such as `3.11.7`. */
  readonly version: string;
}

/** What the bootstrap needs of the language and its library. */
const MINOR_MIN = 8;

/** A launcher that hangs is none. */
const PROBE_LIMIT_MS = 10_000;

/** Prints the program itself, not a launcher that chooses one by directory or environment. */
const PROBE = 'import sys; print(sys.executable, "%d.%d.%d" % sys.version_info[:3])';

/**
 * The Pythons of this machine, each looked for once: a function of runtime `python3.N` runs on `python3.N`, or on
 * `python3` where there is none.
 */
export class MachinePythons {
  readonly #path: string;
  readonly #known = new Map<string, Promise<MachinePython | undefined>>();

  /** @param path directories to look in, as in `PATH` */
  constructor(path: string) {
    this.#path = path;
  }

  /** The Python for a runtime such as `python3.12`; `undefined` on a machine without any. */
  async find(runtime: string): Promise<MachinePython | undefined> {
    return (await this.#named(runtime)) ?? this.#named('python3');
  }

  #named(name: string): Promise<MachinePython | undefined> {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const found = this.#search(name);
    this.#known.set(name, found);
    return found;
  }

  async #search(name: string): Promise<MachinePython | undefined> {
    const candidates = this.#path
      .split(delimiter)
      .filter((directory) => directory !== '')
      .map((directory) => join(directory, name))
      .filter((path) => existsSync(path));
    for (const candidate of candidates) {
      const python = await probe(candidate, this.#path);
      if (python !== undefined) return python;
    }
    return undefined;
  }
}

async function probe(candidate: string, PATH: string): Promise<MachinePython | undefined> {
  try {
    const { stdout } = await promisify(execFile)(candidate, ['-c', PROBE], {
      env: { PATH },
      timeout: PROBE_LIMIT_MS,
    });
    const found = /^(?<path>.+) (?<version>3\.(?<minor>\d+)\.\d+)$/.exec(stdout.trim())?.groups;
    if (found === undefined || Number(found.minor) < MINOR_MIN) return undefined;
    return { path: found.path!, version: found.version! };
  } catch {
    // A launcher without that version, or a broken installation.
    return undefined;
  }
}
