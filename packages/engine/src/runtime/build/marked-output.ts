import { LineSplitter } from '../processes/line-splitter.ts';

const NOTHING = Buffer.alloc(0);

/**
 * Output with markers in it: gives the lines before a marker, and then what follows the marker up to the end of its
 * line. A marker may stand behind output that did not end its last line, and arrive in pieces.
 */
export class MarkedOutput {
  readonly #marker: Buffer;
  readonly #lines: LineSplitter;
  readonly #onMarker: (text: string) => void;
  /** The beginning of a marker that is not whole yet. */
  #begun: Buffer = NOTHING;

  constructor(marker: string, onLine: (line: string) => void, onMarker: (text: string) => void) {
    this.#marker = Buffer.from(marker);
    this.#lines = new LineSplitter(onLine);
    this.#onMarker = onMarker;
  }

  push(chunk: Buffer): void {
    let rest = Buffer.concat([this.#begun, chunk]);
    this.#begun = NOTHING;
    for (;;) {
      const at = this.#find(rest);
      const end = at < 0 ? -1 : rest.indexOf('\n', at);
      if (end < 0) {
        this.#lines.push(at < 0 ? rest : rest.subarray(0, at));
        if (at >= 0) this.#begun = rest.subarray(at);
        return;
      }
      this.#lines.push(rest.subarray(0, at));
      this.#lines.end();
      this.#onMarker(rest.toString('utf8', at + this.#marker.length, end));
      rest = rest.subarray(end + 1);
    }
  }

  /** Where a marker is, or where one may have begun at the end of the bytes. */
  #find(bytes: Buffer): number {
    const whole = bytes.indexOf(this.#marker);
    if (whole >= 0) return whole;
    const begun = bytes.lastIndexOf(this.#marker[0]!);
    if (begun < 0) return -1;
    const piece = bytes.subarray(begun);
    return this.#marker.subarray(0, piece.length).equals(piece) ? begun : -1;
  }
}
