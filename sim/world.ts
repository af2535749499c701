import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PipelineOutputs, type ReleaseRecord, type SourceOutputs, stages } from '@queue-canary/core';
import { ByteIds, type RunningEngine, startEngine, VirtualClock } from '@queue-canary/engine';
import { Random } from '../bench/judge/random.ts';
import { buildsInProcess } from './builds.ts';
import { functionsInProcess } from './functions.ts';
import { deploy, IMAGE_STACK, outputsOf, PIPELINE_STACK, type RootCall, synthesize } from './stacks.ts';
import { InProcessTasks } from './tasks.ts';
import { Traffic } from './traffic.ts';
import { VERSION_FILE, type Version } from './version.ts';

export interface WorldOptions {
  readonly seed: number;
  /** Context values of the app; everything else is its default. */
  readonly context: Readonly<Record<string, string>>;
  /** Messages that are sent in a second, on average. */
  readonly rate: number;
}

/** How a release ended. */
export interface End {
  readonly executionId: string;
  readonly promoted: boolean;
  /** Who or what ended one that was not promoted. */
  readonly by: string | undefined;
  readonly reason: string | undefined;
  /** What the judge said, when it left the decision to a person. */
  readonly undecided: string | undefined;
}

/** A release is over by then, or it hangs. */
const RELEASE_MS_MAX = 6 * 3_600_000;

/** Both stacks, deployed in an engine whose time is virtual, with traffic. Everything in it is drawn from the seed. */
export class World {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly engine: RunningEngine;
  readonly call: RootCall;
  readonly traffic: Traffic;
  readonly image: SourceOutputs;
  readonly pipeline: PipelineOutputs;
  readonly #directory: string;
  readonly #crashes: readonly unknown[];
  readonly #stages = new Map<string, number>();
  #context: Readonly<Record<string, string>>;

  private constructor(parts: {
    readonly clock: VirtualClock;
    readonly random: Random;
    readonly engine: RunningEngine;
    readonly traffic: Traffic;
    readonly image: SourceOutputs;
    readonly pipeline: PipelineOutputs;
    readonly directory: string;
    readonly crashes: readonly unknown[];
    readonly context: Readonly<Record<string, string>>;
  }) {
    this.clock = parts.clock;
    this.random = parts.random;
    this.engine = parts.engine;
    this.call = callOf(parts.engine, parts.clock);
    this.traffic = parts.traffic;
    this.image = parts.image;
    this.pipeline = parts.pipeline;
    this.#directory = parts.directory;
    this.#crashes = parts.crashes;
    this.#context = parts.context;
    this.engine.journal.subscribe(({ type, detail }) => {
      if (type === 'execution.started') this.#stages.clear();
      if (type === 'stage.started') this.#stages.set(String(detail.stage), this.clock.nowMs());
    });
  }

