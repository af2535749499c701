import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../clock/clock.ts';
import { UserError } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Ids } from '../../ids.ts';
import type { ArtifactFile } from './artifacts.ts';
import { selectArtifacts } from './artifacts.ts';
import type { BuildPhaseName, Buildspec, BuildspecArtifacts, BuildspecPhase } from './buildspec.ts';
import type { BuildShell } from './shell-session.ts';
import { ShellSession } from './shell-session.ts';

export type BuildStatus = 'SUCCEEDED' | 'FAILED' | 'STOPPED';
export type BuildPhaseStatus = 'SUCCEEDED' | 'FAILED' | 'STOPPED';

/** Why a phase ended as it did, as in `BatchGetBuilds`. */
export interface BuildPhaseContext {
  readonly statusCode: string;
  readonly message: string;
}

/** A phase that has ended. */
export interface FinishedBuildPhase {
  readonly phase: BuildPhaseName | 'UPLOAD_ARTIFACTS';
  readonly status: BuildPhaseStatus;
  readonly startMs: number;
  readonly endMs: number;
  readonly contexts: readonly BuildPhaseContext[];
}

export interface BuildOptions {
  /** Directory with the source; the commands run in it and may change it. */
  readonly sourceDirectory: string;
  readonly buildspec: Buildspec;
  /** The build's whole environment apart from PATH. It wins over the buildspec's own variables. */
  readonly environment: Readonly<Record<string, string>>;
  /** The session of the project's role that the environment has the credentials of. */
  readonly role: Principal;
  /** Search path of the commands. */
  readonly path: string;
  /** The shell that the buildspec and the project's image ask for. */
  readonly shell: BuildShell;
  /** Directory of this build for files of its own; removed at the end. Not below the source directory. */
  readonly scratch: string;
  /** Version of Node that the commands get, such as `24.1.0`. */
  readonly nodeVersion: string;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly onLog: (line: string) => void;
  /** Called as each phase ends. */
  readonly onPhase?: (phase: FinishedBuildPhase) => void;
  /** Called as each phase begins. */
  readonly onPhaseStart?: (phase: FinishedBuildPhase['phase'], startMs: number) => void;
  /** Aborting kills the build's processes and ends it as STOPPED. */
  readonly signal?: AbortSignal;
}

export interface BuildResult {
  readonly status: BuildStatus;
  readonly phases: readonly FinishedBuildPhase[];
  /** Files of the main artifact; empty when there is none or the build did not get that far. */
  readonly artifactFiles: readonly ArtifactFile[];
  readonly secondaryArtifactFiles: Readonly<Record<string, readonly ArtifactFile[]>>;
  /** Name that the buildspec gives the main artifact, with its variables replaced. */
  readonly artifactName?: string;
  /** Values of the exported variables that are set at the end. */
  readonly exportedVariables: Readonly<Record<string, string>>;
}

/** Runs a build whose source and environment are prepared. */
export type BuildRunner = (options: BuildOptions) => Promise<BuildResult>;

/**
 * Runs the phases of a buildspec as CodeBuild does, and selects its artifacts.
 *
 * Transitions are CodeBuild's: a failed INSTALL or PRE_BUILD ends the build, a failed BUILD still runs
 * POST_BUILD, with `CODEBUILD_BUILD_SUCCEEDING` 0, and artifacts are still collected after it; a failed
 * POST_BUILD collects none. `on-failure` changes that. `finally` commands always run. The build fails when any
 * phase did. All processes share one group, end with the build, and cannot outlive the engine.
 */
export async function runBuild(options: BuildOptions): Promise<BuildResult> {
  return new Build(options).run();
}

class Build {
  readonly #options: BuildOptions;
  readonly #session: ShellSession;
  readonly #phases: FinishedBuildPhase[] = [];

