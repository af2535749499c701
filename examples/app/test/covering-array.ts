/** The values that each option can have. */
export type Options = Readonly<Record<string, readonly string[]>>;

/**
 * Few combinations of options, in which each value of an option meets each value of every other at least once.
 *
 * Greedy: each row begins with a pair that has not been met, and every other option gets the value that meets the most.
 */
export function coveringArray(options: Options): Readonly<Record<string, string>>[] {
  const names = Object.keys(options);
  const unmet = new Set(
    names.flatMap((a, i) =>
      names.slice(i + 1).flatMap((b) => options[a]!.flatMap((x) => options[b]!.map((y) => pair(a, x, b, y)))),
    ),
  );
  const rows: Record<string, string>[] = [];
  for (let [first] = unmet; first !== undefined; [first] = unmet) {
    const row = Object.fromEntries(JSON.parse(first) as [string, string][]);
    const meets = (name: string, value: string) =>
      Object.entries(row).filter(([other, chosen]) => unmet.has(pair(name, value, other, chosen))).length;
    for (const name of names.filter((each) => !(each in row))) {
      const [best] = [...options[name]!].sort((x, y) => meets(name, y) - meets(name, x));
      row[name] = best!;
    }
    const chosen = Object.entries(row);
    for (const [a, x] of chosen) for (const [b, y] of chosen) unmet.delete(pair(a, x, b, y));
    rows.push(row);
  }
  return rows;
}

function pair(a: string, x: string, b: string, y: string): string {
  return JSON.stringify(
    [
      [a, x],
      [b, y],
    ].sort(([one = ''], [other = '']) => (one < other ? -1 : 1)),
  );
}
