import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { AwsFault } from '../../errors.ts';

/** A git command that failed; `stderr` is what git said about it. */
export class GitError extends Error {
  readonly stderr: string;

  constructor(args: readonly string[], exit: number | null, stderr: string) {
    super(`git ${args[0]} failed with exit status ${exit}: ${stderr.trim()}`);
    this.name = 'GitError';
    this.stderr = stderr;
  }
}

interface GitOptions {
  readonly cwd: string;
  readonly input?: Uint8Array;
  /** Added to the clean environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * The machine's git, run so that nothing of the user's own setup reaches it: no system or user
 * configuration, no prompts, no hooks from templates, no locale.
 */
export class Git {
  readonly #hostPath: string;

  /** @param hostPath search path of this machine, where git is found */
  constructor(hostPath: string) {
    this.#hostPath = hostPath;
  }

  /** Environment of every git command. `safe.directory` lets an engine that runs as root read what another user owns. */
  environment(): Record<string, string> {
    return {
      PATH: this.#hostPath,
      HOME: '/nonexistent',
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_TERMINAL_PROMPT: '0',
      GIT_LITERAL_PATHSPECS: '1',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
    };
  }

  /** Starts git with pipes on all three streams, for traffic that must not be held in memory. */
  spawn(args: readonly string[], options: GitOptions): ChildProcess {
    // No program can be given one, so there is nothing of such a name.
    if ([...args, ...Object.values(options.env ?? {})].some((text) => text.includes('\0'))) {
      throw new GitError(args, null, 'a name holds a NUL character');
    }
    return spawn('git', args, {
      cwd: options.cwd,
      env: { ...this.environment(), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  /** Runs git to its end and returns what it wrote; a failure is a {@link GitError}, missing git an `AwsFault`. */
  async run(args: readonly string[], options: GitOptions): Promise<Buffer> {
    const child = this.spawn(args, options);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    // git may exit without reading its input; the exit status says how it went.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input);
    let exit: number | null;
    try {
      [exit] = (await once(child, 'close')) as [number | null];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw gitMissing();
      throw error;
    }
    if (exit !== 0) throw new GitError(args, exit, Buffer.concat(stderr).toString('utf8'));
    return Buffer.concat(stdout);
  }

  /** {@link run}, as text without the last line end. */
  async text(args: readonly string[], options: GitOptions): Promise<string> {
    return (await this.run(args, options)).toString('utf8').replace(/\n$/, '');
  }
}

/** The one error for a machine without git. */
function gitMissing(): AwsFault {
  return new AwsFault(
    'GitNotInstalled',
    'git was not found on the PATH of the engine, and CodeCommit repositories need it: install git (for example "apt-get install git") and try again',
    500,
  );
}
