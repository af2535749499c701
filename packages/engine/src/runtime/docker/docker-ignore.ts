import { posix } from 'node:path';
import { compileGlob } from '../glob.ts';

/** Whether a path relative to the build context is left out of the build. */
export type IgnoreRule = (path: string) => boolean;

/**
 * Reads a .dockerignore. As in Docker, the last matching line decides, `!` takes a path back in, a pattern is
 * cleaned as a path is and also matches everything below what it names, and a comment starts its line
 * (https://docs.docker.com/build/concepts/context/#dockerignore-files). Not by `@balena/dockerignore`: it ignores case
 * unless asked not to, and does not come back from a pattern of many stars. `ignore` follows git's rules.
 */
export function parseDockerIgnore(text: string): IgnoreRule {
  const rules = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const included = line.startsWith('!');
      const written = (included ? line.slice(1) : line).trim();
      const pattern = posix.normalize(written).replace(/^\/+/, '').replace(/\/+$/, '');
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
