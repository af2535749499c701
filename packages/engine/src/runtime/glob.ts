/** A character that a part of a pattern takes. */
type Taken = (character: string) => boolean;

/** One part of a pattern: what it takes, and where matching goes on, counted from this part. */
interface Part {
  readonly takes: Taken;
  readonly to: number;
  /** A part that may as well be skipped: where matching goes on then. */
  readonly skip?: number;
  /** Ends a run of characters that it takes, and goes back. */
  readonly back?: number;
}

/** A compiled file pattern. */
export interface Glob {
  test(path: string): boolean;
}

const notSlash: Taken = (character) => character !== '/';
const anything: Taken = () => true;

/**
 * Compiles a file pattern, over whole relative paths with forward slashes.
 *
 * `*` and `?` stay within one path segment, `[a-z]` and `[^a-z]` match one character, `**` matches any number
 * of segments, a backslash takes the next character literally. This is what Go's `filepath.Match` does, which
 * Dockerfile and .dockerignore patterns follow, with `**` added as .dockerignore and buildspec artifacts have it.
 *
 * All ways through the pattern are followed at once, one character after the other: a regular expression would try
 * them one after the other, and does not come back from a pattern of many stars.
 */
export function compileGlob(pattern: string): Glob {
  const parts = parse(pattern);
  return { test: (path) => run(parts, path) };
}

function run(parts: readonly Part[], path: string): boolean {
  /** In which step each part was last reached, so that it is followed once a step. */
  const reached = new Int32Array(parts.length + 1).fill(-1);
  const enter = (states: number[], at: number, step: number): void => {
    for (let state: number | undefined = at; state !== undefined && reached[state] !== step; ) {
      reached[state] = step;
      states.push(state);
      const skip: number | undefined = parts[state]?.skip;
      state = skip === undefined ? undefined : state + skip;
    }
  };
  let now: number[] = [];
  enter(now, 0, 0);
  for (let step = 1; step <= path.length && now.length > 0; step++) {
    const character = path[step - 1]!;
    const next: number[] = [];
    for (const state of now) {
      const part = parts[state];
      if (part?.takes(character)) enter(next, state + part.to, step);
      else if (part?.back !== undefined && character === '/') enter(next, state + part.back, step);
    }
    now = next;
  }
  return now.includes(parts.length);
}

function parse(pattern: string): Part[] {
  const parts: Part[] = [];
  const one = (takes: Taken) => parts.push({ takes, to: 1 });
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index]!;
    if (character === '*') {
      if (pattern[index + 1] !== '*') {
        parts.push({ takes: notSlash, to: 0, skip: 1 });
        continue;
      }
      index++;
      if (pattern[index + 1] === '/') {
        index++;
        // Whole segments with their slash, any number of them: the first character of one, and the rest of it.
        parts.push({ takes: notSlash, to: 1, skip: 2 }, { takes: notSlash, to: 0, back: -1 });
      } else {
        parts.push({ takes: anything, to: 0, skip: 1 });
      }
    } else if (character === '?') {
      one(notSlash);
    } else if (character === '[') {
      const end = pattern.indexOf(']', index + 2);
      if (end < 0) {
        one((taken) => taken === '[');
        continue;
      }
      one(characterClass(pattern.slice(index + 1, end)));
      index = end;
    } else {
      const literal = character === '\\' && index + 1 < pattern.length ? pattern[++index]! : character;
      one((taken) => taken === literal);
    }
  }
  return parts;
}

function characterClass(body: string): Taken {
  const negated = /^[!^]/.test(body);
  const wanted = negated ? body.slice(1) : body;
  const ranges: Array<readonly [from: string, to: string]> = [];
  for (let at = 0; at < wanted.length; at++) {
    const from = wanted[at]!;
    if (wanted[at + 1] === '-' && at + 2 < wanted.length) {
      ranges.push([from, wanted[at + 2]!]);
      at += 2;
    } else ranges.push([from, from]);
  }
  const within: Taken = (character) => ranges.some(([from, to]) => from <= character && character <= to);
  return negated ? (character) => character !== '/' && !within(character) : within;
}

/** Whether the text has characters that make it a pattern rather than a plain path. */
export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}
