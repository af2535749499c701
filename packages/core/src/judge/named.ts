/** Amounts by name. Names are anybody's: one may be `constructor` or `__proto__`, which every object seems to have. */
export type Named<T> = Readonly<Record<string, T>>;

/** What goes by the name; undefined where nothing does. */
export function named<T>(all: Named<T> | undefined, name: string): T | undefined {
  return all !== undefined && Object.hasOwn(all, name) ? all[name] : undefined;
}

/** Both, name by name. */
export function addedNamed<T>(a: Named<T>, b: Named<T>, add: (a: T, b: T) => T): Named<T> {
  if (isEmpty(b)) return a;
  if (isEmpty(a)) return b;
  const sums = new Map(Object.entries(a));
  for (const [name, value] of Object.entries(b)) {
    const known = sums.get(name);
    sums.set(name, known === undefined ? value : add(known, value));
  }
  return Object.fromEntries(sums);
}

function isEmpty(record: object): boolean {
  for (const _ in record) return false;
  return true;
}
