import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RawEntry } from '../test/tar-layer.ts';
import { tarBytes, tarLayer } from '../test/tar-layer.ts';
import { temporaryDirectory } from '../test/temporary-directory.ts';
import { unpackLayers } from './unpack.ts';

async function unpack(...layers: readonly (readonly RawEntry[])[]): Promise<string> {
  const work = temporaryDirectory();
  const root = join(work, 'outer', 'root');
  mkdirSync(root, { recursive: true });
  await unpackLayers(
    layers.map((entries) => tarLayer(work, entries)),
    root,
  );
  return root;
}

/** Every file below the directory with its content. */
function tree(root: string, below = ''): Record<string, string> {
  const result: Record<string, string> = {};
  for (const name of readdirSync(join(root, below))) {
    const path = below === '' ? name : `${below}/${name}`;
    if (lstatSync(join(root, path)).isDirectory()) Object.assign(result, tree(root, path));
    else result[path] = readFileSync(join(root, path), 'utf8');
  }
  return result;
}

test('upper layers replace files, and whiteouts remove them', async () => {
  const root = await unpack(
    [
      { path: 'a', content: '1' },
      { path: 'd/x', content: '1' },
      { path: 'd/y', content: '1' },
    ],
    [{ path: 'a', content: '2' }, { path: 'd/.wh.x' }, { path: 'new/deep/z', content: '2' }],
  );
  expect(tree(root)).toEqual({ a: '2', 'd/y': '1', 'new/deep/z': '2' });
});

test('an opaque whiteout hides what is below, wherever it stands in the layer', async () => {
  const lower: RawEntry[] = [{ path: 'd/old' }, { path: 'd/sub/old' }, { path: 'other' }];
  const entries: RawEntry[] = [
    { path: 'd/new', content: '2' },
    { path: 'd/sub/new', content: '2' },
  ];
  const expected = { 'd/new': '2', 'd/sub/new': '2', other: '' };
  expect(tree(await unpack(lower, [{ path: 'd/.wh..wh..opq' }, ...entries]))).toEqual(expected);
  expect(tree(await unpack(lower, [...entries, { path: 'd/.wh..wh..opq' }]))).toEqual(expected);
});

test('a file may become a directory and the other way round', async () => {
  expect(
    tree(
      await unpack(
        [{ path: 'a' }],
        [
          { path: 'a', type: 'Directory' },
          { path: 'a/b', content: 'x' },
        ],
      ),
    ),
  ).toEqual({ 'a/b': 'x' });
  expect(tree(await unpack([{ path: 'a/b/c' }], [{ path: 'a', content: 'x' }]))).toEqual({ a: 'x' });
});

test.each(['../evil', 'a/../../evil', '/../evil', './a/./../../evil'])(
  'an entry "%s" that climbs out fails the image',
  async (path) => {
    await expect(unpack([{ path, content: 'x' }])).rejects.toThrow(/leads out of the image/);
  },
);

test('nothing is written through a symbolic link, and hard links stay inside', async () => {
  const through: RawEntry[] = [
    { path: 'l', type: 'SymbolicLink', linkpath: '../..' },
    { path: 'l/evil', content: 'x' },
  ];
  await expect(unpack(through)).rejects.toThrow(/writes below "l"/);
  await expect(unpack([through[0]!], [through[1]!])).rejects.toThrow(/writes below "l"/);
  await expect(unpack([{ path: 'h', type: 'Link', linkpath: '../../../etc/passwd' }])).rejects.toThrow(
    /leads out of the image/,
  );
  await expect(
    unpack([
      { path: 'l', type: 'SymbolicLink', linkpath: '/etc' },
      { path: 'h', type: 'Link', linkpath: 'l/passwd' },
    ]),
  ).rejects.toThrow(/links through "l"/);
});

test('whiteouts cannot remove anything outside either', async () => {
  await expect(unpack([{ path: '.wh...' }])).rejects.toThrow(/leads out of the image/);
  await expect(unpack([{ path: 'd/.wh.' }])).rejects.toThrow(/whiteout without a name/);
  await expect(
    unpack([{ path: 'l', type: 'SymbolicLink', linkpath: '../..' }], [{ path: 'l/.wh.outer' }]),
  ).rejects.toThrow(/through "l"/);
});

test('links are written so that they stay inside the root', async () => {
  const root = await unpack([
    { path: 'app/v1', type: 'Directory' },
    { path: 'app/current', type: 'SymbolicLink', linkpath: '/app/v1' },
    { path: 'app/up', type: 'SymbolicLink', linkpath: '../../../../etc/passwd' },
  ]);
  expect(readlinkSync(join(root, 'app/current'))).toBe('v1');
  expect(readlinkSync(join(root, 'app/up'))).toBe('../etc/passwd');
});

test('a file replaces a link instead of writing through it', async () => {
  const root = await unpack(
    [
      { path: 'target', content: 'keep' },
      { path: 'l', type: 'SymbolicLink', linkpath: 'target' },
    ],
    [{ path: 'l', content: 'new' }],
  );
  expect(tree(root)).toEqual({ target: 'keep', l: 'new' });
});

