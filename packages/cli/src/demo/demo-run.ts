import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PipelineOutputs } from '@queue-canary/core';
import { AWS_LATENCIES, sleep } from '@queue-canary/engine';
import { createClients } from '../clients.ts';
import { cdkDeploy, ensureFirstImage, synthesize } from '../commands/deploy.ts';
import { copySource, git } from '../commands/push.ts';
import { releaseReader } from '../commands/release.ts';
import type { Context } from '../context.ts';
import { SAMPLE_APP } from '../examples.ts';
import { messagesIn } from '../messages-in.ts';
import { pipelineOutputs, sourceOutputs } from '../stacks.ts';
import { resolveTarget } from '../target.ts';
import type { DemoOptions, DemoWorld } from './demo-options.ts';
import type { EngineProcess } from './engine-process.ts';
import { OutcomeTally } from './outcomes.ts';
import {
  type Check,
  type Count,
  type DemoReport,
  type Figure,
  messagesReport,
  type ReleaseReport,
} from './report.ts';
import { startTraffic, type Traffic } from './traffic.ts';
import { type FollowedRelease, Watcher } from './watcher.ts';

/** A course of releases, and the settings that it needs; everything else is the app's default. */
export interface Story {
  readonly cdkContext: readonly string[];
  /** How long the whole demo may take. */
  readonly aimMs: number;
  play(run: DemoRun): Promise<void>;
}

/** Everything that a story plays with, deployed and running, and what it has shown so far. */
export class DemoRun {
  readonly context: Context;
  readonly outputs: PipelineOutputs;
  readonly traffic: Traffic;
  readonly watch: Watcher;
  readonly rate: number;
  readonly #repository: string;
  readonly #checks: Check[] = [];
  readonly #figures: Figure[] = [];
  readonly #counts: Count[] = [];
  readonly #releases: ReleaseReport[] = [];

  private constructor(parts: {
    readonly context: Context;
    readonly outputs: PipelineOutputs;
    readonly repository: string;
    readonly rate: number;
    readonly traffic: Traffic;
    readonly watch: Watcher;
  }) {
    this.context = parts.context;
    this.outputs = parts.outputs;
    this.traffic = parts.traffic;
    this.watch = parts.watch;
    this.rate = parts.rate;
    this.#repository = parts.repository;
  }

  /** Deploys both stacks to the engine, plays the story and reports. */
  static async play(
    world: DemoWorld,
    options: DemoOptions,
    story: Story,
    state: string,
    engine: EngineProcess,
  ): Promise<DemoReport> {
    const { clock, terminal } = world;
    const startedAtMs = clock.nowMs() - engine.readyMs;
    const target = await resolveTarget({ state }, {});
    const context: Context = { ...world, target, clients: createClients(target), app: 'QueueCanary' };

    const deployStart = clock.nowMs();
    terminal.line('cdk synth');
    const assembly = await synthesize(context, { context: [...story.cdkContext] }, join(state, 'cdk.out'));
    await cdkDeploy(context, 'image', assembly);
    const imageDeployed = clock.nowMs();
    const repository = await openRepository(context);
    try {
      await pushVersion(context, repository, '1', 'Version 1', (source) => source);
      await ensureFirstImage(context);
      const pipelineStart = clock.nowMs();
      await cdkDeploy(context, 'pipeline', assembly);
      const deployMs = imageDeployed - deployStart + clock.nowMs() - pipelineStart;

      const outputs = await pipelineOutputs(context.clients.cloudformation, context.app);
      const traffic = startTraffic(context, outputs.QueueUrl, options.rate);
      const tally = new OutcomeTally(context.clients, outputs, startedAtMs);
      const watch = new Watcher(context, await releaseReader(context), tally, traffic, startedAtMs);
      const run = new DemoRun({ context, outputs, repository, rate: options.rate, traffic, watch });
      run.figure('engine ready', engine.readyMs, 1_500);
      run.figure('both stacks synthesized and deployed by cdk deploy', deployMs, 25_000);
      try {
        await story.play(run);
      } finally {
        await traffic.stop();
      }
      return await run.#report(options, story, startedAtMs);
    } finally {
      rmSync(repository, { recursive: true, force: true });
    }
  }

