import { SqsFault } from './transport.ts';

/** More than any server sends; what is larger is not a reply. */
const HEAD_BYTES_MAX = 65_536;
const CHUNK_LINE_BYTES_MAX = 4_096;

const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: |$)/;
const HEADER_LINE = /^([!#$%&'*+\-.^`|~\w]+):[ \t]*(.*?)[ \t]*$/;
const CHUNK_SIZE = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i;

/**
 * Reads one HTTP/1.1 reply from the bytes of a connection, however they are cut. Strict, because bytes that two
 * readers understand differently end up as somebody else's reply: what is not plainly HTTP is a fault.
 */
export class HttpReplyReader {
  status = 0;
  date: string | undefined;
  /** Whether the connection may carry another request. */
  reusable = true;
  /** How long the server says that it keeps the connection. */
  keptForMs = Number.POSITIVE_INFINITY;
  /** Whether any byte has arrived. */
  started = false;
  #part: 'head' | 'sized' | 'chunked' | 'until the end' | 'done' = 'head';
  /** Bytes of a head, or of a line between chunks, that is not complete. */
  #held: Buffer | undefined;
  readonly #body: Buffer[] = [];
  #missing = 0;
  #nextLine: 'size' | 'end of chunk' | 'trailer' = 'size';

  /** Takes the next bytes; `true` once the reply is complete. Throws an {@link SqsFault} for what is not HTTP. */
  take(bytes: Buffer): boolean {
    this.started = true;
    let rest = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = undefined;
    while (this.#part === 'head') {
      const end = rest.indexOf('\r\n\r\n', 0, 'latin1');
      if ((end < 0 ? rest.length : end) > HEAD_BYTES_MAX) throw malformed('a head without an end');
      if (end < 0) {
        this.#held = rest;
        return false;
      }
      this.#readHead(rest.toString('latin1', 0, end));
      rest = rest.subarray(end + 4);
    }
    return this.#takeBody(rest);
  }

  /** The connection has ended; `true` when that completes the reply. */
  end(): boolean {
    return this.#part === 'until the end';
  }

  text(): string {
    const [only] = this.#body;
    if (only === undefined) return '';
    return (this.#body.length === 1 ? only : Buffer.concat(this.#body)).toString('utf8');
  }

  #readHead(head: string): void {
    const [statusLine = '', ...lines] = head.split('\r\n');
    const [, minor, status] = STATUS_LINE.exec(statusLine) ?? [];
    if (status === undefined) throw malformed('no status line');
    this.status = Number(status);
    if (this.status === 101) throw malformed('a change of protocol');
    // An interim reply: the real one follows.
    if (this.status < 200) return;
    let length: string | undefined;
    let chunked = false;
    this.reusable = minor === '1';
    for (const line of lines) {
      const [, name, value = ''] = HEADER_LINE.exec(line) ?? [];
      if (name === undefined) throw malformed('a line that is no header');
      switch (name.toLowerCase()) {
        case 'date':
          this.date = value;
          break;
        case 'content-length':
          if (!/^\d{1,15}$/.test(value) || (length ?? value) !== value) throw malformed('a strange length');
          length = value;
          break;
        case 'transfer-encoding':
          if (chunked || value.toLowerCase() !== 'chunked') throw malformed(`the encoding "${value}"`);
          chunked = true;
          break;
        case 'connection':
          if (/\bclose\b/i.test(value)) this.reusable = false;
          else if (/\bkeep-alive\b/i.test(value)) this.reusable = true;
          break;
        case 'keep-alive': {
          const seconds = /\btimeout=(\d+)/i.exec(value)?.[1];
          if (seconds !== undefined) this.keptForMs = Number(seconds) * 1000;
        }
      }
    }
    if (this.status === 204 || this.status === 304) this.#part = 'sized';
    else if (chunked) {
      this.#part = 'chunked';
      if (length !== undefined) this.reusable = false;
    } else if (length !== undefined) {
      this.#part = 'sized';
      this.#missing = Number(length);
    } else {
      this.#part = 'until the end';
      this.reusable = false;
    }
  }

  #takeBody(bytes: Buffer): boolean {
    switch (this.#part) {
      case 'chunked':
        return this.#takeChunks(bytes);
      case 'until the end':
        this.#body.push(bytes);
        return false;
      default: {
        const rest = this.#takeMissing(bytes);
        if (this.#missing > 0) return false;
        return this.#done(rest);
      }
    }
  }

  #takeChunks(bytes: Buffer): boolean {
    let rest = bytes;
    for (;;) {
      rest = this.#takeMissing(rest);
      if (this.#missing > 0) return false;
      const end = rest.indexOf('\r\n', 0, 'latin1');
      if ((end < 0 ? rest.length : end) > CHUNK_LINE_BYTES_MAX) throw malformed('a chunk without a size');
      if (end < 0) {
        this.#held = rest;
        return false;
      }
      const line = rest.toString('latin1', 0, end);
      rest = rest.subarray(end + 2);
      if (this.#nextLine === 'size') {
        const size = CHUNK_SIZE.exec(line)?.[1];
        if (size === undefined) throw malformed('a chunk without a size');
        this.#missing = Number.parseInt(size, 16);
        this.#nextLine = this.#missing === 0 ? 'trailer' : 'end of chunk';
      } else if (this.#nextLine === 'end of chunk') {
        if (line !== '') throw malformed('a chunk longer than its size');
        this.#nextLine = 'size';
      } else if (line === '') return this.#done(rest);
    }
  }

  /** Moves what belongs to the body there; returns what is behind it. */
  #takeMissing(bytes: Buffer): Buffer {
    if (this.#missing === 0 || bytes.length === 0) return bytes;
    const own = bytes.length > this.#missing ? bytes.subarray(0, this.#missing) : bytes;
    this.#body.push(own);
    this.#missing -= own.length;
    return bytes.subarray(own.length);
  }

  #done(rest: Buffer): boolean {
    this.#part = 'done';
    // Bytes that nobody asked for: whatever they are, they must not become the next reply.
    if (rest.length > 0) this.reusable = false;
    return true;
  }
}

function malformed(what: string): SqsFault {
  return new SqsFault('MalformedReply', `the server answered with ${what}, which is no HTTP/1.1 reply`);
}