test('modes are kept without set-id bits, hard links share content, devices are left out', async () => {
  const root = await unpack([
    { path: 'x', content: 'text', mode: 0o4755 },
    { path: 'y', type: 'Link', linkpath: 'x' },
    { path: 'dev/null', type: 'CharacterDevice' },
  ]);
  expect(lstatSync(join(root, 'x')).mode & 0o7777).toBe(0o755);
  expect(readFileSync(join(root, 'y'), 'utf8')).toBe('text');
  expect(existsSync(join(root, 'dev/null'))).toBe(false);
});

test('a damaged or truncated layer is an error, not half an image', async () => {
  const work = temporaryDirectory();
  const write = (name: string, content: Uint8Array, mediaType = 'x+gzip') => {
    writeFileSync(join(work, name), content);
    return [{ path: join(work, name), mediaType, digest: 'sha256:x' }];
  };
  const whole = readFileSync(tarLayer(work, [{ path: 'a', content: 'x'.repeat(5000) }]).path);
  await expect(unpackLayers(write('short', whole.subarray(0, whole.length - 30)), work)).rejects.toThrow(
    /cannot be unpacked/,
  );
  const plain = tarBytes([{ path: 'a', content: 'x'.repeat(5000) }]);
  await expect(unpackLayers(write('cut', plain.subarray(0, 2000), 'x.tar'), work)).rejects.toThrow(
    /cannot be unpacked/,
  );
  await expect(
    unpackLayers(
      write('garbage', Buffer.concat([plain.subarray(0, 1024), Buffer.alloc(300_000, 7)]), 'x.tar'),
      work,
    ),
  ).rejects.toThrow(/cannot be unpacked/);
  await expect(unpackLayers(write('zstd', whole, 'x+zstd'), work)).rejects.toThrow(/compressed with zstd/);
});

test('layers merge as a plain model of sets says', async () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const file = fc
    .tuple(fc.array(name, { minLength: 1, maxLength: 3 }), fc.stringMatching(/^[a-z]{0,4}$/))
    .map(([parts, content]) => ({ kind: 'file' as const, path: parts.join('/'), content }));
  const removal = fc
    .array(name, { minLength: 1, maxLength: 3 })
    .map((parts) => ({ kind: 'remove' as const, path: parts.join('/') }));
  const layers = fc.array(fc.array(fc.oneof(file, removal), { maxLength: 5 }), {
    minLength: 1,
    maxLength: 3,
  });
  await fc.assert(
    fc.asyncProperty(layers, async (input) => {
      const model = new Map<string, string>();
      const raw = input.map((changes) => {
        // Within one layer a path is written once, and no file lies below another, as in any real layer.
        const files = new Map<string, string>();
        for (const change of changes) {
          const clash = [...files.keys()].some((other) => related(other, change.path));
          if (change.kind === 'file' && !clash) files.set(change.path, change.content);
        }
        // A whiteout below something that is a file by then is meaningless.
        const removals = changes.filter(
          ({ kind, path }) =>
            kind === 'remove' &&
            ![...files.keys()].some((other) => related(other, path)) &&
            ![...model.keys()].some((other) => path.startsWith(`${other}/`)),
        );
        for (const { path } of removals) removeFrom(model, path);
        for (const [path, content] of files) {
          removeFrom(model, path);
          for (const other of [...model.keys()]) if (path.startsWith(`${other}/`)) model.delete(other);
          model.set(path, content);
        }
        return [
          ...removals.map(({ path }) => ({ path: path.replace(/[^/]+$/, '.wh.$&') })),
          ...[...files].flatMap(([path, content]) => [
            ...parents(path).map((parent) => ({ path: `${parent}/`, type: 'Directory' as const })),
            { path, content },
          ]),
        ];
      });
      expect(tree(await unpack(...raw))).toEqual(Object.fromEntries(model));
    }),
    { numRuns: 60 },
  );
});

function related(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}

function removeFrom(model: Map<string, string>, path: string): void {
  for (const other of [...model.keys()])
    if (other === path || other.startsWith(`${path}/`)) model.delete(other);
}

function parents(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

test('layers that hold more than there is room for are refused', async () => {
  const work = temporaryDirectory();
  const layer = tarLayer(work, [{ path: 'zeros', content: '\0'.repeat(1_000_000) }, { path: 'more' }]);
  await expect(unpackLayers([layer], temporaryDirectory(), { maxBytes: 999_999 })).rejects.toThrow(
    /^The layers hold more than 20 GiB when unpacked/,
  );
  await expect(unpackLayers([layer], temporaryDirectory(), { maxEntries: 1 })).rejects.toThrow(
    /^The layers hold more than 500000 files/,
  );
  const room = { maxBytes: 1_000_000, maxEntries: 2 };
  await expect(unpackLayers([layer], temporaryDirectory(), room)).resolves.toBeUndefined();
  await expect(unpackLayers([layer, layer], temporaryDirectory(), room)).rejects.toThrow();
});

test('a file is written as it comes, not held in memory until it is complete', async () => {
  const work = temporaryDirectory();
  const path = join(work, 'half');
  const whole = tarBytes([{ path: 'zeros', content: '\0'.repeat(10_000_000) }]);
  writeFileSync(path, whole.subarray(0, whole.length / 2));
  const layer = { path, digest: 'sha256:half', mediaType: 'application/vnd.oci.image.layer.v1.tar' };
  const root = temporaryDirectory();
  await expect(unpackLayers([layer], root)).rejects.toThrow(/^Layer sha256:half cannot be unpacked/);
  expect(lstatSync(join(root, 'zeros')).size).toBeGreaterThan(4_000_000);
});