  line(text: string): void {
    this.context.terminal.line(text);
  }

  /** Pushes a version of the sample app whose handler is changed. */
  commit(version: string, message: string, change: (source: string) => string): Promise<void> {
    return pushVersion(this.context, this.#repository, version, message, change);
  }

  figure(name: string, ms: number, aimMs: number): void {
    this.#figures.push({ name, ms, aimMs });
  }

  count(name: string, count: number, aim: number): void {
    this.#counts.push({ name, count, aim });
  }

  check(name: string, ok: boolean, detail: string): void {
    this.#checks.push({ name, ok, detail });
    const { terminal } = this.context;
    terminal.line(`  ${ok ? terminal.style('good', '✓') : terminal.style('bad', '✗')} ${name}`);
  }

  /** Puts a release that has ended into the report. */
  add(release: FollowedRelease): ReleaseReport {
    const report = release.report();
    this.#releases.push(report);
    return report;
  }

  async #report(options: DemoOptions, story: Story, startedAtMs: number): Promise<DemoReport> {
    const { traffic, watch } = this;
    const counts = traffic.counts();
    this.line('no more messages; letting the workers finish');
    const { deadLettered, queued } = await this.#drain(watch.tally, counts.sent, options.pace);
    const messages = messagesReport(counts, watch.tally.all(), deadLettered, queued);
    this.check('every message is accounted for', messages.conserved, `${messages.sent} sent`);
    this.check(
      'sending never failed',
      traffic.problems.length === 0,
      traffic.problems.slice(0, 3).join('; '),
    );
    const totalMs = this.context.clock.nowMs() - startedAtMs;
    this.figure('the whole demo', totalMs, story.aimMs);
    return {
      ok: this.#checks.every(({ ok }) => ok),
      approval: options.approval,
      pace: options.pace,
      messagesPerSecond: options.rate,
      totalMs,
      releases: this.#releases,
      messages,
      figures: this.#figures,
      counts: this.#counts,
      checks: this.#checks,
    };
  }

  /**
   * Waits until nothing is in the queue and every message is accounted for, or long enough to be sure that some
   * are not: the workers write their metrics every five seconds, and SQS's counts are approximate until they have
   * been the same for a minute.
   */
  async #drain(
    tally: OutcomeTally,
    sent: number,
    pace: number,
  ): Promise<{ readonly queued: number; readonly deadLettered: number }> {
    const { clock, signal } = this.context;
    const quietMs = AWS_LATENCIES['sqs-counts'].worstMs / pace;
    const limit = clock.nowMs() + 60_000 + 3 * quietMs;
    let before = '';
    let sinceMs = 0;
    for (;;) {
      // Depths first: what a message ends in is logged after it has left the queue.
      const queued = await messagesIn(this.context, this.outputs.QueueUrl);
      const { DeadLetterQueueUrl } = this.outputs;
      const deadLettered = DeadLetterQueueUrl ? await messagesIn(this.context, DeadLetterQueueUrl) : 0;
      const counts = `${queued} ${deadLettered}`;
      if (counts !== before) sinceMs = clock.nowMs();
      before = counts;
      await tally.update();
      const processed = tally.all().reduce((sum, { succeeded }) => sum + succeeded, 0);
      const accounted = queued === 0 && processed + deadLettered === sent;
      const settled = accounted && clock.nowMs() - sinceMs >= quietMs;
      if (settled || clock.nowMs() > limit || signal.aborted) return { queued, deadLettered };
      await sleep(clock, Math.max(300, quietMs / 10), signal);
    }
  }
}

async function openRepository(context: Context): Promise<string> {
  const { RepositoryCloneUrlHttp: url } = await sourceOutputs(context.clients.cloudformation, context.app);
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-source-'));
  context.terminal.line(`git clone ${url}`);
  await git(context, tmpdir(), ['clone', '--quiet', url, directory]);
  await git(context, directory, ['checkout', '--quiet', '-B', 'main']);
  copySource(SAMPLE_APP, directory);
  return directory;
}

async function pushVersion(
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
  context.terminal.line(`git push (version ${version})`);
  await git(context, repository, ['push', '--quiet', 'origin', 'main']);
}
