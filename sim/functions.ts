import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import type {
  FunctionEnvironment,
  FunctionProcessOptions,
  Outcome,
  Surroundings,
} from '@queue-canary/engine';
import type { Random } from '../bench/judge/random.ts';
import { type AwsModules, awsModules } from './aws-modules.ts';
import { Life } from './life.ts';

type Handler = (event: unknown) => Promise<unknown>;
type Loaded = { readonly handler: Handler } | { readonly error: unknown };

/** Memory that an invocation is said to have used; nothing here depends on it. */
const MEMORY_KIB = 128 * 1024;

/**
 * Execution environments of Node functions inside this process and in virtual time: the code is the one that was deployed, its
 * timers and its clock are the world's, and the AWS SDK that it asks for calls the engine without the wire.
 */
export function functionsInProcess(surroundings: Surroundings, random: Random) {
  return async (options: FunctionProcessOptions): Promise<FunctionEnvironment> =>
    new InProcessFunction(options, surroundings, random);
}

class InProcessFunction implements FunctionEnvironment {
  readonly #life: Life;
  readonly #loaded: Loaded;
  readonly #killed = Promise.withResolvers<Outcome>();
  #alive = true;

  constructor(options: FunctionProcessOptions, { clock, call }: Surroundings, random: Random) {
    this.#life = new Life(clock);
    const surroundings: Surroundings = {
      clock: this.#life,
      call: (...args) => this.#life.within(call(...args)),
    };
    this.#loaded = load(options, surroundings, awsModules(surroundings, options.role, random));
  }

  get alive(): boolean {
    return this.#alive;
  }

  async ready(): Promise<Outcome> {
    if ('handler' in this.#loaded) return { kind: 'ready' };
    this.#alive = false;
    return failed(this.#loaded.error);
  }

  invoke({ payload }: { readonly payload: string }): Promise<Outcome> {
    return Promise.race([this.#killed.promise, this.#run(payload)]);
  }

  async #run(payload: string): Promise<Outcome> {
    if (!('handler' in this.#loaded)) return failed(this.#loaded.error);
    try {
      const result = await this.#loaded.handler(JSON.parse(payload));
      return { kind: 'result', payload: JSON.stringify(result ?? null), maxMemoryKiB: MEMORY_KIB };
    } catch (error) {
      return failed(error);
    }
  }

  async kill(): Promise<void> {
    this.#alive = false;
    this.#life.end();
    this.#killed.resolve({ kind: 'exited', reason: 'signal: SIGKILL' });
  }
}

function failed(error: unknown): Outcome {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return {
    kind: 'error',
    error: { errorType: name, errorMessage: message, trace: (stack ?? '').split('\n') },
    maxMemoryKiB: MEMORY_KIB,
  };
}

/** Runs the module of a function, with what Lambda gives it and the world's time. */
function load(
  { codeDirectory, handler, environment, onLog }: FunctionProcessOptions,
  { clock }: Surroundings,
  modules: AwsModules,
): Loaded {
  const [file = '', name = ''] = handler.split('.');
  const path = join(codeDirectory, `${file}.js`);
  const own = createRequire(import.meta.url);
  const module = { exports: {} as Record<string, Handler> };
  const scope = {
    module,
    exports: module.exports,
    require: (id: string) => modules(id) ?? own(id),
    process: { env: environment, stdout: { write: (text: string) => onLog(text.trimEnd()) } },
    setTimeout: (run: () => void, ms = 0) => clock.setTimer(ms, run),
    // A connection that is kept open would keep virtual time from going on.
    fetch: (url: string, init: RequestInit) => fetch(url, { ...init, headers: { connection: 'close' } }),
    Date: dateOf(() => clock.nowMs()),
  };
  try {
    compileFunction(readFileSync(path, 'utf8'), Object.keys(scope), { filename: path })(
      ...Object.values(scope),
    );
    const found = module.exports[name];
    if (found === undefined) throw new Error(`${path} does not export ${name}`);
    return { handler: found };
  } catch (error) {
    return { error };
  }
}

/** `Date` by another clock. */
function dateOf(nowMs: () => number): typeof Date {
  return new Proxy(Date, {
    construct: (target, args) => Reflect.construct(target, args.length === 0 ? [nowMs()] : args),
    get: (target, key) => (key === 'now' ? nowMs : Reflect.get(target, key)),
  });
}
