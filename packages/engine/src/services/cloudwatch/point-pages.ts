import { AwsFault } from '../../errors.ts';

type Point = readonly [atMs: number, value: number];

/** One series of a reply, oldest point first. */
interface Result {
  readonly id: string;
  readonly label: string;
  readonly points: readonly Point[];
}

/** What a page shows of a series, in the order asked for; `complete` when no later page has more of it. */
interface Shown extends Result {
  readonly complete: boolean;
}

/** Where a page begins: after a point of one result, or at a result's beginning. */
interface Place {
  readonly index: number;
  readonly afterMs: number | undefined;
}

/**
 * A page of `limit` points over several series, in their order. Series that earlier pages completed are left out.
 *
 * Its token names a series and an instant, not a number of points, so that values which arrive between two
 * calls neither repeat nor hide others.
 */
export function pageOfPoints(
  results: readonly Result[],
  descending: boolean,
  token: string | undefined,
  limit: number,
): { shown: Shown[]; next: string | undefined } {
  const place = token === undefined ? { index: 0, afterMs: undefined } : placeOf(token);
  const shown: Shown[] = [];
  let next: string | undefined;
  let room = limit;
  for (const [index, { id, label, points }] of results.entries()) {
    if (index < place.index) continue;
    const ordered = descending ? points.toReversed() : points;
    const left =
      index === place.index ? ordered.filter(([atMs]) => isAfter(atMs, place, descending)) : ordered;
    const taken = left.slice(0, room);
    const complete = next === undefined && taken.length === left.length;
    if (!complete) next ??= tokenOf({ index, afterMs: taken.at(-1)?.[0] });
    room -= taken.length;
    shown.push({ id, label, points: taken, complete });
  }
  return { shown, next };
}

function isAfter(atMs: number, { afterMs }: Place, descending: boolean): boolean {
  return afterMs === undefined || (descending ? atMs < afterMs : atMs > afterMs);
}

function tokenOf({ index, afterMs }: Place): string {
  return Buffer.from(`${index}:${afterMs ?? ''}`).toString('base64url');
}

function placeOf(token: string): Place {
  const match = /^(\d+):(\d*)$/.exec(Buffer.from(token, 'base64url').toString('latin1'));
  if (!match) throw new AwsFault('InvalidNextToken', 'The next token is invalid.');
  return { index: Number(match[1]), afterMs: match[2] === '' ? undefined : Number(match[2]) };
}
