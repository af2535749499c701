import { StringDecoder } from 'node:string_decoder';

/** The largest CloudWatch log event is 256 KiB; a longer line arrives in pieces of this many characters. */
const LINE_LENGTH_MAX = 256 * 1024 - 26;

/** Turns chunks of UTF-8 output into lines without their ends. A last line without an end counts. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    this.#take(this.#decoder.write(chunk));
  }

  /** Delivers what is left. */
  end(): void {
    this.#take(this.#decoder.end());
    if (this.#rest !== '') this.#emit(this.#rest);
    this.#rest = '';
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#emit(line.endsWith('\r') ? line.slice(0, -1) : line);
    while (this.#rest.length > LINE_LENGTH_MAX) {
      this.#emit(this.#rest.slice(0, LINE_LENGTH_MAX));
      this.#rest = this.#rest.slice(LINE_LENGTH_MAX);
    }
  }

  #emit(line: string): void {
    let rest = line;
    while (rest.length > LINE_LENGTH_MAX) {
      this.#onLine(rest.slice(0, LINE_LENGTH_MAX));
      rest = rest.slice(LINE_LENGTH_MAX);
    }
    this.#onLine(rest);
  }
}
