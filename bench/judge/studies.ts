import { BAKE_MS, type Run } from './release.ts';
import {
  badReleases,
  goodReleases,
  lateReleases,
  marginalReleases,
  type Scenario,
  worldsOf,
} from './scenarios.ts';
import { isTimed, type World, withGoodVersion } from './world.ts';

/** Many releases into one world. */
export interface Study {
  readonly group: Group;
  readonly world: World;
  /** After how many of them the results are looked at; the last is all there are. */
  readonly looks: readonly number[];
  readonly until: Run['until'];
  /** How much work a release is, about, in milliseconds. */
  readonly cost: number;
}

/** `promoted` are good releases next to the `marginal` ones, `early` bad ones next to the `late`. */
export type Group = 'good' | 'bad' | 'early' | 'late' | 'marginal' | 'promoted';

/** How many releases of a world are simulated. */
export interface Sizes {
  /** Good ones, look by look. */
  readonly good: readonly number[];
  readonly bad: number;
}

/**
 * A whole run. Most worlds have shown after 500 good releases that at most 1.3 % are rolled back; only the others need
 * more.
 */
export const WHOLE: Sizes = { good: [500, 2000, 8000], bad: 1000 };

/** So many releases of a world are judged by the comparators as well: theirs are not close calls. */
export const IN_FULL = 300;

/** False promotions come so close to their limit that telling takes more releases. */
const MARGINAL_TIMES = 2;

/** All studies whose worlds' names contain `only`. */
export function studies({ good, bad }: Sizes, quick: boolean, only: string): Study[] {
  const study = (
    group: Group,
    until: Run['until'],
    releases: number | readonly number[],
    world: World,
  ): Study => {
    const share = until === 'whole' ? 1 : until === 'promoted' ? 0.3 : 0.2;
    return { group, world, looks: [releases].flat(), until, cost: share * costOf(world) };
  };
  const isWanted = ({ name, messagesPerSecond }: World): boolean => {
    const isUsual = messagesPerSecond === 10 || name.startsWith('plain');
    return name.includes(only) && (isUsual || !quick);
  };
  const wanted = (scenarios: readonly Scenario[]) => worldsOf(scenarios).filter(isWanted);
  const marginal = wanted(marginalReleases());
  return [
    ...wanted(goodReleases()).map((world) => study('good', 'whole', good, world)),
    ...wanted(badReleases()).map((world) => study('bad', 'decided', bad, world)),
    ...lateReleases().flatMap(({ early, late }) => {
      if (wanted([early, late]).length === 0) return [];
      return [
        ...worldsOf([early]).map((world) => study('early', 'decided', bad, world)),
        ...worldsOf([late]).map((world) => study('late', 'decided', bad, world)),
      ];
    }),
    ...marginal.map((world) => study('marginal', 'promoted', MARGINAL_TIMES * bad, world)),
    ...marginal.map((world) => study('promoted', 'promoted', bad, withGoodVersion(world))),
  ];
}

/** As measured: durations make blocks large, and the judge looks at them several times. */
function costOf(world: World): number {
  return isTimed(world) ? 15 + 7 * Math.sqrt(world.messagesPerSecond) : 8;
}

/** Keeps the seeds of studies apart, whatever other studies there are. */
export function seedOf({ group, world }: Study, seed: number): number {
  let hash = seed;
  for (const character of `${group} ${world.name} ${world.messagesPerSecond}`) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  return hash;
}

/**
 * How likely it is that excess failures which come in clumps do not come at all within the bake: no method that passes
 * good releases then can pass fewer of these. Undefined where they do not come in clumps.
 */
export function promotedUnseen({ messagesPerSecond, canaryTasks = 1, stableTasks = 3, version }: World) {
  if (version?.clumped === undefined) return undefined;
  const messages = (messagesPerSecond * BAKE_MS * canaryTasks) / (1000 * (canaryTasks + stableTasks));
  return Math.exp((-messages * (version.failures ?? 0)) / version.clumped);
}