  constructor(options: BuildOptions) {
    this.#options = options;
    const { buildspec } = options;
    this.#session = new ShellSession({
      shell: options.shell,
      shellPerCommand: buildspec.version === '0.1',
      watched: buildspec.exportedVariables.filter(isVariableName),
      cwd: options.sourceDirectory,
      env: {
        ...options.buildspec.variables,
        CODEBUILD_BUILD_SUCCEEDING: '1',
        ...options.environment,
        PATH: options.path,
      },
      scratch: join(options.scratch, 'session'),
      marker: `\u0001${options.ids.hex(32)}`,
      clock: options.clock,
      onLine: options.onLog,
    });
  }

  async run(): Promise<BuildResult> {
    const { signal } = this.#options;
    const abort = () => void this.#session.kill();
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    try {
      this.#warnAboutVersions();
      const mayCollect = await this.#runPhases();
      if (!this.#aborted()) await this.#session.endShell();
      const exportedVariables = this.#exportedVariables();
      const collected = mayCollect
        ? await this.#collect()
        : { artifactFiles: [], secondaryArtifactFiles: {} };
      return { status: this.#status(), phases: this.#phases, ...collected, exportedVariables };
    } finally {
      signal?.removeEventListener('abort', abort);
      await this.#session.kill();
      rmSync(this.#options.scratch, { recursive: true, force: true });
    }
  }

  /** Resolves to whether artifacts are to be collected. */
  async #runPhases(): Promise<boolean> {
    let next = true;
    for (const phase of this.#options.buildspec.phases) {
      if (!next) return false;
      const finished = await this.#runPhase(phase);
      if (finished.status === 'STOPPED') return false;
      if (finished.status === 'SUCCEEDED') continue;
      this.#session.export('CODEBUILD_BUILD_SUCCEEDING', '0');
      next = phase.onFailure === undefined ? phase.name === 'BUILD' : phase.onFailure === 'CONTINUE';
    }
    return next;
  }

  async #runPhase(phase: BuildspecPhase): Promise<FinishedBuildPhase> {
    const startMs = this.#begin(phase.name);
    let failure = await this.#runCommands(phase.commands);
    const inFinally = await this.#runCommands(phase.finallyCommands);
    failure ??= inFinally;
    const status = this.#aborted() ? 'STOPPED' : failure === undefined ? 'SUCCEEDED' : 'FAILED';
    return this.#end(phase.name, startMs, status, failure);
  }

  /** Runs the commands up to the first that fails, and says which. */
  async #runCommands(commands: readonly string[]): Promise<BuildPhaseContext | undefined> {
    for (const command of commands) {
      if (this.#aborted()) return undefined;
      this.#log(`Running command ${command}`);
      const { exitCode } = await this.#session.run(command);
      if (this.#aborted()) return undefined;
      if (exitCode === 0) continue;
      const reason = exitCode === undefined ? 'was killed' : `exit status ${exitCode}`;
      this.#log(`Command did not exit successfully ${command} ${reason}`);
      return {
        statusCode: 'COMMAND_EXECUTION_ERROR',
        message: `Error while executing command: ${command}. Reason: ${reason}`,
      };
    }
    return undefined;
  }

  async #collect(): Promise<Pick<BuildResult, 'artifactFiles' | 'secondaryArtifactFiles' | 'artifactName'>> {
    const { artifacts, secondaryArtifacts } = this.#options.buildspec;
    const nothing = { artifactFiles: [], secondaryArtifactFiles: {} };
    if (artifacts === undefined && Object.keys(secondaryArtifacts).length === 0) return nothing;
    const startMs = this.#begin('UPLOAD_ARTIFACTS');
    try {
      const select = async (written: BuildspecArtifacts) => {
        const section = await this.#expand(written);
        return { files: selectArtifacts(this.#options.sourceDirectory, section), name: section.name };
      };
      const main = artifacts === undefined ? undefined : await select(artifacts);
      const secondaryArtifactFiles: Record<string, ArtifactFile[]> = {};
      for (const [id, section] of Object.entries(secondaryArtifacts))
        secondaryArtifactFiles[id] = (await select(section)).files;
      this.#end('UPLOAD_ARTIFACTS', startMs, 'SUCCEEDED', undefined);
      return {
        artifactFiles: main?.files ?? [],
        secondaryArtifactFiles,
        ...(main?.name === undefined ? {} : { artifactName: main.name }),
      };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#log(error.message);
      this.#end('UPLOAD_ARTIFACTS', startMs, 'FAILED', {
        statusCode: 'CLIENT_ERROR',
        message: error.message,
      });
      return nothing;
    }
  }

  /** An artifact section as it is at the end of the build: the shell's language holds in all of its texts. */
  async #expand(section: BuildspecArtifacts): Promise<BuildspecArtifacts> {
    const { files, excludePaths, discardPaths, baseDirectory = '', name = '' } = section;
    const texts = await this.#session.expand([discardPaths, baseDirectory, name, ...files, ...excludePaths]);
    const [newDiscard = '', newBase = '', newName = '', ...paths] = texts;
    return {
      files: paths.slice(0, files.length),
      excludePaths: paths.slice(files.length),
      discardPaths: newDiscard,
      ...(newBase === '' ? {} : { baseDirectory: newBase }),
      ...(newName === '' ? {} : { name: newName }),
    };
  }

  /** Only what the commands have exported is a variable of the environment. */
  #exportedVariables(): Record<string, string> {
    const values = this.#session.values();
    for (const name of this.#options.buildspec.exportedVariables) {
      if (!isVariableName(name))
        this.#log(`The exported variable "${name}" is not a valid name and is left out.`);
      else if (!Object.hasOwn(values, name) && !this.#aborted())
        this.#options.onLog(`The exported variable ${name} is not set.`);
    }
    return values;
  }

  #warnAboutVersions(): void {
    for (const [language, version] of Object.entries(this.#options.buildspec.runtimeVersions)) {
      if (language !== 'nodejs') {
        this.#log(
          `Warning: runtime-versions asks for ${language} ${version}; the build uses what this machine has.`,
        );
        continue;
      }
      const [major] = this.#options.nodeVersion.split('.');
      const [asked] = version.split('.');
      if (!['latest', 'x', major].includes(asked)) {
        this.#log(
          `Warning: runtime-versions asks for Node ${version}, but the build runs on Node ${this.#options.nodeVersion}.`,
        );
      }
    }
  }

  #status(): BuildStatus {
    if (this.#aborted()) return 'STOPPED';
    return this.#phases.every((phase) => phase.status === 'SUCCEEDED') ? 'SUCCEEDED' : 'FAILED';
  }

  #begin(phase: FinishedBuildPhase['phase']): number {
    const startMs = this.#options.clock.nowMs();
    this.#log(`Entering phase ${phase}`);
    this.#options.onPhaseStart?.(phase, startMs);
    return startMs;
  }

  #end(
    phase: FinishedBuildPhase['phase'],
    startMs: number,
    status: BuildPhaseStatus,
    context: BuildPhaseContext | undefined,
  ): FinishedBuildPhase {
    const contexts = context === undefined ? [] : [context];
    const finished = { phase, status, startMs, endMs: this.#options.clock.nowMs(), contexts };
    this.#log(`Phase complete: ${phase} State: ${status}`);
    this.#phases.push(finished);
    this.#options.onPhase?.(finished);
    return finished;
  }

  #aborted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #log(line: string): void {
    this.#options.onLog(`[Container] ${line}`);
  }
}

function isVariableName(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name);
}
