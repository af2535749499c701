import type { Ids } from '../../ids.ts';

const DRAWN_AT_ONCE = 128;
const HEX_LENGTH = 32;

/**
 * Message ids from randomness drawn in bulk: a draw for every message would cost more than storing it.
 */
export class MessageIds {
  readonly #ids: Ids;
  #drawn = '';
  #at = 0;

  constructor(ids: Ids) {
    this.#ids = ids;
  }

  /** A random UUID (version 4). */
  next(): string {
    if (this.#at === this.#drawn.length) {
      this.#drawn = this.#ids.hex(HEX_LENGTH * DRAWN_AT_ONCE);
      this.#at = 0;
    }
    const hex = this.#drawn.slice(this.#at, this.#at + HEX_LENGTH);
    this.#at += HEX_LENGTH;
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
  }
}
