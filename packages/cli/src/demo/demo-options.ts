import type { Approval } from '@queue-canary/core';
import type { Clock } from '@queue-canary/engine';
import type { Terminal } from '../terminal.ts';

export interface DemoOptions {
  /** Who promotes: the judge, or a person. */
  readonly approval: Extract<Approval, 'automatic' | 'manual'>;
  readonly pace: number;
  /** Of the chances that the engine draws. @default others each time */
  readonly seed?: number;
  readonly rate: number;
  readonly json: boolean;
  readonly keep: boolean;
  readonly state?: string;
}

/** What the demo needs of the outside world. */
export interface DemoWorld {
  readonly clock: Clock;
  readonly terminal: Terminal;
  readonly print: (text: string) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}
