/** How the AWS CLI prints an answer: `json`, or `text` for scripts. */
export function formatOutput(data: unknown, output: 'json' | 'text'): string {
  if (output === 'json') return JSON.stringify(data ?? null, null, 4);
  const lines: string[] = [];
  printText(data, undefined, undefined, lines);
  return lines.join('\n');
}

/**
 * Values of one level stand on one line, separated by tabs and in the order of their names; what is nested follows on
 * lines of its own, which begin with the name in capitals
 * (https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-output-format.html#text-output).
 */
function printText(
  item: unknown,
  name: string | undefined,
  columns: readonly string[] | undefined,
  lines: string[],
): void {
  if (Array.isArray(item)) printList(item, name, lines);
  else if (isRecord(item)) {
    const line = name === undefined ? [] : [name.toUpperCase()];
    const scalars = columns ?? Object.keys(item).filter((key) => isScalar(item[key]));
    line.push(...[...scalars].sort().map((key) => (Object.hasOwn(item, key) ? scalarText(item[key]) : '')));
    if (scalars.length > 0) lines.push(line.join('\t'));
    for (const key of Object.keys(item).sort())
      if (!isScalar(item[key]) && !scalars.includes(key)) printText(item[key], key, undefined, lines);
  } else lines.push(scalarText(item));
}

function printList(list: readonly unknown[], name: string | undefined, lines: string[]): void {
  const records = list.filter(isRecord);
  if (records.length > 0) {
    const columns = [
      ...new Set(records.flatMap((item) => Object.keys(item).filter((key) => isScalar(item[key])))),
    ];
    for (const item of list) printText(item, name, columns, lines);
    return;
  }
  const scalars = list.filter(isScalar);
  if (name !== undefined) lines.push(...scalars.map((item) => `${name.toUpperCase()}\t${scalarText(item)}`));
  else if (scalars.length > 0) lines.push(scalars.map(scalarText).join('\t'));
  for (const item of list) if (!isScalar(item)) printText(item, name, undefined, lines);
}

function scalarText(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return String(value);
}

function isScalar(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
