import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../test/temporary-directory.ts';
import { confineLinkTarget, normaliseImagePath, resolveInRoot } from './rootfs-path.ts';

const segment = fc.constantFrom('a', 'b', '..', '.', '', 'link', 'up', 'absolute');
const path = fc.array(segment, { maxLength: 8 }).map((parts) => parts.join('/'));

test('a normalised path never climbs, and one that does is refused', () => {
  fc.assert(
    fc.property(path, (text) => {
      const normal = normaliseImagePath(text);
      expect(normal === undefined).toBe(text.split('/').includes('..'));
      if (normal !== undefined) expect(`/${normal}`).toBe(posix.resolve('/', text));
    }),
  );
});

test('no path and no link leads out of the root', () => {
  const root = join(temporaryDirectory(), 'root');
  mkdirSync(join(root, 'a/b'), { recursive: true });
  symlinkSync('../../../..', join(root, 'a/up'));
  symlinkSync('/a/../..', join(root, 'absolute'));
  symlinkSync('a/b', join(root, 'link'));
  fc.assert(
    fc.property(path, (text) => {
      expect(`${resolveInRoot(root, text)}${sep}`.startsWith(root + sep)).toBe(true);
    }),
  );
});

test('links mean what they mean in a container', () => {
  const root = temporaryDirectory();
  mkdirSync(join(root, 'app/v2'), { recursive: true });
  writeFileSync(join(root, 'app/v2/file'), '');
  symlinkSync('/app/v2', join(root, 'app/current'));
  symlinkSync('../../../app/current/file', join(root, 'app/deep'));
  expect(resolveInRoot(root, '/app/current/file')).toBe(join(root, 'app/v2/file'));
  expect(resolveInRoot(root, '/app/deep')).toBe(join(root, 'app/v2/file'));
  expect(resolveInRoot(root, '/app/current/new')).toBe(join(root, 'app/v2/new'));
});

test('a loop of links is an error', () => {
  const root = temporaryDirectory();
  symlinkSync('b', join(root, 'a'));
  symlinkSync('a', join(root, 'b'));
  expect(() => resolveInRoot(root, 'a/x')).toThrow(/Too many symbolic links/);
});

test('a confined link target is relative, and names what the original names below the root', () => {
  const target = fc
    .tuple(fc.boolean(), path)
    .map(([absolute, text]) => (absolute ? `/${text}` : text || '.'));
  fc.assert(
    fc.property(fc.stringMatching(/^[ab](\/[ab]){0,3}$/), target, (link, text) => {
      const confined = confineLinkTarget(link, text);
      const directory = posix.dirname(`/${link}`);
      expect(posix.isAbsolute(confined)).toBe(false);
      expect(posix.join('/root', directory, confined).replace(/\/$/, '')).toBe(
        `/root${posix.resolve(directory, text)}`.replace(/\/$/, ''),
      );
    }),
  );
});
