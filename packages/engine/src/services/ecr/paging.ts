import { AwsFault } from '../../errors.ts';

const DEFAULT_PAGE = 100;
const LARGEST_PAGE = 1000;

/** One page of a list; the token is the position at which the next page begins. */
export function page<T>(
  all: readonly T[],
  { nextToken, maxResults }: { nextToken?: string | undefined; maxResults?: number | undefined },
): { items: T[]; nextToken: string | undefined } {
  const from = nextToken === undefined ? 0 : Number(nextToken);
  if (!Number.isInteger(from) || from < 0) {
    throw new AwsFault('InvalidParameterException', 'nextToken must be that of an earlier reply.');
  }
  const end = from + Math.min(Math.max(maxResults ?? DEFAULT_PAGE, 1), LARGEST_PAGE);
  return { items: all.slice(from, end), nextToken: end < all.length ? String(end) : undefined };
}
