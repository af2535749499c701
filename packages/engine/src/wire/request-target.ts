/** The path and the query of a request's target. Clients send any text, so nothing here throws. */
export function splitTarget(url: string | undefined): { readonly path: string; readonly query: string } {
  const target = url ?? '/';
  const mark = target.indexOf('?');
  return mark < 0
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** Undoes percent-encoding; `undefined` for text that is not validly encoded. */
export function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
