import type { StandardUnit } from '@aws-sdk/client-cloudwatch';

export type Unit = StandardUnit;

const SIZES = ['Bytes', 'Kilobytes', 'Megabytes', 'Gigabytes', 'Terabytes'] as const;
const BITS = ['Bits', 'Kilobits', 'Megabits', 'Gigabits', 'Terabits'] as const;
const AMOUNTS = [...SIZES, ...BITS, 'Count'] as const;

const UNITS: ReadonlySet<string> = new Set<Unit>([
  'Seconds',
  'Microseconds',
  'Milliseconds',
  'Percent',
  'None',
  ...AMOUNTS,
  ...AMOUNTS.map((amount) => `${amount}/Second` as const),
]);

/** Whether CloudWatch knows the unit. */
export function isUnit(value: unknown): value is Unit {
  return typeof value === 'string' && UNITS.has(value);
}
