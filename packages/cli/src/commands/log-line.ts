/** Whose outcomes a line has. */
const LABELS = ['Track', 'Revision', 'TaskId', 'Version'] as const;

/** Numbers that say what a line is about or how the worker is, not what became of messages. */
const SURROUNDINGS: ReadonlySet<string> = new Set([
  'Sequence',
  'StartedAt',
  'From',
  'To',
  'EmptyReceives',
  'LoopLagMs',
  'MemoryMiB',
]);

/**
 * A log message as a person reads it: the lines in which workers report their outcomes become one short line with
 * the counts that are not zero; everything else stays as it is.
 */
export function logLine(message: string): string {
  const line = outcomeLine(message);
  if (line === undefined) return message;
  const counts = Object.entries(line)
    .filter(([name, value]) => typeof value === 'number' && value !== 0 && !SURROUNDINGS.has(name))
    .map(([name, value]) => `${name} ${value}`);
  const named = (['Errors', 'Counters'] as const).flatMap((field) =>
    Object.entries(line[field] ?? {}).map(([name, value]) => `${name} ${value}`),
  );
  const said = [...counts, ...named];
  const labels = LABELS.map((name) => line[name])
    .filter((value) => typeof value === 'string')
    .map((value) => value.slice(0, 8));
  return [
    `[${labels.join(' ')}]`,
    said.length > 0 ? said.join(', ') : 'nothing to report',
    ...(line.Final === true ? ['(its last)'] : []),
  ].join(' ');
}

function outcomeLine(message: string): Readonly<Record<string, unknown>> | undefined {
  if (!message.includes('"QueueCanary":"outcomes"')) return undefined;
  try {
    return JSON.parse(message) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
