import { AwsFault } from '../../errors.ts';

const LARGEST_PAGE = 100;

/** One page of a list; the token is the position at which the next page begins. */
export function page<T>(
  all: readonly T[],
  { nextToken, maxResults }: { nextToken?: string | undefined; maxResults?: number | undefined },
): { items: T[]; nextToken: string | undefined } {
  const from = nextToken === undefined ? 0 : Number(nextToken);
  if (!Number.isInteger(from) || from < 0) {
    throw new AwsFault(
      'InvalidParameterException',
      'Invalid token: it must be the nextToken of an earlier reply.',
    );
  }
  const size = Math.min(Math.max(maxResults ?? LARGEST_PAGE, 1), LARGEST_PAGE);
  const end = from + size;
  return { items: all.slice(from, end), nextToken: end < all.length ? String(end) : undefined };
}
