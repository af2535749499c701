/** Limits that a service sets on the names that CloudFormation generates for it. */
export interface PhysicalNameOptions {
  /** Longest name that the service accepts. @default 255 */
  readonly longest?: number;
  /** Names of the service are lower case. @default false */
  readonly lowerCase?: boolean;
  /** What comes first instead of the stack's name; empty for none. @default - the stack's name */
  readonly prefix?: string;
}

/**
 * `<stack>-<logicalId>-<suffix>`, shortened to the limit by cutting stack name and logical id while the
 * suffix, which makes the name unique, stays whole.
 */
export function physicalName(
  stackName: string,
  logicalId: string,
  suffix: string,
  options: PhysicalNameOptions = {},
): string {
  const longest = options.longest ?? 255;
  const prefix = options.prefix ?? stackName;
  const parts = prefix === '' ? [logicalId] : [prefix, logicalId];
  const room = longest - suffix.length - parts.length;
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  if (total > room && parts.length === 2) {
    const half = Math.floor(room / 2);
    const first = Math.max(half, room - logicalId.length);
    parts[0] = prefix.slice(0, first);
    parts[1] = logicalId.slice(0, room - parts[0].length);
  } else if (total > room) parts[0] = logicalId.slice(0, room);
  const name = [...parts, suffix].join('-');
  return options.lowerCase ? name.toLowerCase() : name;
}
