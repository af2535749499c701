import type { Manifest } from './packages.ts';

/** Why the packages cannot be released as they are: they have one version, and the changelog a section for it. */
export function releaseProblems(
  packages: ReadonlyArray<Pick<Manifest, 'name' | 'version' | 'dependencies'>>,
  changelog: string,
): string[] {
  const version = packages[0]!.version;
  const versions = new Map(packages.map((each) => [each.name, each.version]));
  const others = packages
    .filter((each) => each.version !== version)
    .map(
      (each) =>
        `${each.name} has version ${each.version}, ${packages[0]!.name} ${version}: give all the same`,
    );
  const stale = packages.flatMap(({ name, dependencies = {} }) =>
    Object.entries(dependencies)
      .filter(([of, range]) => versions.has(of) && range !== versions.get(of))
      .map(([of, range]) => `${name} depends on ${of} ${range}, which is ${versions.get(of)} now`),
  );
  const entry = sectionOf(changelog, version);
  const missing =
    entry === undefined || entry.trim() === ''
      ? [
          `CHANGELOG.md says nothing of ${version}: give what is under "## Unreleased" the heading "## ${version}"`,
        ]
      : [];
  return [...others, ...stale, ...missing];
}

/** The text under the heading of a version. */
function sectionOf(changelog: string, version: string): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  return sections.find((text) => text.split(/\s/)[0] === version)?.replace(/^.*$/m, '');
}
