import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HttpReplyReader } from './http-reply.ts';

const lines = (...all: string[]) => all.join('\r\n');

/** A reply, read in pieces; `undefined` where it is not complete. */
function read(bytes: Buffer, cuts: readonly number[] = []) {
  const reader = new HttpReplyReader();
  const places = [...cuts.map((cut) => cut % bytes.length), bytes.length].sort((a, b) => a - b);
  let complete = false;
  let from = 0;
  for (const to of places) {
    if (to === from || complete) continue;
    complete = reader.take(bytes.subarray(from, to));
    from = to;
  }
  const { status, date, reusable, keptForMs } = reader;
  return { complete: complete || reader.end(), text: reader.text(), status, date, reusable, keptForMs };
}

const body = '{"Messages":[{"Body":"größe \u{1F600}"}]}';
const bytes = Buffer.byteLength(body);

const replies: ReadonlyArray<readonly [string, string, object]> = [
  [
    'with a length',
    lines(
      'HTTP/1.1 200 OK',
      'Date: Sat, 21 Nov 2026 04:00:00 GMT',
      `Content-Length:${bytes}  `,
      'x-empty:',
      '',
      body,
    ),
    { status: 200, text: body, reusable: true, date: 'Sat, 21 Nov 2026 04:00:00 GMT' },
  ],
  [
    'in chunks',
    lines(
      'HTTP/1.1 200 OK',
      'Transfer-Encoding: Chunked',
      '',
      '5;name="value"',
      'hello',
      'A ',
      ' to you an',
      '0',
      'trailer: ignored',
      '',
      '',
    ),
    { status: 200, text: 'hello to you an', reusable: true },
  ],
  [
    'whose chunks are empty',
    lines('HTTP/1.1 500 Internal Server Error', 'transfer-encoding: chunked', '', '0', '', ''),
    { status: 500, text: '', reusable: true },
  ],
  [
    'that ends with the connection',
    lines('HTTP/1.1 502 Bad Gateway', '', '<html>'),
    { status: 502, text: '<html>', reusable: false },
  ],
  [
    'after interim replies',
    lines('HTTP/1.1 100 Continue', '', 'HTTP/1.1 103 Early Hints', 'link: </x>', '', '') +
      lines('HTTP/1.1 403 Forbidden', 'content-length: 2', '', 'no'),
    { status: 403, text: 'no', reusable: true },
  ],
  ['without a body', lines('HTTP/1.1 204', '', ''), { status: 204, text: '', reusable: true }],
  [
    'with an empty body',
    lines('HTTP/1.1 200 OK', 'content-length: 0', '', ''),
    { status: 200, text: '', reusable: true },
  ],
  [
    'of a server that closes',
    lines('HTTP/1.1 200 OK', 'Connection: Close', 'content-length: 2', '', '{}'),
    { status: 200, text: '{}', reusable: false },
  ],
  [
    'of an old server',
    lines('HTTP/1.0 200 OK', 'content-length: 2', '', '{}'),
    { status: 200, text: '{}', reusable: false },
  ],
  [
    'of an old server that keeps connections',
    lines('HTTP/1.0 200 OK', 'connection: keep-alive', 'content-length: 2', '', '{}'),
    { status: 200, text: '{}', reusable: true },
  ],
  [
    'of a server that says how long it keeps connections',
    lines('HTTP/1.1 200 OK', 'Keep-Alive: max=9, timeout=5', 'content-length: 2', '', '{}'),
    { status: 200, keptForMs: 5_000 },
  ],
  [
    'with a length alongside its chunks',
    lines('HTTP/1.1 200 OK', 'content-length: 99', 'transfer-encoding: chunked', '', '2', '{}', '0', '', ''),
    { status: 200, text: '{}', reusable: false },
  ],
  [
    'with more behind it',
    lines('HTTP/1.1 200 OK', 'content-length: 2', '', '{}HTTP/1.1 200 OK'),
    { status: 200, text: '{}' },
  ],
];

test.each(replies)('a reply %s is read', (_what, text, expected) => {
  expect(read(Buffer.from(text))).toMatchObject({ complete: true, ...expected });
});

test('however its bytes are cut, a reply is the same', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...replies.map(([, text]) => text)),
      fc.array(fc.nat(), { maxLength: 30 }),
      (text, cuts) => {
        const whole = read(Buffer.from(text));
        const cut = read(Buffer.from(text), cuts);
        // Bytes behind a reply may arrive only after it is complete.
        expect({ ...cut, reusable: true }).toEqual({ ...whole, reusable: true });
      },
    ),
  );
});

test('bytes behind a reply cost the connection, whether it has a length or chunks', () => {
  const sized = lines('HTTP/1.1 200 OK', 'content-length: 2', '', '{}!');
  const chunked = lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '2', '{}', '0', '', '!');
  expect(read(Buffer.from(sized))).toMatchObject({ text: '{}', reusable: false });
  expect(read(Buffer.from(chunked))).toMatchObject({ text: '{}', reusable: false });
});

test('a reply of which a part is missing is not complete, wherever it breaks off', () => {
  for (const text of [replies[0]![1], replies[1]![1]]) {
    const all = Buffer.from(text);
    for (let length = 1; length < all.length; length++) {
      expect(read(all.subarray(0, length)).complete, `after ${length} bytes`).toBe(false);
    }
  }
});

test.each([
  ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
  ['HTTP/2', 'HTTP/2 200\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a change of protocol', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ['a folded header', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n'],
  ['a blank before the colon', 'HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\n{}'],
  ['a negative length', 'HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} '],
  ['compressed chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n'],
  ['a chunk of no size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n'],
  ['a chunk beyond its size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n'],
  ['an endless head', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`],
  ['an endless chunk size', `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;${'x'.repeat(5_000)}`],
])('%s is no reply', (_what, text) => {
  expect(() => read(Buffer.from(text))).toThrow(/no HTTP\/1.1 reply/);
});
