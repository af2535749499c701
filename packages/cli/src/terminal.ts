import { styleText } from 'node:util';
import type { Styler, Tone } from '@queue-canary/core';

const FORMATS: Readonly<Record<Tone, Parameters<typeof styleText>[0]>> = {
  good: 'green',
  bad: 'red',
  busy: 'cyan',
  quiet: 'dim',
  strong: 'bold',
};

/** Where a command writes for people. */
export interface Terminal {
  /** Whether a person watches: live lines are rewritten in place only then. */
  readonly interactive: boolean;
  readonly style: Styler;
  /** Writes one line. Clears the live line first. */
  line(text?: string): void;
  /** Shows a line that the next call replaces; on a terminal only. */
  live(text: string): void;
}

/** A terminal over a stream. Colours follow the stream and `NO_COLOR`. */
export function createTerminal(stream: NodeJS.WriteStream): Terminal {
  const interactive = stream.isTTY === true;
  let liveShown = false;
  const clear = () => {
    if (liveShown) stream.write('\r\u001b[2K');
    liveShown = false;
  };
  return {
    interactive,
    style: (tone, text) => styleText(FORMATS[tone], text, { stream }),
    line(text = '') {
      clear();
      stream.write(`${text}\n`);
    },
    live(text) {
      if (!interactive) return;
      clear();
      const width = stream.columns ?? 80;
      stream.write(text.length > width ? `${text.slice(0, width - 1)}…` : text);
      liveShown = true;
    },
  };
}

/** A duration as `4.2 s` or `2 min 5 s`. */
export function seconds(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
