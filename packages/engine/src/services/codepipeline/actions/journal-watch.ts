import type { JournalEntry } from '../../../journal/journal.ts';
import type { ActionContext } from './action.ts';

/**
 * Wakes an executor when another service reports something. Ask {@link next} before looking at the state of
 * things: then nothing that happens while looking is missed.
 */
export class JournalWatch {
  #changed = Promise.withResolvers<void>();
  readonly #unsubscribe: () => void;
  readonly #signal: AbortSignal;
  readonly #wake = () => {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  };

  constructor({ engine, signal }: ActionContext, matters: (entry: JournalEntry) => boolean) {
    this.#signal = signal;
    this.#unsubscribe = engine.journal.subscribe((entry) => {
      if (matters(entry)) this.#wake();
    });
    signal.addEventListener('abort', this.#wake, { once: true });
  }

  /** Resolves at the next entry that matters, or when the action is interrupted. */
  next(): Promise<void> {
    return this.#signal.aborted ? Promise.resolve() : this.#changed.promise;
  }

  end(): void {
    this.#unsubscribe();
    this.#signal.removeEventListener('abort', this.#wake);
  }
}
