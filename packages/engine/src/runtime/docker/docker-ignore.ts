import { compileGlob } from '../glob.ts';

/** Whether a path relative to the build context is left out of the build. */
export type IgnoreRule = (path: string) => boolean;

/**
 * Reads a .dockerignore. As in Docker, the last matching line decides, `!` takes a path back in, and a
 * pattern also matches everything below what it names.
 */
export function parseDockerIgnore(text: string): IgnoreRule {
  const rules = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const included = line.startsWith('!');
      const pattern = (included ? line.slice(1) : line)
        .trim()
        .replace(/^\.?\//, '')
        .replace(/\/+$/, '');
      return { included, itself: compileGlob(pattern), below: compileGlob(`${pattern}/**`) };
    });
  return (path) => {
    let ignored = false;
    for (const rule of rules) {
      if (rule.itself.test(path) || rule.below.test(path)) ignored = !rule.included;
    }
    return ignored;
  };
}
