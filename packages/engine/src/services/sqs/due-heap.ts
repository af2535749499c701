const SMALLEST = 64;

/**
 * Message sequence numbers ordered by a key (the instant at which something falls due, or a position), in two
 * flat arrays of eight bytes an entry. Entries are never removed from the middle: whoever pops one checks
 * whether it still holds, and calls {@link keep} when too many no longer do.
 */
export class DueHeap {
  #keys = new Float64Array(SMALLEST);
  #seqs = new Float64Array(SMALLEST);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Smallest key; `Infinity` when empty. */
  get dueMs(): number {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.#keys[0]!;
  }

  push(key: number, seq: number): void {
    if (this.#length === this.#keys.length) this.#resize(this.#length * 2);
    let index = this.#length++;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(key, seq, this.#keys[parent]!, this.#seqs[parent]!)) break;
      this.#set(index, this.#keys[parent]!, this.#seqs[parent]!);
      index = parent;
    }
    this.#set(index, key, seq);
  }

  /** Takes the entry with the smallest key, the lower sequence number first among equals. */
  pop(): number | undefined {
    if (this.#length === 0) return undefined;
    const top = this.#seqs[0]!;
    this.#length--;
    if (this.#length > 0) this.#sink(0, this.#keys[this.#length]!, this.#seqs[this.#length]!);
    return top;
  }

  /** Drops every entry for which `holds` is false. */
  keep(holds: (key: number, seq: number) => boolean): void {
    let kept = 0;
    for (let index = 0; index < this.#length; index++) {
      const key = this.#keys[index]!;
      const seq = this.#seqs[index]!;
      if (holds(key, seq)) this.#set(kept++, key, seq);
    }
    this.#length = kept;
    if (this.#keys.length > SMALLEST && kept < this.#keys.length / 4) {
      this.#resize(Math.max(SMALLEST, kept * 2));
    }
    for (let index = (kept >> 1) - 1; index >= 0; index--) {
      this.#sink(index, this.#keys[index]!, this.#seqs[index]!);
    }
  }

  clear(): void {
    this.#keys = new Float64Array(SMALLEST);
    this.#seqs = new Float64Array(SMALLEST);
    this.#length = 0;
  }

  #sink(from: number, key: number, seq: number): void {
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#length) break;
      const right = child + 1;
      if (
        right < this.#length &&
        before(this.#keys[right]!, this.#seqs[right]!, this.#keys[child]!, this.#seqs[child]!)
      ) {
        child = right;
      }
      if (!before(this.#keys[child]!, this.#seqs[child]!, key, seq)) break;
      this.#set(index, this.#keys[child]!, this.#seqs[child]!);
      index = child;
    }
    this.#set(index, key, seq);
  }

  #set(index: number, key: number, seq: number): void {
    this.#keys[index] = key;
    this.#seqs[index] = seq;
  }

  #resize(capacity: number): void {
    const keys = new Float64Array(capacity);
    const seqs = new Float64Array(capacity);
    keys.set(this.#keys.subarray(0, this.#length));
    seqs.set(this.#seqs.subarray(0, this.#length));
    this.#keys = keys;
    this.#seqs = seqs;
  }
}

function before(key: number, seq: number, otherKey: number, otherSeq: number): boolean {
  return key < otherKey || (key === otherKey && seq < otherSeq);
}
