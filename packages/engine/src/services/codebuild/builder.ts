import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BuildPhaseType, StatusType } from '@aws-sdk/client-codebuild';
import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { BuildResult, BuildRunner } from '../../runtime/build/build-runner.ts';
import { type Buildspec, parseBuildspec } from '../../runtime/build/buildspec.ts';
import type { Table } from '../../state/state.ts';
import { uploadArtifact } from './artifact-upload.ts';
import { buildEnvironment, writeGitCredentialHelper } from './build-environment.ts';
import { BuildLog } from './build-log.ts';
import type { BuildMachine } from './build-machine.ts';
import { BuildNotices } from './build-notices.ts';
import { chooseShell } from './build-shell.ts';
import { explain, PhaseFailure } from './phase-failure.ts';
import { type CommitCheckouts, downloadSource, readBuildspec } from './source.ts';
import { buildUuid, currentPhase, projectArn, type StoredBuild, type StoredPhase } from './store.ts';

/** Builds that run at once on this machine; others wait in phase QUEUED. */
const BUILDS_AT_ONCE_MAX = 2;
const MINUTE_MS = 60_000;

interface BuilderParts {
  readonly builds: Table<StoredBuild>;
  readonly checkouts: CommitCheckouts;
  readonly runBuild: BuildRunner;
  /** Prepared once the engine listens. */
  readonly machine: () => Promise<BuildMachine>;
}

interface Running {
  readonly abort: AbortController;
  readonly timeout: Timer;
  /** Why the build was aborted, once it was. */
  ending?: 'STOPPED' | 'TIMED_OUT';
  readonly done: Promise<void>;
}

/** Runs builds: a few at a time, phase by phase, each on disk as it happens. */
export class Builder {
  readonly #engine: Engine;
  readonly #parts: BuilderParts;
  readonly #notices: BuildNotices;
  readonly #running = new Map<string, Running>();
  readonly #queueTimers = new Map<string, Timer>();
  #closing = false;

  constructor(engine: Engine, parts: BuilderParts) {
    this.#engine = engine;
    this.#parts = parts;
    this.#notices = new BuildNotices(engine);
  }

