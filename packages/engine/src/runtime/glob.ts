/**
 * Regular expression for a file pattern, over whole relative paths with forward slashes.
 *
 * `*` and `?` stay within one path segment, `[a-z]` and `[^a-z]` match one character, `**` matches any number
 * of segments, a backslash takes the next character literally. This is what Go's `filepath.Match` does, which
 * Dockerfile and .dockerignore patterns follow, with `**` added as .dockerignore and buildspec artifacts have it.
 */
export function globToRegExp(pattern: string): RegExp {
  let source = '';
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index]!;
    if (character === '*') {
      if (pattern[index + 1] !== '*') {
        source += '[^/]*';
        continue;
      }
      index++;
      if (pattern[index + 1] === '/') {
        index++;
        source += '(?:[^/]+/)*';
      } else {
        source += '.*';
      }
    } else if (character === '?') {
      source += '[^/]';
    } else if (character === '[') {
      const end = pattern.indexOf(']', index + 2);
      if (end < 0) {
        source += '\\[';
        continue;
      }
      const body = pattern.slice(index + 1, end);
      const negated = /^[!^]/.test(body);
      source += `[${negated ? '^/' : ''}${(negated ? body.slice(1) : body).replace(/[\\\]^[]/g, '\\$&')}]`;
      index = end;
    } else {
      const literal = character === '\\' && index + 1 < pattern.length ? pattern[++index]! : character;
      source += literal.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
    }
  }
  return new RegExp(`^${source}$`, 's');
}

/** Whether the text has characters that make it a pattern rather than a plain path. */
export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}
