import { type ChildProcess, spawn } from 'node:child_process';
import {
  cpSync,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Phase, Track } from '@queue-canary/core';
import { type Clock, sleep } from '@queue-canary/engine';
import { createClients } from '../clients.ts';
import { cdkDeploy, ensureFirstImage, synthesize } from '../commands/deploy.ts';
import { git } from '../commands/push.ts';
import { answerApproval, type ReleaseStatus, releaseReader } from '../commands/release.ts';
import type { Context } from '../context.ts';
import { imageOutputs, type PipelineOutputs, pipelineOutputs } from '../stacks.ts';
import { resolveTarget } from '../target.ts';
import { seconds, type Terminal } from '../terminal.ts';
import { CliError } from '../user-error.ts';
import { OutcomeTally } from './outcomes.ts';
import {
  type Check,
  type DemoReport,
  type Figure,
  messagesReport,
  type ReleaseReport,
  renderReport,
} from './report.ts';
import { startTraffic, type Traffic } from './traffic.ts';

export interface DemoOptions {
  readonly pace: number;
  readonly rate: number;
  readonly json: boolean;
  readonly keep: boolean;
  readonly state?: string;
}

/** What the demo needs of the outside world. */
export interface DemoWorld {
  readonly clock: Clock;
  readonly terminal: Terminal;
  readonly print: (text: string) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

const SAMPLE_APP = fileURLToPath(new URL('../../../../examples/sample-app', import.meta.url));

/**
 * Settings that make the demo short; everything else is the app's default. Two deliveries instead of three,
 * because a message that the canary fails is retried mostly by stable: with three, few reach the dead-letter
 * queue. A whole vCPU per task, because the limit is real here and a quarter of one makes Node start slowly.
 */
const CDK_CONTEXT = ['bakeMinutes=0', 'watchMinutes=0', 'maxReceiveCount=2', 'cpu=1024', 'memoryMiB=2048'];

const FINAL_PHASES: readonly Phase[] = ['succeeded', 'rolledBack', 'aborted', 'halted'];

/** Longest wait for any single step; the demo fails rather than hangs. */
const STEP_LIMIT_MS = 120_000;

/** Plays one good and one bad release for real and reports; resolves with the exit status. */
export async function demo(world: DemoWorld, options: DemoOptions): Promise<number> {
  const state = options.state ?? mkdtempSync(join(tmpdir(), 'queue-canary-demo-'));
  const engine = await startEngineProcess(world, state, options.pace);
  let finished = false;
  try {
    const run = new DemoRun(world, options, state, engine);
    const report = await run.play();
    finished = true;
    if (options.json) world.print(JSON.stringify(report, null, 2));
    else for (const line of renderReport(report, world.terminal.style)) world.print(line);
    return report.ok ? 0 : 1;
  } finally {
    if (options.keep && finished) {
      engine.release();
      world.terminal.line(
        `left running: ${engine.endpoint}, process ${engine.pid}, state ${state}, log ${engine.log}`,
      );
      world.terminal.line(`  queue-canary release status --state ${state}`);
      world.terminal.line(`  kill ${engine.pid}   ends it and everything that it runs`);
    } else {
      await engine.stop();
      if (options.state === undefined && finished) rmSync(state, { recursive: true, force: true });
      else world.terminal.line(`the engine's state and log are in ${state}`);
    }
  }
}

interface EngineProcess {
  readonly pid: number;
  readonly endpoint: string;
  readonly log: string;
  readonly readyMs: number;
  /** Lets the engine run on after this program. */
  release(): void;
  stop(): Promise<void>;
}

/** Runs `queue-canary up` as a process of its own and waits until it is ready. */
async function startEngineProcess(world: DemoWorld, state: string, pace: number): Promise<EngineProcess> {
  const { clock, terminal } = world;
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const log = join(state, 'engine.log');
  const startedAtMs = clock.nowMs();
  terminal.line(`queue-canary up --pace ${pace}`);
  const child = spawn(
    process.execPath,
    [...process.execArgv, process.argv[1]!, 'up', '--state', state, '--port', '0', '--pace', String(pace)],
    // A group of its own: Ctrl-C reaches the demo, which stops the engine in order.
    { env: world.environment, stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  const file = createWriteStream(log, { mode: 0o600 });
  const ready = await readyLine(child, (line) => file.write(`${line}\n`));
  const endpoint = /http:\/\/[\d.:]+/.exec(ready)?.[0] ?? '';
  terminal.line(`  ${ready}`);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid!,
    endpoint,
    log,
    readyMs: clock.nowMs() - startedAtMs,
    release() {
      child.unref();
      child.stderr?.destroy();
    },
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function readyLine(child: ChildProcess, keep: (line: string) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    createInterface({ input: child.stderr! }).on('line', (line) => {
      keep(line);
      if (lines.length < 50) lines.push(line);
      if (line.startsWith('ready')) resolve(line);
    });
    child.once('exit', (code) =>
      reject(new CliError(`the engine ended (${code}) before it was ready:\n${lines.join('\n')}`)),
    );
    child.once('error', reject);
  });
}

class DemoRun {
  readonly #world: DemoWorld;
  readonly #options: DemoOptions;
  readonly #state: string;
  readonly #engine: EngineProcess;
  readonly #startedAtMs: number;
  readonly #checks: Check[] = [];
  readonly #figures: Figure[] = [];
  readonly #releases: ReleaseReport[] = [];

  constructor(world: DemoWorld, options: DemoOptions, state: string, engine: EngineProcess) {
    this.#world = world;
    this.#options = options;
    this.#state = state;
    this.#engine = engine;
    this.#startedAtMs = world.clock.nowMs() - engine.readyMs;
  }

  async play(): Promise<DemoReport> {
    const { clock, terminal } = this.#world;
    const target = await resolveTarget({ state: this.#state }, {});
    const context: Context = { ...this.#world, target, clients: createClients(target), app: 'QueueCanary' };
    this.#figure('engine ready', this.#engine.readyMs, 1_500);

    const deployStart = clock.nowMs();
    terminal.line('cdk synth');
    const assembly = await synthesize(context, { context: CDK_CONTEXT }, join(this.#state, 'cdk.out'));
    await cdkDeploy(context, 'image', assembly);
    const imageDeployed = clock.nowMs();
    const repository = await this.#openRepository(context);
    await this.#commit(context, repository, '1', 'Version 1', (source) => source);
    await ensureFirstImage(context);
    const pipelineStart = clock.nowMs();
    await cdkDeploy(context, 'pipeline', assembly);
    this.#figure(
      'both stacks synthesized and deployed by cdk deploy',
      imageDeployed - deployStart + clock.nowMs() - pipelineStart,
      25_000,
    );

    const outputs = await pipelineOutputs(context.clients.cloudformation, context.app);
    const traffic = startTraffic(context, outputs.QueueUrl, this.#options.rate);
    const tally = new OutcomeTally(context.clients, outputs, this.#startedAtMs);
    const watch = new Watcher(context, await releaseReader(context), tally, traffic, this.#startedAtMs);
    try {
      await this.#releaseOne(context, watch);
      await this.#releaseTwo(context, watch, repository);
      await this.#releaseThree(context, watch, repository);
    } finally {
      await traffic.stop();
      rmSync(repository, { recursive: true, force: true });
    }
    terminal.line('no more messages; letting the workers finish');
    const { deadLettered, queued } = await this.#drain(context, outputs, tally, traffic.sent());
    const messages = messagesReport(traffic.sent(), tally.all(), deadLettered, queued);
    this.#check('every message is accounted for', messages.conserved, `${messages.sent} sent`);
    this.#check(
      'sending never failed',
      traffic.problems.length === 0,
      traffic.problems.slice(0, 3).join('; '),
    );
    const totalMs = clock.nowMs() - this.#startedAtMs;
    this.#figure('the whole demo', totalMs, 90_000);
    return {
      ok: this.#checks.every(({ ok }) => ok),
      pace: this.#options.pace,
      messagesPerSecond: this.#options.rate,
      totalMs,
      releases: this.#releases,
      messages,
      figures: this.#figures,
      checks: this.#checks,
    };
  }

  /** The pipeline's own first execution, which AWS starts when the pipeline is created. */
  async #releaseOne(context: Context, watch: Watcher): Promise<void> {
    this.#world.terminal.line('release of version 1: the pipeline starts by itself when it is created');
    const release = watch.release('1');
    await release.until(({ view }) => view.approvalPending, 'version 1 to wait for approval');
    await answerApproval(context, 'Approved', { summary: 'first version' });
    const end = await release.end();
    this.#releases.push(release.report());
    this.#check(
      'version 1 is on both services',
      end.view.phase === 'succeeded' && sameCommit(end),
      phaseOf(end),
    );
  }

  async #releaseTwo(context: Context, watch: Watcher, repository: string): Promise<void> {
    const { clock, terminal } = this.#world;
    terminal.line('commit of version 2, a good one');
    const pushedAt = clock.nowMs();
    await this.#commit(context, repository, '2', 'Version 2: a good change', (source) => source);
    const release = watch.release('2');
    await release.until(
      () => (watch.tally.get('canary', '2')?.succeeded ?? 0) > 0,
      'the canary to process messages with version 2',
    );
    this.#figure('commit to canary processing', clock.nowMs() - pushedAt, 10_000);
    await release.until(({ view }) => view.approvalPending, 'version 2 to wait for approval');
    const before = watch.tally.get('canary', '2')!.succeeded;
    await release.until(
      () => watch.tally.get('canary', '2')!.succeeded >= before + this.#options.rate / 2,
      'the canary to process more messages',
    );
    const canary = watch.tally.get('canary', '2')!.succeeded;
    this.#check(
      'while approval is pending the canary runs version 2 and stable version 1',
      canary > 0 && watch.tally.get('stable', '2') === undefined,
      `canary processed ${canary} messages with version 2, stable none`,
    );
    terminal.line(`  approving version 2: the canary has processed ${canary} messages with it`);
    const approvedAt = clock.nowMs();
    await answerApproval(context, 'Approved', { summary: 'the canary looks good' });
    await release.until((status) => bothSteadyOn(status, release.commit()), 'both services to run version 2');
    this.#figure('approval to both services on the new version', clock.nowMs() - approvedAt, 10_000);
    const end = await release.end();
    this.#releases.push(release.report());
    // The workers write their metrics every five seconds, so this may be seen only when the release is over.
    await watch.until(
      () => (watch.tally.get('stable', '2')?.succeeded ?? 0) > 0,
      'stable to process messages with version 2',
    );
    this.#check(
      'version 2 was promoted to both services',
      end.view.phase === 'succeeded' && sameCommit(end),
      phaseOf(end),
    );
  }

  async #releaseThree(context: Context, watch: Watcher, repository: string): Promise<void> {
    const { clock, terminal } = this.#world;
    terminal.line('commit of version 3, whose handler fails on real messages');
    const lastGood = (await watch.look()).view.lastGood?.imageDigest;
    await this.#commit(context, repository, '3', 'Version 3: a bad change', (source) =>
      source.replace(
        /(export async function handle\(body: string\): Promise<void> \{\n)/,
        "$1  if (!('customer' in JSON.parse(body))) throw new Error('the order has no customer');\n",
      ),
    );
    const release = watch.release('3');
    await release.until(
      () => (watch.tally.get('canary', '3')?.failed ?? 0) > 0,
      'version 3 to fail messages',
    );
    terminal.line('  version 3 fails messages; nobody does anything about it');
    await release.until(
      (status) => status.view.phase === 'rolledBack' && status.view.tracks.every(({ steady }) => steady),
      'both services to be restored',
    );
    const firstFailedAt = watch.tally.get('canary', '3')?.firstFailedAt ?? 0;
    this.#figure('first failed message to both services restored', clock.nowMs() - firstFailedAt, 20_000);
    const end = await release.end();
    this.#releases.push(release.report());
    const { tracks, alarms } = end.view;
    this.#check(
      'version 3 was rolled back by itself and both services run version 2',
      end.view.phase === 'rolledBack' &&
        tracks.length === 2 &&
        tracks.every(({ imageDigest }) => imageDigest === lastGood),
      end.view.reasons.join('; '),
    );
    this.#check(
      'the dead-letter alarm went off and EventBridge invoked the controller',
      await this.#alarmReachedController(context),
      alarms.map(({ name }) => name).join(', '),
    );
    this.#check('stable never ran version 3', watch.tally.get('stable', '3') === undefined, '');
  }

