import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAccess } from '@queue-canary/engine';
import { EXPECTED_REFUSALS, UNUSED_GRANTS } from './iam-reasons.ts';
import { renderIamReport, reportOf } from './iam-report.ts';

// Reports what the roles of the templates are granted, use and are refused: in the runs whose state directories are
// named, or else in both stories of the demo, which it plays.

const STORIES = ['automatic', 'manual'];

const named = process.argv.slice(2);
const scratch = named.length === 0 ? mkdtempSync(join(tmpdir(), 'queue-canary-iam-')) : undefined;
const directories = scratch === undefined ? named : STORIES.map((story) => join(scratch, story));
try {
  if (scratch !== undefined) for (const story of STORIES) await play(story, join(scratch, story));
  const report = reportOf(directories.map(readAccess), UNUSED_GRANTS, EXPECTED_REFUSALS);
  for (const line of renderIamReport(report)) console.log(line);
  if (!report.ok) process.exitCode = 1;
} catch (error) {
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
}

async function play(story: string, state: string): Promise<void> {
  const program = join(import.meta.dirname, '..', 'packages', 'cli', 'bin', 'queue-canary.js');
  const args = [...process.execArgv, program, 'demo', '--approval', story, '--state', state];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) {
    throw new Error(
      `the demo's story "${story}" did not go as it should, so its record is no proof: run it by itself`,
    );
  }
}
