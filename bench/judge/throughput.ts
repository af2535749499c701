import type { Block } from '../../packages/core/src/judge/block.ts';
import { createJudge } from '../../packages/core/src/judge/judge.ts';
import { defaultJudgePolicy } from '../../packages/core/src/judge/judge-policy.ts';
import { Random } from './random.ts';
import { BlockBuilder } from './simulation.ts';
import { quantile } from './statistics.ts';
import { Trace } from './trace.ts';

export interface Throughput {
  readonly name: string;
  readonly blocksPerSecond: number;
  readonly best: number;
}

/** Rounds that nobody times, while the code is being compiled. */
const WARM_UP = 6;

/** Blocks of 16 units judged per second of processor time: median and best of rounds over ten releases of an hour. */
export function measureThroughput(seed: number, rounds: number): Throughput[] {
  return [
    measure('failures, 0.1 % failing', 0.001, false, seed, rounds),
    measure('failures, 1 % failing', 0.01, false, seed, rounds),
    measure('failures, 10 % failing', 0.1, false, seed, rounds),
    measure('all five signals, 1 % failing', 0.01, true, seed, rounds),
  ];
}

function measure(name: string, rate: number, everything: boolean, seed: number, rounds: number): Throughput {
  const releases = Array.from({ length: 10 }, (_, index) => blocksOf(rate, everything, seed + index));
  const total = releases.reduce((sum, blocks) => sum + blocks.length, 0);
  const speeds: number[] = [];
  for (let round = -WARM_UP; round < rounds; round += 1) {
    const before = process.cpuUsage();
    for (const blocks of releases) {
      const judge = createJudge({ ...defaultJudgePolicy, warmUpMs: 0, shareMin: 0.1 }, 0);
      for (const block of blocks) judge.observe(block);
    }
    const { user, system } = process.cpuUsage(before);
    if (round >= 0) speeds.push((total / (user + system)) * 1e6);
  }
  return { name, blocksPerSecond: quantile(speeds, 0.5), best: Math.max(...speeds) };
}

function blocksOf(rate: number, everything: boolean, seed: number): Block[] {
  const scenario = { name: '', unitsPerSecond: 10, baselineRate: rate, canaryRate: rate, share: 0.25 };
  const trace = new Trace(scenario, new Random(seed));
  const builder = new BlockBuilder();
  const blocks: Block[] = [];
  while (trace.next()) blocks.push(builder.block(trace.slice, everything ? 'everything' : 'failures'));
  return blocks;
}
