import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MarkedOutput } from './marked-output.ts';

const MARKER = '\u0001abcabd';

test('however the bytes are cut, lines and markers come whole and in their order', () => {
  const piece = fc.constantFrom(
    'one',
    '\n',
    '\u0001',
    '\u0001abcab',
    'é',
    `${MARKER} ended 0\n`,
    `${MARKER} exit 1\n`,
  );
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.nat(8)), (pieces, cuts) => {
      const whole = Buffer.from(`${pieces.join('')}${MARKER} last\n`);
      const read = (chunks: readonly Buffer[]) => {
        const seen: string[] = [];
        const output = new MarkedOutput(
          MARKER,
          (line) => seen.push(line),
          (text) => seen.push(`<${text}>`),
        );
        for (const chunk of chunks) output.push(chunk);
        return seen;
      };
      const chunks: Buffer[] = [];
      let at = 0;
      for (const cut of cuts) {
        chunks.push(whole.subarray(at, at + cut));
        at += cut;
      }
      const seen = read([...chunks, whole.subarray(at)]);
      expect(seen).toEqual(read([whole]));
      expect(seen.filter((text) => text.startsWith('<'))).toHaveLength(
        whole.toString().split(MARKER).length - 1,
      );
    }),
  );
});
