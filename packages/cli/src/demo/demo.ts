import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { approvedStory } from './approved-story.ts';
import type { DemoOptions, DemoWorld } from './demo-options.ts';
import { DemoRun } from './demo-run.ts';
import { type EngineProcess, startEngineProcess } from './engine-process.ts';
import { judgedStory } from './judged-story.ts';
import { renderReport } from './report.ts';

/** Plays good and bad releases for real and reports; resolves with the exit status. */
export function demo(world: DemoWorld, options: DemoOptions): Promise<number> {
  const { terminal } = world;
  const story = options.approval === 'manual' ? approvedStory : judgedStory;
  return withEngine(world, options, async (state, engine) => {
    const report = await DemoRun.play(world, options, story, state, engine);
    if (options.json) world.print(JSON.stringify(report, null, 2));
    else for (const line of renderReport(report, terminal.style)) world.print(line);
    return report.ok ? 0 : 1;
  });
}

/** Starts an engine for what is played on it, and ends it whatever comes; its state stays where it was asked for, or needed. */
export async function withEngine<T>(
  world: DemoWorld,
  options: Pick<DemoOptions, 'pace' | 'seed' | 'state' | 'keep'>,
  play: (state: string, engine: EngineProcess) => Promise<T>,
): Promise<T> {
  const { terminal } = world;
  const state = options.state ?? mkdtempSync(join(tmpdir(), 'queue-canary-demo-'));
  const engine = await startEngineProcess(world, state, options);
  let finished = false;
  try {
    const played = await play(state, engine);
    finished = true;
    return played;
  } finally {
    if (options.keep && finished) {
      engine.release();
      terminal.line(
        `left running: ${engine.endpoint}, process ${engine.pid}, state ${state}, log ${engine.log}`,
      );
      terminal.line(`  queue-canary release status --state ${state}`);
      terminal.line(`  kill ${engine.pid}   ends it and everything that it runs`);
    } else {
      await engine.stop();
      if (options.state === undefined && finished) rmSync(state, { recursive: true, force: true });
      else terminal.line(`the engine's state and log are in ${state}`);
    }
  }
}
