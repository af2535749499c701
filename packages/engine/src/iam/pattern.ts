/*
 * Patterns of policies, whose wildcards may stop at a colon: in an ARN they stand for nothing beyond their part. So a piece
 * cannot be taken where it is first found, as `wildcard.ts` does. The steps are at most as many as the lengths of text and
 * pattern multiply to, whatever a caller writes.
 */

/** Stands for characters of a text: one, or any number of them. */
export interface Wildcard {
  readonly many: boolean;
  /** A character for which it does not stand. */
  readonly except?: string;
}

/** Characters, each for itself, and wildcards. */
export type Pattern = ReadonlyArray<string | Wildcard>;

export const ANY: Wildcard = { many: true };
export const ONE: Wildcard = { many: false };

/** Reads `*` (any characters) and `?` (one character); the rest stands for itself. */
export function readPattern(text: string): Pattern {
  return [...text].map((character) => (character === '*' ? ANY : character === '?' ? ONE : character));
}

/** Whether the whole text matches the pattern. */
export function matches(pattern: Pattern, text: string): boolean {
  let begin = 0;
  const characters = [...text];
  while (begin < pattern.length && pattern[begin] === characters[begin]) begin++;
  if (begin === pattern.length) return begin === characters.length;
  // Every place of the pattern that what was read so far can have led to.
  let places = follow(pattern, new Set([begin]));
  for (const character of characters.slice(begin)) {
    const next = new Set<number>();
    for (const place of places) {
      const token = pattern[place];
      if (token === undefined) continue;
      if (typeof token === 'string') {
        if (token === character) next.add(place + 1);
      } else if (token.except !== character) next.add(token.many ? place : place + 1);
    }
    if (next.size === 0) return false;
    places = follow(pattern, next);
  }
  return places.has(pattern.length);
}

/** Adds the places behind wildcards that may stand for nothing. */
function follow(pattern: Pattern, places: Set<number>): Set<number> {
  for (const place of places) {
    const token = pattern[place];
    if (typeof token === 'object' && token.many) places.add(place + 1);
  }
  return places;
}
