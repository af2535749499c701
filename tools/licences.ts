/** Licences under which a dependency may be, by their SPDX names: permissive ones. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
]);

/** What only builds and tests use may be under these too, since nothing of it is published. */
const ALLOWED_OF_TOOLS = new Set([...ALLOWED, 'MPL-2.0']);

export interface Lockfile {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly version?: string;
        readonly license?: string;
        readonly link?: boolean;
        readonly dev?: boolean;
      }
    >
  >;
}

/** The packages of a lockfile whose licence is none of the allowed ones, each with its licence. */
export function forbiddenLicences({ packages }: Lockfile): string[] {
  return Object.entries(packages).flatMap(([path, { version, license, link, dev }]) => {
    const name = path.split('node_modules/').at(-1)!;
    if (!path.includes('node_modules/') || link) return [];
    return isAllowed(license, dev ? ALLOWED_OF_TOOLS : ALLOWED)
      ? []
      : [`${name} ${version}: ${license ?? 'no licence'}`];
  });
}

/** An expression such as `(MIT OR CC0-1.0)` leaves the choice; one with AND asks for both. */
function isAllowed(expression: string | undefined, allowed: ReadonlySet<string>): boolean {
  return (expression ?? '')
    .replace(/^\((.*)\)$/, '$1')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((licence) => allowed.has(licence)));
}
