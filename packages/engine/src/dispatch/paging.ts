/** One page of a listing. */
export interface Page<T> {
  readonly items: T[];
  /** Token of the next page; absent on the last one. */
  readonly next: string | undefined;
}

/**
 * Cuts a page out of a listing. Tokens say how many items came before, so items that vanish between two
 * calls may make a reader skip as many.
 *
 * @param invalidToken makes the error for a token that this engine never issued
 */
export function page<T>(
  items: readonly T[],
  token: string | undefined,
  limit: number,
  invalidToken: () => Error,
): Page<T> {
  let from = 0;
  if (token !== undefined && token !== '') {
    const match = /^after-(\d+)$/.exec(Buffer.from(token, 'base64url').toString('latin1'));
    if (!match) throw invalidToken();
    from = Number(match[1]);
  }
  const to = from + limit;
  return {
    items: items.slice(from, to),
    next: to < items.length ? Buffer.from(`after-${to}`).toString('base64url') : undefined,
  };
}

/** The paging of a service whose lists take `nextToken` and `maxResults`; sizes out of bounds are cut to fit. */
export function pager({
  largest,
  usual,
  invalidToken,
}: {
  readonly largest: number;
  /** Size of a page when the caller asks for none. */
  readonly usual: number;
  readonly invalidToken: () => Error;
}) {
  return <T>(
    all: readonly T[],
    { nextToken, maxResults }: { nextToken?: string | undefined; maxResults?: number | undefined },
  ): { items: T[]; nextToken: string | undefined } => {
    const { items, next } = page(
      all,
      nextToken,
      Math.min(Math.max(maxResults ?? usual, 1), largest),
      invalidToken,
    );
    return { items, nextToken: next };
  };
}
