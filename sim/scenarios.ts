import { drawDisturbances, passUsualHours } from './disturbances.ts';
import type { Version } from './version.ts';
import type { End, World } from './world.ts';

/** One release of a scenario, and how it ended. */
export interface Release extends End {
  readonly version: Version;
  readonly disturbances: readonly string[];
  /** Virtual time, milliseconds. */
  readonly tookMs: number;
  /** Whether it ended as it must, but for the judge's stated errors. */
  readonly isRight: boolean;
}

export interface Scenario {
  /** What it shows, in a sentence. */
  readonly what: string;
  /** What passes between the first release and the others. */
  readonly before?: (world: World) => Promise<void>;
  /** Releases one version. `number` counts the releases of its world. */
  readonly release: (world: World, number: number) => Promise<Release>;
}

/** How likely a release brings an image that is there already. */
const SAME_IMAGE = 0.1;

/** Of the bad versions, what is wrong with them; one of these each. */
const FAULTS: readonly Omit<Version, 'name'>[] = [{ failing: 0.1 }, { failing: 1 }, { medianMs: 400 }];

/** Scenarios by name. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  good: {
    what: 'good versions, disturbed as on an account that people use: each that is not promoted was ended wrongly',
    before: passUsualHours,
    async release(world, number) {
      const isSame = world.random.uniform() < SAME_IMAGE;
      const coldMs = world.random.uniform() < 0.5 ? 0 : 20_000;
      const version = { name: `good ${number}`, coldMs };
      const disturbances = drawDisturbances(world.random);
      for (const { moment, act, draw } of disturbances) if (moment === 'before') await act(world, draw);
      for (const { prepare } of disturbances) await prepare?.(world);
      const startedAtMs = world.clock.nowMs();
      if (isSame) await world.releaseAgain();
      else await world.commit(version);
      const coming = disturbances.filter(({ moment }) => moment !== 'before');
      const end = await world.untilEnd(true, async () => {
        const due = coming.findIndex(
          ({ moment, afterMs }) => (world.sinceStageMs(STAGES[moment]) ?? -1) >= afterMs,
        );
        const [disturbance] = due === -1 ? [] : coming.splice(due, 1);
        await disturbance?.act(world, disturbance.draw);
      });
      return {
        ...end,
        version,
        disturbances: [...(isSame ? ['same image'] : []), ...disturbances.map(({ name }) => name)],
        tookMs: world.clock.nowMs() - startedAtMs,
        isRight: end.promoted || end.by === 'judge',
      };
    },
  },
  bad: {
    what: 'bad versions: each that is promoted was promoted wrongly',
    async release(world, number) {
      const fault = FAULTS[Math.floor(world.random.uniform() * FAULTS.length)];
      const version = { name: `bad ${number}`, ...fault };
      const startedAtMs = world.clock.nowMs();
      await world.commit(version);
      const end = await world.untilEnd(false);
      const disturbances = [
        Object.entries(fault ?? {})
          .map(([name, value]) => `${name} ${value}`)
          .join(', '),
      ];
      return {
        ...end,
        version,
        disturbances,
        tookMs: world.clock.nowMs() - startedAtMs,
        isRight: !end.promoted,
      };
    },
  },
};

/** The stage with which each moment begins. */
const STAGES = { before: 'Source', baking: 'Verdict', promoting: 'Stable' } as const;
