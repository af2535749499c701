import type { Clock } from '@queue-canary/engine';
import type { Clients, ReleaseClients } from './clients.ts';
import type { Target } from './target.ts';
import type { Terminal } from './terminal.ts';

/** What a release is started and followed with. */
export interface ReleaseContext {
  readonly target: Target;
  readonly clients: ReleaseClients;
  /** Name of the application: prefix of its stacks. */
  readonly app: string;
  readonly clock: Clock;
  /** For people; standard error, so that standard output stays for data. */
  readonly terminal: Terminal;
  /** Standard output, for data that other programs read. */
  readonly print: (text: string) => void;
  /** Aborts when the user presses Ctrl-C. */
  readonly signal: AbortSignal;
}

/** What every command works with. */
export interface Context extends ReleaseContext {
  readonly clients: Clients;
  /** The environment that programs run by a command inherit. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}
