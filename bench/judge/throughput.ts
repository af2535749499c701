import type { Block } from '../../packages/core/src/judge/block.ts';
import { createJudge } from '../../packages/core/src/judge/judge.ts';
import { Fleet } from './fleet.ts';
import { Random } from './random.ts';
import { policyOf } from './release.ts';
import { quantile } from './statistics.ts';
import type { World } from './world.ts';

export interface Throughput {
  readonly name: string;
  readonly blocksPerSecond: number;
  readonly best: number;
}

/** Rounds that nobody times, while the code is being compiled. */
const WARM_UP = 3;

const RELEASES = 5;

/** Blocks of four tasks judged per second of processor time: median and best of rounds over good releases of an hour. */
export function measureThroughput(seed: number, rounds: number): Throughput[] {
  return [1, 10, 100].flatMap((messagesPerSecond) =>
    [false, true].map((timed) => {
      const name = `${messagesPerSecond} msg/s, ${timed ? 'with' : 'without'} durations`;
      const world: World = { name, messagesPerSecond, failureRate: 0.002, timed };
      return measure(world, seed, rounds);
    }),
  );
}

function measure(world: World, seed: number, rounds: number): Throughput {
  const releases = Array.from({ length: RELEASES }, (_, index) => {
    const fleet = new Fleet(world, new Random(seed + index));
    return { fleet, blocks: blocksOf(fleet) };
  });
  const total = releases.reduce((sum, { blocks }) => sum + blocks.length, 0);
  const speeds: number[] = [];
  for (let round = -WARM_UP; round < rounds; round += 1) {
    const before = process.cpuUsage();
    for (const { fleet, blocks } of releases) {
      const judge = createJudge(policyOf(world), 0, fleet);
      for (const block of blocks) judge.observe(block);
    }
    const { user, system } = process.cpuUsage(before);
    if (round >= 0) speeds.push((total / (user + system)) * 1e6);
  }
  return { name: world.name, blocksPerSecond: quantile(speeds, 0.5), best: Math.max(...speeds) };
}

function blocksOf(fleet: Fleet): Block[] {
  const blocks: Block[] = [];
  for (let block = fleet.next(); block !== undefined; block = fleet.next()) blocks.push(block);
  return blocks;
}
