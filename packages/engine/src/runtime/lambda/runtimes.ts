import { fileURLToPath } from 'node:url';
import { MachinePythons } from './machine-python.ts';
import type { FunctionIdentity } from './protocol.ts';

/** How a function's process is started. */
export interface Launch {
  readonly command: readonly [string, ...string[]];
  /** What the function finds in its environment unless it is given something else. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What the function's log says when the machine's program is another than the runtime asks for. */
  readonly note?: string;
}

const NODE = ['nodejs20.x', 'nodejs22.x', 'nodejs24.x'];
const PYTHON = /^python3\.\d+$/;
/** What a bootstrap is called: sources run as they are, or as they were compiled. */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

/** Lambda's runtimes on the programs of this machine: Node functions on the engine's own Node, Python's on a Python 3. */
export class Runtimes {
  readonly #nodePath: string;
  readonly #compileCache: string;
  readonly #pythons: MachinePythons;

  /**
   * @param options.hostPath where to look for Python, as in `PATH`
   * @param options.compileCache where Node keeps what it has compiled
   */
  constructor(options: { nodePath: string; hostPath: string; compileCache: string }) {
    this.#nodePath = options.nodePath;
    this.#compileCache = options.compileCache;
    this.#pythons = new MachinePythons(options.hostPath);
  }

  /** Why functions of this runtime cannot run here; `undefined` when they can. */
  async refusal(runtime: string): Promise<string | undefined> {
    if (NODE.includes(runtime)) return undefined;
    if (!PYTHON.test(runtime)) {
      return `the local engine does not run ${runtime}; it runs ${NODE.join(', ')}, all on its own Node, and python3.x on this machine's Python.`;
    }
    if ((await this.#pythons.find(runtime)) !== undefined) return undefined;
    return `the local engine runs ${runtime} on this machine's Python, and found neither ${runtime} nor python3 on its PATH: install Python 3, and start the engine again.`;
  }

  async launch(runtime: string, identity: FunctionIdentity): Promise<Launch> {
    const refused = await this.refusal(runtime);
    if (refused !== undefined) throw new Error(refused);
    const argument = JSON.stringify(identity);
    if (NODE.includes(runtime)) {
      const heap = `--max-old-space-size=${oldSpaceMiB(identity.memoryMiB)}`;
      return {
        command: [this.#nodePath, heap, bootstrap(`program${EXTENSION}`), argument],
        environment: { NODE_COMPILE_CACHE: this.#compileCache },
      };
    }
    const { path, version } = (await this.#pythons.find(runtime))!;
    // Like Lambda's, the function's directory stays as it is: no compiled files in it.
    const command = [path, '-B', bootstrap('program.py'), argument] as const;
    if (version.startsWith(`${runtime.slice('python'.length)}.`)) return { command };
    return {
      command,
      note: `The local engine runs ${runtime} on Python ${version} (${path}): this machine has no ${runtime}.`,
    };
  }
}

function bootstrap(file: string): string {
  return fileURLToPath(new URL(`./bootstrap/${file}`, import.meta.url));
}

/** Node needs room outside its heap: as on Lambda, the heap gets nearly all of the configured memory. */
function oldSpaceMiB(memoryMiB: number): number {
  return Math.max(Math.floor(memoryMiB * 0.9), 64);
}
