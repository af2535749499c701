import { AwsFault } from './errors.ts';

/*
 * What a document may ask of its parser. Parsers take time and memory by the number of values, not by bytes, and
 * recurse by depth: these bounds are checked in one pass over the bytes before anything is built. They are the
 * engine's own, above what AWS's largest calls need, and keep each parse well below 100 ms.
 */
const DEPTH_MAX = 128;
/** Objects and lists together. PutLogEvents has ten thousand events. */
const CONTAINERS_MAX = 50_000;
/** PutMetricData has a thousand metrics of 150 values, with a count each. */
const VALUES_MAX = 400_000;
const MEMBERS_MAX = 100_000;
const PARAMETERS_MAX = 10_000;
/** A multipart upload has ten thousand parts of a few elements each. */
const MARKS_MAX = 150_000;

/** As much as a document of this size can ask of its parser is no matter: most requests are smaller. */
const SMALL_BYTES = 4_096;

class Count {
  #containers = 0;
  #values = 0;
  #members = 0;

  container(depth: number): void {
    if (depth > DEPTH_MAX) throw tooLarge(`nested more than ${DEPTH_MAX} levels deep`);
    if (++this.#containers > CONTAINERS_MAX)
      throw tooLarge(`of more than ${CONTAINERS_MAX} objects and lists`);
  }

  value(): void {
    if (++this.#values > VALUES_MAX) throw tooLarge(`of more than ${VALUES_MAX} values`);
  }

  member(): void {
    if (++this.#members > MEMBERS_MAX) throw tooLarge(`of more than ${MEMBERS_MAX} members`);
  }
}

function tooLarge(what: string): AwsFault {
  return new AwsFault('SerializationException', `the local engine does not read a document ${what}`);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Throws when a JSON document goes beyond the bounds. Whether it is JSON at all, its parser says. */
export function boundJson(bytes: Uint8Array): void {
  if (bytes.length <= SMALL_BYTES) return;
  const count = new Count();
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        at = endOfText(bytes, at);
        break;
      case 0x5b: // [
      case 0x7b: // {
        count.container(++depth);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
        count.value();
        break;
      case 0x3a: // :
        count.member();
        break;
    }
  }
}

/** Where the text that begins at a quote ends. */
function endOfText(bytes: Uint8Array, quote: number): number {
  let at = quote + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}

/** Parses JSON that a caller sent as text, within the bounds of a request's body. Throws what `JSON.parse` throws. */
export function parseBoundedJson(text: string): unknown {
  try {
    boundJson(Buffer.from(text));
  } catch (error) {
    throw new SyntaxError((error as Error).message);
  }
  return JSON.parse(text);
}

const BYTES = 2;
const TEXT = 3;
const LIST = 4;
const MAP = 5;
const TAG = 6;
const EPOCH_SECONDS = 1;
const BREAK = 0xff;
const INDEFINITE = 31;

/**
 * Reads through a CBOR document without building it. A length that it states must be there, and the only tag is a
 * timestamp's, as in AWS's RPC v2 CBOR protocol: the parser reserves memory for what a length states, and other tags
 * are numbers of any size.
 */
export function boundCbor(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = new Count();
  /** How many items are still to come in each open container; in one that ends with a break, infinitely many. */
  const open: number[] = [];
  let at = 0;
  do {
    const head = view.getUint8(at++);
    if (head === BREAK) {
      if (open.pop() !== Number.POSITIVE_INFINITY) throw malformed();
    } else {
      const major = head >> 5;
      const minor = head & 0x1f;
      if (minor >= 28 && minor < INDEFINITE) throw malformed();
      const bytesOfLength = minor < 24 || minor === INDEFINITE ? 0 : 2 ** (minor - 24);
      const length = minor === INDEFINITE ? Number.POSITIVE_INFINITY : readLength(view, at, minor);
      at += bytesOfLength;
      count.value();
      if (open.length > 0) open[open.length - 1]! -= 1;
      const counted = major === BYTES || major === TEXT || major === LIST || major === MAP;
      if (counted && minor !== INDEFINITE && length > bytes.length - at) throw malformed();
      if (major === TAG) {
        if (length !== EPOCH_SECONDS) throw malformed();
        open.push(1);
      } else if (major === LIST || major === MAP || (counted && minor === INDEFINITE)) {
        open.push(major === MAP ? length * 2 : length);
        count.container(open.length);
      } else if (counted) at += length;
    }
    while (open.at(-1) === 0) open.pop();
  } while (open.length > 0);
}

function readLength(view: DataView, at: number, minor: number): number {
  switch (minor) {
    case 24:
      return view.getUint8(at);
    case 25:
      return view.getUint16(at);
    case 26:
      return view.getUint32(at);
    case 27:
      return Number(view.getBigUint64(at));
    default:
      return minor;
  }
}

function malformed(): RangeError {
  return new RangeError('malformed CBOR');
}

/** Reads a form of which it is known that it has few enough parameters. */
export function readForm(body: Buffer): URLSearchParams {
  if (occursMoreThan(body, '&', PARAMETERS_MAX - 1)) {
    throw new AwsFault(
      'MalformedInput',
      `the local engine does not read a form of more than ${PARAMETERS_MAX} parameters`,
    );
  }
  return new URLSearchParams(body.toString('utf8'));
}

/** Throws when an XML document has more tags, references or attributes than any call needs. */
export function boundXml(body: Buffer): void {
  if (['<', '&', '='].some((mark) => occursMoreThan(body, mark, MARKS_MAX))) {
    throw new AwsFault('MalformedXML', `the local engine does not read XML of more than ${MARKS_MAX} tags`);
  }
}

function occursMoreThan(body: Buffer, character: string, most: number): boolean {
  let found = 0;
  for (let at = body.indexOf(character); at >= 0; at = body.indexOf(character, at + 1)) {
    if (++found > most) return true;
  }
  return false;
}
