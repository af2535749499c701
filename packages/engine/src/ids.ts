import { randomBytes } from 'node:crypto';

/** Source of identifiers and chances. Injected, so that a simulated world draws the same ones from its seed. */
export interface Ids {
  uuid(): string;
  /** Lower-case hexadecimal of the given length. */
  hex(length: number): string;
  /** Upper-case letters and digits, as CloudFormation appends to generated names. */
  suffix(length: number): string;
  /** Uniform in [0, 1). */
  random(): number;
}

const SUFFIX_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

type Bytes = (count: number) => Uint8Array;

/** The same bytes for the same seed. */
function seededBytes(seed: number): Bytes {
  let state = seed;
  return (count) =>
    Uint8Array.from({ length: count }, () => {
      // Mulberry32.
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return (mixed ^ (mixed >>> 14)) >>> 24;
    });
}

/** Identifiers and chances derived from random bytes. */
export class ByteIds implements Ids {
  readonly #bytes: Bytes;
  readonly #chances: Bytes;

  constructor(bytes: Bytes = randomBytes, chances = bytes) {
    this.#bytes = bytes;
    this.#chances = chances;
  }

  /** The same identifiers and chances for the same seed, for tests. */
  static seeded(seed: number): ByteIds {
    return new ByteIds(seededBytes(seed));
  }

  /** Identifiers that nobody can guess, and the same chances for the same seed. */
  static withSeededChances(seed: number): ByteIds {
    return new ByteIds(randomBytes, seededBytes(seed));
  }

  uuid(): string {
    const bytes = Uint8Array.from(this.#bytes(16));
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const hex = Buffer.from(bytes).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  hex(length: number): string {
    return Buffer.from(this.#bytes(Math.ceil(length / 2)))
      .toString('hex')
      .slice(0, length);
  }

  suffix(length: number): string {
    return Array.from(this.#bytes(length), (byte) => SUFFIX_ALPHABET[byte % 32]).join('');
  }

  random(): number {
    return Buffer.from(this.#chances(6)).readUIntBE(0, 6) / 2 ** 48;
  }
}