  /**
   * Whether the alarm went off and EventBridge invoked the controller for it, now or within the next
   * evaluations: the controller may have seen the dead letters itself before.
   */
  async #alarmReachedController(context: Context): Promise<boolean> {
    const { clock, signal } = this.#world;
    const { ControllerLogGroupName } = await pipelineOutputs(context.clients.cloudformation, context.app);
    const limit = clock.nowMs() + 15_000;
    while (clock.nowMs() < limit && !signal.aborted) {
      const { events = [] } = await context.clients.logs.filterLogEvents({
        logGroupName: ControllerLogGroupName,
        filterPattern: '"aws.cloudwatch: CloudWatch Alarm State Change"',
      });
      if (events.length > 0) return true;
      await sleep(clock, 500, signal);
    }
    return false;
  }

  /**
   * Waits until nothing is in the queue and every message is accounted for, or long enough to be sure that some
   * are not: the workers write their metrics every five seconds.
   */
  async #drain(context: Context, outputs: PipelineOutputs, tally: OutcomeTally, sent: number) {
    const { clock, signal } = this.#world;
    const depth = async (QueueUrl: string) => {
      const { Attributes = {} } = await context.clients.sqs.getQueueAttributes({
        QueueUrl,
        AttributeNames: [
          'ApproximateNumberOfMessages',
          'ApproximateNumberOfMessagesNotVisible',
          'ApproximateNumberOfMessagesDelayed',
        ],
      });
      return Object.values(Attributes).reduce((sum, value) => sum + Number(value), 0);
    };
    const limit = clock.nowMs() + 40_000;
    for (;;) {
      // Depths first: what a message ends in is logged after it has left the queue.
      const queued = await depth(outputs.QueueUrl);
      const deadLettered = await depth(outputs.DeadLetterQueueUrl);
      await tally.update();
      const processed = tally.all().reduce((sum, { succeeded }) => sum + succeeded, 0);
      const settled = queued === 0 && processed + deadLettered === sent;
      if (settled || clock.nowMs() > limit || signal.aborted) return { queued, deadLettered };
      await sleep(clock, 300, signal);
    }
  }

  async #openRepository(context: Context): Promise<string> {
    const { RepositoryCloneUrlHttp: url } = await imageOutputs(context.clients.cloudformation, context.app);
    const directory = mkdtempSync(join(tmpdir(), 'queue-canary-source-'));
    this.#world.terminal.line(`git clone ${url}`);
    await git(context, tmpdir(), ['clone', '--quiet', url, directory]);
    await git(context, directory, ['checkout', '--quiet', '-B', 'main']);
    cpSync(SAMPLE_APP, directory, { recursive: true, filter: (path) => !path.includes('node_modules') });
    return directory;
  }

  async #commit(
    context: Context,
    repository: string,
    version: string,
    message: string,
    change: (source: string) => string,
  ): Promise<void> {
    const handler = join(repository, 'src', 'handler.ts');
    const source = readFileSync(join(SAMPLE_APP, 'src', 'handler.ts'), 'utf8');
    const changed = change(source.replace(/version = '[^']*'/, `version = '${version}'`));
    writeFileSync(handler, changed);
    await git(context, repository, ['add', '--all']);
    await git(context, repository, [
      '-c',
      'user.name=Demo',
      '-c',
      'user.email=demo@localhost',
      'commit',
      '--quiet',
      '--allow-empty',
      '--message',
      message,
    ]);
    this.#world.terminal.line(`git push (version ${version})`);
    await git(context, repository, ['push', '--quiet', 'origin', 'main']);
  }

  #figure(name: string, ms: number, aimMs: number): void {
    this.#figures.push({ name, ms, aimMs });
  }

  #check(name: string, ok: boolean, detail: string): void {
    this.#checks.push({ name, ok, detail });
    const { terminal } = this.#world;
    terminal.line(`  ${ok ? terminal.style('good', '✓') : terminal.style('bad', '✗')} ${name}`);
  }
}

