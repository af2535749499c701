import { join } from 'node:path';
import { ByteIds, SystemClock } from '../src/index.ts';
import type { BuildOptions } from '../src/runtime/build/build-runner.ts';
import { runBuild } from '../src/runtime/build/build-runner.ts';
import { parseBuildspec } from '../src/runtime/build/buildspec.ts';
import type { BuildShell } from '../src/runtime/build/shell-session.ts';
import { temporaryDirectory } from '../src/runtime/test/temporary-directory.ts';

export const DASH: BuildShell = { command: ['/bin/dash'], kind: 'posix' };
export const BASH: BuildShell = { command: ['/bin/bash'], kind: 'bash' };
/** What `sh` is where bash stands behind it. */
export const BASH_AS_SH: BuildShell = { command: ['/bin/bash', '--posix'], kind: 'bash' };

/** Runs a buildspec (of version 0.2 unless it says so) in an empty directory. */
export async function build(buildspec: string, options: Partial<BuildOptions> = {}) {
  const log: string[] = [];
  const spec = parseBuildspec(/^(version:|\{)/m.test(buildspec) ? buildspec : `version: 0.2\n${buildspec}`);
  const result = await runBuild({
    sourceDirectory: temporaryDirectory(),
    buildspec: spec,
    shell: spec.shell === 'bash' ? BASH : DASH,
    environment: {},
    role: { kind: 'root', arn: 'arn:aws:iam::000000000000:root', accountId: '000000000000' },
    path: process.env.PATH ?? '',
    scratch: join(temporaryDirectory(), 'scratch'),
    nodeVersion: '24.1.0',
    clock: new SystemClock(),
    ids: new ByteIds(),
    onLog: (line) => log.push(line),
    ...options,
  });
  return { ...result, log, output: log.filter((line) => !line.startsWith('[Container]')) };
}

export const statuses = ({ phases }: { phases: readonly { phase: string; status: string }[] }) =>
  phases.map(({ phase, status }) => `${phase} ${status}`);
