import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineSplitter } from './line-splitter.ts';

function split(chunks: readonly Uint8Array[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

test('lines do not depend on where the output is cut, not even inside a character', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[^\r\n]*$/u)), fc.array(fc.nat(40)), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      const chunks: Buffer[] = [];
      let start = 0;
      for (const cut of cuts) {
        chunks.push(bytes.subarray(start, start + cut));
        start += cut;
      }
      expect(split([...chunks, bytes.subarray(start)])).toEqual(
        Buffer.from(lines.join('\n')).toString('utf8').split('\n').slice(0, lines.length),
      );
    }),
  );
});

test('a last line without an end counts, and a carriage return at the end does not', () => {
  expect(split([Buffer.from('a\r\nb\rc\n\nlast')])).toEqual(['a', 'b\rc', '', 'last']);
});

test('an endless line comes in pieces that fit a log event, and none of it is lost', () => {
  const text = 'x'.repeat(1_000_000);
  const pieces = split([Buffer.from(text)]);
  expect(pieces.join('')).toBe(text);
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(256 * 1024);
});