/** Looks at release and outcomes again and again, showing where things are. */
class Watcher {
  readonly tally: OutcomeTally;
  readonly #context: Context;
  readonly #read: () => Promise<ReleaseStatus>;
  readonly #traffic: Traffic;
  readonly #startedAtMs: number;
  readonly #known = new Set<string>();

  constructor(
    context: Context,
    read: () => Promise<ReleaseStatus>,
    tally: OutcomeTally,
    traffic: Traffic,
    startedAtMs: number,
  ) {
    this.#context = context;
    this.#read = read;
    this.tally = tally;
    this.#traffic = traffic;
    this.#startedAtMs = startedAtMs;
  }

  async look(): Promise<ReleaseStatus> {
    const [status] = await Promise.all([this.#read(), this.tally.update()]);
    const { terminal, clock } = this.#context;
    const count = (track: Track) =>
      this.tally
        .all()
        .filter((outcome) => outcome.track === track)
        .map(
          ({ version, succeeded, failed }) =>
            `v${version} ${succeeded}${failed > 0 ? ` (${failed} failed)` : ''}`,
        )
        .join(' ');
    const stage = status.view.stages.find((candidate) => candidate.status === 'running')?.name;
    terminal.live(
      `  ${seconds(clock.nowMs() - this.#startedAtMs)}  ${status.view.phase}${stage ? ` (${stage})` : ''}  sent ${this.#traffic.sent()}  canary ${count('canary')}  stable ${count('stable')}  dead ${status.view.deadLetterDepth ?? 0}`,
    );
    return status;
  }

  /** Looks until `holds`, whatever becomes of releases meanwhile; an error says what was waited for. */
  async until(holds: () => boolean, what: string): Promise<void> {
    const { clock, signal } = this.#context;
    const limit = clock.nowMs() + STEP_LIMIT_MS;
    for (await this.look(); !holds(); await this.look()) {
      if (signal.aborted) throw new CliError('interrupted');
      if (clock.nowMs() > limit)
        throw new CliError(`gave up after ${seconds(STEP_LIMIT_MS)} waiting for ${what}`);
      await sleep(clock, 300, signal);
    }
  }

  /** Follows the next release that has not been followed yet. */
  release(version: string): FollowedRelease {
    const startedAt = this.#context.clock.nowMs();
    return new FollowedRelease(this, this.#context, version, startedAt, this.#known, this.#startedAtMs);
  }
}

class FollowedRelease {
  readonly #watcher: Watcher;
  readonly #context: Context;
  readonly #version: string;
  readonly #startedAt: number;
  readonly #known: Set<string>;
  readonly #demoStartedAt: number;
  readonly #phases: Array<{ phase: Phase; at: number }> = [];
  #executionId: string | undefined;
  #commit = '';
  #last: ReleaseStatus | undefined;

  constructor(
    watcher: Watcher,
    context: Context,
    version: string,
    startedAt: number,
    known: Set<string>,
    demoStartedAt: number,
  ) {
    this.#watcher = watcher;
    this.#context = context;
    this.#version = version;
    this.#startedAt = startedAt;
    this.#known = known;
    this.#demoStartedAt = demoStartedAt;
  }

  commit(): string {
    return this.#commit;
  }

  /** Looks until `holds` for this release; an error after two minutes says what was waited for. */
  async until(holds: (status: ReleaseStatus) => boolean, what: string): Promise<ReleaseStatus> {
    const { clock, signal, terminal } = this.#context;
    const limit = clock.nowMs() + STEP_LIMIT_MS;
    for (;;) {
      if (signal.aborted) throw new CliError('interrupted');
      const status = await this.#watcher.look();
      const { release, phase, reasons } = status.view;
      if (release && this.#executionId === undefined && !this.#known.has(release.executionId)) {
        this.#executionId = release.executionId;
        this.#known.add(release.executionId);
      }
      if (release?.executionId === this.#executionId && this.#executionId !== undefined) {
        this.#last = status;
        this.#commit = release?.commit ?? this.#commit;
        if (this.#phases.at(-1)?.phase !== phase) {
          this.#phases.push({ phase, at: clock.nowMs() });
          terminal.line(
            `  ${seconds(clock.nowMs() - this.#demoStartedAt).padStart(7)}  version ${this.#version}: ${phase}${FINAL_PHASES.includes(phase) && phase !== 'succeeded' ? ` (${reasons.join('; ')})` : ''}`,
          );
        }
        if (phase === 'halted') throw new CliError(`the release halted: ${reasons.join('; ')}`);
        if (holds(status)) return status;
        if (FINAL_PHASES.includes(phase) && this.#phases.length > 0 && what !== 'the release to end') {
          throw new CliError(
            `version ${this.#version} ended (${phase}: ${reasons.join('; ')}) while the demo waited for ${what}`,
          );
        }
      }
      if (clock.nowMs() > limit)
        throw new CliError(`gave up after ${seconds(STEP_LIMIT_MS)} waiting for ${what}`);
      await sleep(clock, 300, signal);
    }
  }

  end(): Promise<ReleaseStatus> {
    return this.until(({ view }) => FINAL_PHASES.includes(view.phase), 'the release to end');
  }

  report(): ReleaseReport {
    return {
      version: this.#version,
      commit: this.#commit,
      executionId: this.#executionId ?? '',
      phases: this.#phases,
      outcome: this.#phases.at(-1)?.phase ?? 'idle',
      startedAt: this.#startedAt,
      endedAt: this.#phases.at(-1)?.at ?? this.#startedAt,
      reasons: this.#last?.view.reasons ?? [],
    };
  }
}

function phaseOf({ view }: ReleaseStatus): string {
  return view.tracks.map(({ track, commit }) => `${track} ${commit?.slice(0, 8) ?? '?'}`).join(', ');
}

function sameCommit({ view }: ReleaseStatus): boolean {
  const [first, second] = view.tracks;
  return first !== undefined && second !== undefined && first.imageDigest === second.imageDigest;
}

function bothSteadyOn({ view }: ReleaseStatus, commit: string): boolean {
  return view.tracks.length === 2 && view.tracks.every((track) => track.steady && track.commit === commit);
}