  /**
   * Takes up what an earlier engine left: queued builds wait again, and those that were running have failed with
   * it, since their processes ended with it.
   */
  recover(): void {
    rmSync(this.#workRoot(), { recursive: true, force: true });
    for (const build of [...this.#parts.builds.values()]) {
      if (build.status !== 'IN_PROGRESS') continue;
      if (currentPhase(build) === 'QUEUED') this.#watchQueue(build);
      else {
        this.#endPhase(
          build.id,
          'FAILED',
          'INTERNAL_SERVICE_ERROR',
          'The engine stopped while the build was running.',
        );
        this.#complete(build.id, 'FAILED');
      }
    }
    this.#next();
  }

  /** Kills what runs. The builds are found unfinished by {@link recover} when the engine starts again. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const timer of this.#queueTimers.values()) timer.cancel();
    const running = [...this.#running.values()];
    for (const build of running) build.abort.abort();
    await Promise.allSettled(running.map(({ done }) => done));
  }

  /** Puts a new build into the queue, from where it starts at once if there is room. */
  submit(build: StoredBuild): void {
    const nowMs = this.#engine.clock.nowMs();
    const submitted: StoredPhase = {
      type: 'SUBMITTED',
      status: 'SUCCEEDED',
      startedAtMs: build.startedAtMs,
      endedAtMs: nowMs,
      contexts: [],
    };
    const queued: StoredBuild = {
      ...build,
      phases: [submitted, { type: 'QUEUED', startedAtMs: nowMs, contexts: [] }],
    };
    this.#parts.builds.put(build.id, queued);
    this.#notices.state(queued);
    this.#notices.phase(queued, submitted);
    this.#watchQueue(queued);
    this.#next();
  }

  /** Stops a build wherever it is; a finished one stays as it is. */
  stop(buildId: string): void {
    const build = this.#parts.builds.get(buildId);
    if (build?.status !== 'IN_PROGRESS') return;
    const running = this.#running.get(buildId);
    if (running) {
      running.ending ??= 'STOPPED';
      running.abort.abort();
      return;
    }
    this.#endPhase(buildId, 'STOPPED', undefined, undefined);
    this.#complete(buildId, 'STOPPED');
    this.#next();
  }

  #watchQueue(build: StoredBuild): void {
    const waitMs = build.startedAtMs + build.queuedTimeoutMinutes * MINUTE_MS - this.#engine.clock.nowMs();
    const timer = this.#engine.clock.setTimer(waitMs, () => {
      this.#endPhase(build.id, 'TIMED_OUT', 'BUILD_TIMED_OUT', 'The build waited in the queue for too long.');
      this.#complete(build.id, 'TIMED_OUT');
    });
    this.#queueTimers.set(build.id, timer);
  }

  #next(): void {
    if (this.#closing) return;
    for (const build of this.#parts.builds.values()) {
      if (this.#running.size >= BUILDS_AT_ONCE_MAX) return;
      const waiting = build.status === 'IN_PROGRESS' && currentPhase(build) === 'QUEUED';
      if (waiting && !this.#running.has(build.id)) this.#start(build);
    }
  }

  #start(build: StoredBuild): void {
    this.#queueTimers.get(build.id)?.cancel();
    this.#queueTimers.delete(build.id);
    const abort = new AbortController();
    const finished = Promise.withResolvers<void>();
    const running: Running = {
      abort,
      timeout: this.#engine.clock.setTimer(build.timeoutMinutes * MINUTE_MS, () => {
        running.ending ??= 'TIMED_OUT';
        abort.abort();
      }),
      done: finished.promise,
    };
    this.#running.set(build.id, running);
    this.#endPhase(build.id, 'SUCCEEDED', undefined, undefined);
    this.#beginPhase(build.id, 'PROVISIONING');
    void this.#run(build.id, running).then((status) => {
      running.timeout.cancel();
      rmSync(join(this.#workRoot(), buildUuid(build)), { recursive: true, force: true });
      if (!this.#closing || running.ending) this.#complete(build.id, running.ending ?? status);
      this.#running.delete(build.id);
      finished.resolve();
      this.#next();
    });
  }

  async #run(buildId: string, running: Running): Promise<StatusType> {
    let log: BuildLog | undefined;
    try {
      const principal = this.#assumeRole(buildId);
      log = await this.#openLog(buildId, principal);
      const machine = await this.#parts.machine();
      const say = (line: string) => log?.line(line);
      say(`[Container] ${machine.notice}`);
      this.#endPhase(buildId, 'SUCCEEDED', undefined, undefined);
      const { sourceDirectory, buildspec, environment } = await this.#prepare(
        buildId,
        principal,
        machine,
        log,
      );
      const image = this.#get(buildId).environment.image ?? '';
      const { shell, notice } = chooseShell(buildspec.shell, image, machine.find);
      if (notice !== undefined) say(`[Container] ${notice}`);
      const result = await this.#parts.runBuild({
        sourceDirectory,
        buildspec,
        environment,
        role: principal,
        path: machine.path,
        shell,
        scratch: join(this.#workRoot(), buildUuid(this.#get(buildId)), 'scratch'),
        nodeVersion: machine.nodeVersion,
        clock: this.#engine.clock,
        ids: this.#engine.ids,
        signal: running.abort.signal,
        onLog: say,
        onPhaseStart: (phase) => this.#beginPhase(buildId, phase),
        onPhase: ({ phase, status, contexts }) => {
          // The upload itself is still to come.
          if (phase === 'UPLOAD_ARTIFACTS' && status === 'SUCCEEDED') return;
          // The engine itself goes down: the build is found unfinished when it starts again.
          if (this.#closing && !running.ending) return;
          const [context] = contexts;
          this.#endPhase(buildId, this.#ending(running, status), context?.statusCode, context?.message);
        },
      });
      this.#update(buildId, { exported: result.exportedVariables });
      await this.#upload(buildId, principal, buildspec, result);
      return result.status;
    } catch (error) {
      const { statusCode, message } = explain(error);
      log?.line(`[Container] ${statusCode}: ${message}`);
      if (!this.#closing || running.ending) {
        this.#endPhase(buildId, this.#ending(running, 'FAILED'), statusCode, message);
      }
      return 'FAILED';
    } finally {
      await this.#finishLog(buildId, log);
    }
  }

  #ending(running: Running, status: StatusType): StatusType {
    return running.ending ?? status;
  }

  #assumeRole(buildId: string): Principal {
    const build = this.#get(buildId);
    return this.#engine.assumeRole(
      build.serviceRole,
      'codebuild.amazonaws.com',
      `AWSCodeBuild-${buildUuid(build)}`,
      projectArn(this.#engine, build.projectName),
    );
  }

  async #openLog(buildId: string, principal: Principal): Promise<BuildLog | undefined> {
    const build = this.#get(buildId);
    const config = build.logsConfig?.cloudWatchLogs;
    if (config?.status === 'DISABLED') return undefined;
    const groupName = config?.groupName ?? `/aws/codebuild/${build.projectName}`;
    const streamName = config?.streamName ? `${config.streamName}/${buildUuid(build)}` : buildUuid(build);
    this.#update(buildId, { logGroupName: groupName, logStreamName: streamName });
    try {
      return await BuildLog.open(this.#engine, principal, groupName, streamName);
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      throw new PhaseFailure(
        'ACCESS_DENIED',
        `Service role ${build.serviceRole} does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams for build ${this.#notices.arn(build)}. Error message: ${error.message}`,
      );
    }
  }

  /** Source and buildspec, in phase DOWNLOAD_SOURCE. */
  async #prepare(
    buildId: string,
    principal: Principal,
    machine: BuildMachine,
    log: BuildLog | undefined,
  ): Promise<{ sourceDirectory: string; buildspec: Buildspec; environment: Record<string, string> }> {
    this.#beginPhase(buildId, 'DOWNLOAD_SOURCE');
    const directory = join(this.#workRoot(), buildUuid(this.#get(buildId)));
    const dockerConfigDirectory = join(directory, 'docker-config');
    const home = join(directory, 'home');
    for (const own of [dockerConfigDirectory, home]) mkdirSync(own, { recursive: true, mode: 0o700 });
    const sourceDirectory = join(directory, 'src');
    const revision = await downloadSource(
      this.#engine,
      this.#parts.checkouts,
      principal,
      this.#get(buildId),
      sourceDirectory,
    );
    if (revision !== undefined) this.#update(buildId, { resolvedSourceVersion: revision });
    const { text, name } = readBuildspec(this.#get(buildId), sourceDirectory);
    const buildspec = parseBuildspec(text, name);
    const build = this.#get(buildId);
    const environment = await buildEnvironment(this.#engine, principal, build, {
      machine: machine.environment,
      sourceDirectory,
      buildArn: this.#notices.arn(build),
      dockerConfigDirectory,
      home,
      parameterStore: buildspec.parameterStore,
      secretsManager: buildspec.secretsManager,
      conceal: (value) => log?.conceal(value),
    });
    if (buildspec.gitCredentialHelper) writeGitCredentialHelper(home, this.#engine.endpoint());
    this.#endPhase(buildId, 'SUCCEEDED', undefined, undefined);
    return { sourceDirectory, buildspec, environment };
  }

  async #upload(
    buildId: string,
    principal: Principal,
    buildspec: Buildspec,
    { status, artifactFiles: files, artifactName: name, secondaryArtifactFiles }: BuildResult,
  ): Promise<void> {
    const build = this.#get(buildId);
    if (
      build.artifacts.type !== 'NO_ARTIFACTS' &&
      buildspec.artifacts === undefined &&
      status === 'SUCCEEDED'
    ) {
      this.#beginPhase(buildId, 'UPLOAD_ARTIFACTS');
      throw new PhaseFailure(
        'CLIENT_ERROR',
        'The build must leave an artifact, but its buildspec has no artifacts section.',
      );
    }
    if (currentPhase(build) !== 'UPLOAD_ARTIFACTS' || build.phases.at(-1)?.status !== undefined) return;
    const location = await uploadArtifact(this.#engine, principal, build, build.artifacts, { files, name });
    for (const secondary of build.secondaryArtifacts ?? []) {
      const id = secondary.artifactIdentifier ?? '';
      const found = secondaryArtifactFiles[id];
      if (found === undefined)
        throw new PhaseFailure('CLIENT_ERROR', `The buildspec has no secondary artifact "${id}".`);
      await uploadArtifact(this.#engine, principal, build, secondary, { files: found });
    }
    if (location !== undefined) this.#update(buildId, { artifactLocation: location });
    this.#endPhase(buildId, 'SUCCEEDED', undefined, undefined);
  }

  async #finishLog(buildId: string, log: BuildLog | undefined): Promise<void> {
    try {
      await log?.flush();
    } catch (error) {
      this.#engine.journal.append('codebuild', 'build.log-incomplete', {
        buildId,
        reason: (error as Error).message,
      });
    }
  }

  #beginPhase(buildId: string, type: BuildPhaseType): void {
    const build = this.#get(buildId);
    const phase: StoredPhase = { type, startedAtMs: this.#engine.clock.nowMs(), contexts: [] };
    this.#parts.builds.put(buildId, { ...build, phases: [...build.phases, phase] });
  }

  #endPhase(
    buildId: string,
    status: StatusType,
    statusCode: string | undefined,
    message: string | undefined,
  ): void {
    const build = this.#get(buildId);
    const open = build.phases.at(-1);
    if (!open || open.status !== undefined) return;
    const ended: StoredPhase = {
      ...open,
      status,
      endedAtMs: this.#engine.clock.nowMs(),
      contexts:
        statusCode === undefined && status === 'TIMED_OUT'
          ? [
              {
                statusCode: 'BUILD_TIMED_OUT',
                message: `Build has timed out after ${build.timeoutMinutes} minutes.`,
              },
            ]
          : statusCode === undefined
            ? []
            : [{ statusCode, message: message ?? '' }],
    };
    const changed = this.#parts.builds.put(buildId, {
      ...build,
      phases: [...build.phases.slice(0, -1), ended],
    });
    this.#notices.phase(changed, ended);
  }

  #complete(buildId: string, status: StatusType): void {
    this.#queueTimers.get(buildId)?.cancel();
    this.#queueTimers.delete(buildId);
    const build = this.#get(buildId);
    const nowMs = this.#engine.clock.nowMs();
    const changed = this.#parts.builds.put(buildId, {
      ...build,
      status,
      endedAtMs: nowMs,
      phases: [...build.phases, { type: 'COMPLETED', startedAtMs: nowMs, contexts: [] }],
    });
    this.#notices.state(changed);
  }

  #update(buildId: string, change: Partial<StoredBuild>): void {
    this.#parts.builds.put(buildId, { ...this.#get(buildId), ...change });
  }

  #get(buildId: string): StoredBuild {
    return this.#parts.builds.get(buildId)!;
  }

  #workRoot(): string {
    return join(this.#engine.directory, 'codebuild', 'work');
  }
}
