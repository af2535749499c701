import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What the tools on a build's PATH know about the engine. */
export interface BuildToolsSettings {
  /** Address of the engine, such as `http://127.0.0.1:4566`. */
  readonly registryUrl: string;
  /** Name that the same registry has in AWS: `<account>.dkr.ecr.<region>.amazonaws.com`. */
  readonly registryHost: string;
  /** Where locally built images and the build cache are kept, shared by all builds. */
  readonly stateDirectory: string;
  /** Where Node keeps what it has compiled of the tools. */
  readonly compileCache: string;
}

/** Which tools the engine puts on a build's PATH. */
export interface OwnTools {
  readonly docker: boolean;
  readonly aws: boolean;
}

/**
 * Writes the engine's own `docker` and `aws`, as asked, into the directory, which belongs first on a build's
 * PATH. `node` is there too, so that scripts get the Node that tasks run on. A tool that is not wanted is
 * removed if an earlier engine left it.
 */
export function installBuildTools(directory: string, settings: BuildToolsSettings, own: OwnTools): void {
  mkdirSync(directory, { recursive: true });
  const settingsPath = join(directory, 'settings.json');
  writeFileSync(settingsPath, `${JSON.stringify(settings, null, 2)}\n`);
  const compiled = `NODE_COMPILE_CACHE=${quote(settings.compileCache)}`;
  const program = (name: string, ...args: string[]) =>
    [compiled, 'exec', ...[process.execPath, entry(name), ...args].map(quote)].join(' ');
  install(join(directory, 'node'), `exec ${quote(process.execPath)}`, true);
  // Pauses a build only where a session for debugging was asked for, which is not supported.
  install(join(directory, 'codebuild-breakpoint'), 'true', true);
  install(join(directory, 'docker'), program('command/program', settingsPath), own.docker);
  install(join(directory, 'aws'), program('aws-command/program'), own.aws);
}

/** The program next to this file, in the language that this file is running in. */
function entry(name: string): string {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  return fileURLToPath(new URL(`./${name}${extension}`, import.meta.url));
}

/** Writes a script that runs the command line with its own arguments after it. */
function install(path: string, command: string, wanted: boolean): void {
  rmSync(path, { force: true });
  if (wanted) writeFileSync(path, `#!/bin/sh\n${command} "$@"\n`, { mode: 0o755 });
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
