const SMALLEST = 64;

/**
 * A double-ended queue of message sequence numbers, eight bytes each: a million waiting messages cost eight
 * megabytes, and both ends work in constant time.
 */
export class SeqDeque {
  #items = new Float64Array(SMALLEST);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(seq: number): void {
    this.#fit(this.#length + 1);
    this.#items[(this.#head + this.#length++) % this.#items.length] = seq;
  }

  first(): number | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head];
  }

  shift(): number | undefined {
    if (this.#length === 0) return undefined;
    const seq = this.#items[this.#head]!;
    this.#head = (this.#head + 1) % this.#items.length;
    this.#length--;
    if (this.#items.length > SMALLEST && this.#length < this.#items.length / 8) {
      this.#resize(this.#items.length / 2);
    }
    return seq;
  }

  clear(): void {
    this.#items = new Float64Array(SMALLEST);
    this.#head = 0;
    this.#length = 0;
  }

  #fit(length: number): void {
    if (length > this.#items.length) this.#resize(this.#items.length * 2);
  }

  #resize(capacity: number): void {
    const items = new Float64Array(capacity);
    for (let index = 0; index < this.#length; index++) {
      items[index] = this.#items[(this.#head + index) % this.#items.length]!;
    }
    this.#items = items;
    this.#head = 0;
  }
}