  /** Deploys everything on an empty account, and releases the first version. */
  static async start({ seed, context, rate }: WorldOptions): Promise<World> {
    const random = new Random(seed);
    const clock = new VirtualClock(undefined, isBusy());
    const directory = mkdtempSync(join(tmpdir(), 'queue-canary-sim-'));
    const crashes: unknown[] = [];
    const versions = new Map<string, Version>();
    const traffic = new Traffic(clock, new Random(random.bits()), rate);
    const engine = await startEngine({
      directory,
      port: 0,
      durable: false,
      clock,
      ids: ByteIds.seeded(random.bits()),
      onCrash: (error) => crashes.push(error),
      programs: (surroundings) => ({
        tasks: new InProcessTasks(surroundings, {
          versionOf: (digest) => versions.get(digest),
          onProcessed: (body) => traffic.processed(body),
          random: new Random(random.bits()),
        }),
        functions: functionsInProcess(surroundings, new Random(random.bits())),
        builds: buildsInProcess(surroundings, (digest, version) => versions.set(digest, version)),
      }),
    });
    const call = callOf(engine, clock);
    try {
      const stacks = await synthesize(context);
      await deploy(call, clock, IMAGE_STACK, stacks);
      const image = (await outputsOf(call, IMAGE_STACK)) as SourceOutputs & Record<string, string>;
      await commit(call, image.RepositoryName, { name: '1' });
      await buildFirstImage(call, clock, image);
      await deploy(call, clock, PIPELINE_STACK, stacks);
      const pipeline = (await outputsOf(call, PIPELINE_STACK)) as PipelineOutputs & Record<string, string>;
      const world = new World({
        clock,
        random,
        engine,
        traffic,
        image,
        pipeline,
        directory,
        crashes,
        context,
      });
      traffic.start(engine, pipeline.QueueUrl);
      return world;
    } catch (error) {
      await engine.close();
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Commits a version, which starts its release. */
  async commit(version: Version): Promise<void> {
    await commit(this.call, this.image.RepositoryName, version);
  }

  /** Releases the newest commit once more, of which there is an image already. */
  async releaseAgain(): Promise<void> {
    await this.call('codepipeline', 'StartPipelineExecution', { name: this.pipeline.PipelineName });
  }

  /** How long ago the newest execution entered a stage, milliseconds; `undefined` when it has not. */
  sinceStageMs(stage: string): number | undefined {
    const atMs = this.#stages.get(stage);
    return atMs === undefined ? undefined : this.clock.nowMs() - atMs;
  }

  /** Brings other context values, and the image that was promoted last, into the stack. */
  async update(context: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#context = { ...this.#context, ...context };
    await deploy(this.call, this.clock, PIPELINE_STACK, await synthesize(this.#context));
  }

  /**
   * Lets time pass until the pipeline's newest execution has ended. `meanwhile` is called every few seconds. What the judge
   * leaves open is answered by a person, who knows whether the version is good.
   */
  async untilEnd(isGood: boolean, meanwhile: () => Promise<void> = async () => {}): Promise<End> {
    const deadlineMs = this.clock.nowMs() + RELEASE_MS_MAX;
    let undecided: string | undefined;
    await this.clock.advanceBy(60_000);
    for (;;) {
      const { pipelineExecutionSummaries = [] } = await this.call('codepipeline', 'ListPipelineExecutions', {
        pipelineName: this.pipeline.PipelineName,
        maxResults: 1,
      });
      const [newest] = pipelineExecutionSummaries;
      const { pipelineExecutionId: executionId = '', status } = newest ?? {};
      const record = await this.record();
      const decision = record.decision?.executionId === executionId ? record.decision : undefined;
      if (status !== 'InProgress' && (decision === undefined || decision.restoredAt !== undefined)) {
        const { by, reason } = decision ?? {};
        return { executionId, promoted: status === 'Succeeded', by, reason, undecided };
      }
      const { verdict } = record;
      if (
        verdict?.executionId === executionId &&
        verdict.kind === 'inconclusive' &&
        undecided === undefined
      ) {
        if (await this.#answer(isGood)) undecided = verdict.summary;
      }
      if (this.clock.nowMs() > deadlineMs) {
        throw new Error(`execution ${executionId} is ${status} after ${RELEASE_MS_MAX / 3_600_000} hours`);
      }
      await meanwhile();
      await this.clock.advanceBy(5_000);
      this.#throwCrash();
    }
  }

  /** A person answers the approval, if one is asked for. */
  async #answer(isGood: boolean): Promise<boolean> {
    const name = this.pipeline.PipelineName;
    const { stage: stageName, action: actionName } = stages.approval;
    const { stageStates = [] } = await this.call('codepipeline', 'GetPipelineState', { name });
    const { status, token } =
      stageStates
        .find((stage) => stage.stageName === stageName)
        ?.actionStates?.find((action) => action.actionName === actionName)?.latestExecution ?? {};
    if (status !== 'InProgress' || token === undefined) return false;
    const result = { status: isGood ? 'Approved' : 'Rejected', summary: 'looked at' } as const;
    await this.call('codepipeline', 'PutApprovalResult', {
      pipelineName: name,
      stageName,
      actionName,
      token,
      result,
    });
    return true;
  }

  /** The controller's record. */
  async record(): Promise<ReleaseRecord> {
    const { Parameter } = await this.call('ssm', 'GetParameter', {
      Name: this.pipeline.ReleaseParameterName,
    });
    return JSON.parse(Parameter?.Value ?? '{}') as ReleaseRecord;
  }

  /** Ends the traffic and lets the workers finish; what is then not accounted for is lost. */
  async drain(): Promise<{
    readonly sent: number;
    readonly deadLettered: number;
    readonly lost: readonly string[];
  }> {
    this.traffic.stop();
    const deadLetters = new Set<string>();
    for (let hours = 0; hours < 6 && this.traffic.open.size > deadLetters.size; hours += 0.1) {
      await this.clock.advanceBy(360_000);
      await this.#readDeadLetters(deadLetters);
    }
    const lost = [...this.traffic.open].filter((body) => !deadLetters.has(body));
    return { sent: this.traffic.sent, deadLettered: deadLetters.size, lost };
  }

  async #readDeadLetters(into: Set<string>): Promise<void> {
    for (;;) {
      const { Messages = [] } = await this.call('sqs', 'ReceiveMessage', {
        QueueUrl: this.pipeline.DeadLetterQueueUrl,
        MaxNumberOfMessages: 10,
        VisibilityTimeout: 43_200,
        WaitTimeSeconds: 0,
      });
      if (Messages.length === 0) return;
      for (const { Body = '' } of Messages) into.add(Body);
    }
  }

  async close(): Promise<void> {
    await this.clock.outlast(this.engine.close());
    rmSync(this.#directory, { recursive: true, force: true });
    this.#throwCrash();
  }

  #throwCrash(): void {
    if (this.#crashes.length > 0) throw this.#crashes[0];
  }
}

function callOf({ call }: RunningEngine, clock: VirtualClock): RootCall {
  return (service, operation, input) => clock.outlast(call(service, operation, input));
}

/**
 * Whether something is under way that takes no virtual time: this turn's callbacks, files, other programs, connections. Virtual time stands still
 * meanwhile. Whatever the process has open to begin with counts for nothing.
 */
function isBusy(): () => boolean {
  // They are opened when they are used first.
  void [process.stdout, process.stderr];
  const before = underWay();
  return () => underWay() > before;
}

/** What waits for nothing in particular. */
const IDLE = new Set(['Timeout', 'TCPServerWrap']);

function underWay(): number {
  return process.getActiveResourcesInfo().filter((name) => !IDLE.has(name)).length;
}

/** The sample app's own. */
const BUILDSPEC = readFileSync(new URL('../examples/sample-app/buildspec.yml', import.meta.url), 'utf8');

async function commit(call: RootCall, repositoryName: string, version: Version): Promise<void> {
  const branch = { repositoryName, branchName: 'main' };
  const parent = await call('codecommit', 'GetBranch', branch).catch(() => undefined);
  const parentCommitId = parent?.branch?.commitId;
  const files = {
    [VERSION_FILE]: JSON.stringify(version),
    ...(parentCommitId === undefined && { 'buildspec.yml': BUILDSPEC }),
  };
  await call('codecommit', 'CreateCommit', {
    ...branch,
    commitMessage: `Version ${version.name}`,
    putFiles: Object.entries(files).map(([filePath, text]) => ({ filePath, fileContent: Buffer.from(text) })),
    ...(parentCommitId !== undefined && { parentCommitId }),
  });
}

async function buildFirstImage(call: RootCall, clock: VirtualClock, image: SourceOutputs): Promise<void> {
  const { build } = await call('codebuild', 'StartBuild', {
    projectName: image.BuildProjectName,
    sourceVersion: 'refs/heads/main',
  });
  for (;;) {
    const { builds } = await call('codebuild', 'BatchGetBuilds', { ids: [build?.id ?? ''] });
    const { buildStatus, exportedEnvironmentVariables = [], phases } = builds?.[0] ?? {};
    if (buildStatus === 'SUCCEEDED') {
      const digest = exportedEnvironmentVariables.find(({ name }) => name === 'IMAGE_DIGEST')?.value;
      const Value = `${image.ImageRepositoryUri}@${digest}`;
      await call('ssm', 'PutParameter', { Name: image.ImageParameterName, Value, Overwrite: true });
      return;
    }
    if (buildStatus !== 'IN_PROGRESS')
      throw new Error(`the first build ${buildStatus}: ${JSON.stringify(phases)}`);
    await clock.advanceBy(1_000);
  }
}
