/**
 * Whether a text is the pieces in their order with anything between them: a pattern, split at its `*`. Each piece is
 * taken where it is first found, so the time does not grow with the number of `*`, as a regular expression's would.
 */
export function matchesPieces(pieces: readonly string[], text: string, find = indexOf): boolean {
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  if (pieces.length === 1) return text.length === first.length && find(text, first, 0) === 0;
  const end = text.length - last.length;
  if (end < first.length || find(text.slice(0, first.length), first, 0) !== 0) return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = find(text, piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= end && find(text.slice(end), last, 0) === 0;
}

const indexOf = (text: string, piece: string, from: number) => text.indexOf(piece, from);

/** Whether a text matches a pattern in which `*` stands for any characters and `?` for one. */
export function matchesWildcard(pattern: string, text: string): boolean {
  return matchesPieces(pattern.split('*'), text, pattern.includes('?') ? indexOfSimilar : indexOf);
}

/** Where a piece is found in which `?` stands for any character. */
function indexOfSimilar(text: string, piece: string, from: number): number {
  for (let start = from; start + piece.length <= text.length; start++) {
    let same = 0;
    while (same < piece.length && (piece[same] === '?' || piece[same] === text[start + same])) same++;
    if (same === piece.length) return start;
  }
  return -1;
}
