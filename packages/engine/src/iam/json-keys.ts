const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** The first key that one object of a valid JSON text has twice: a parser would keep the last and say nothing. */
export function repeatedKey(json: string): string | undefined {
  const objects: Array<Set<string> | undefined> = [];
  let previous = '';
  for (const [token] of json.matchAll(TOKENS)) {
    const keys = objects.at(-1);
    if (token === '{') objects.push(new Set());
    else if (token === '[') objects.push(undefined);
    else if (token === '}' || token === ']') objects.pop();
    else if (token === ':' && keys !== undefined) {
      const key = JSON.parse(previous) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
    previous = token;
  }
  return undefined;
}
