import type { Clock } from '@queue-canary/engine';
import type { Clients } from './clients.ts';
import type { Target } from './target.ts';
import type { Terminal } from './terminal.ts';

/** What every command works with. */
export interface Context {
  readonly target: Target;
  readonly clients: Clients;
  /** Name of the application: prefix of its stacks. */
  readonly app: string;
  readonly clock: Clock;
  /** For people; standard error, so that standard output stays for data. */
  readonly terminal: Terminal;
  /** Standard output, for data that other programs read. */
  readonly print: (text: string) => void;
  /** The environment that programs run by a command inherit. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborts when the user presses Ctrl-C. */
  readonly signal: AbortSignal;
}
