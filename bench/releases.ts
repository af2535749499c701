import { parseArgs } from 'node:util';
import { ECS } from '@aws-sdk/client-ecs';
import { deployPipeline } from '../packages/cli/src/commands/deploy.ts';
import { withEngine } from '../packages/cli/src/demo/demo.ts';
import type { DemoOptions, DemoWorld } from '../packages/cli/src/demo/demo-options.ts';
import { DemoRun, type Story } from '../packages/cli/src/demo/demo-run.ts';
import { firstRelease, judgedStory } from '../packages/cli/src/demo/judged-story.ts';
import { DECIDERS, type DemoReport, type ReleaseReport } from '../packages/cli/src/demo/report.ts';
import { interruption } from '../packages/cli/src/interruption.ts';
import { createTerminal, seconds } from '../packages/cli/src/terminal.ts';
import { explain } from '../packages/cli/src/user-error.ts';
import type { Phase } from '../packages/core/src/index.ts';
import { SystemClock, sleep } from '../packages/engine/src/index.ts';
import { Random } from './judge/random.ts';
import { upperBound } from './judge/statistics.ts';
import { percent } from './judge/table.ts';

/**
 * `npm run bench:releases [-- --releases N] [-- --json] [-- --keep-going]`: good versions, one after the other, on the whole
 * system as the demo brings it up, with the demo's settings and two stable tasks. They are disturbed as on an account that
 * people use; which disturbance comes when is drawn from `--seed`. All versions are good, so each that is not promoted is a
 * false rollback. The judge may make some, at its stated rate. When anything else ended one, or a message was lost, the exit
 * status is 1; unless `--keep-going`, the run ends there.
 *
 * A stack update during a release ends it when it puts back what a service ran before (docs/how-to/update-the-stacks.md):
 * the canary then, or stable in its promotion. So one that comes during a release changes stable alone and early in the
 * bake, and the image that was promoted before is brought into the stack just before the release.
 */
const { values: options } = parseArgs({
  options: {
    releases: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    pace: { type: 'string', default: '20' },
    rate: { type: 'string', default: '40' },
    state: { type: 'string' },
    json: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
  },
});

function wholeNumber(name: 'releases' | 'seed' | 'pace' | 'rate'): number {
  const text = options[name];
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  console.error(`--${name} must be a whole number from 1 to 999999, not "${text}"`);
  process.exit(2);
}

const RELEASES = wholeNumber('releases');
const SEED = wholeNumber('seed');

/** The deployed system, as people around it treat it. */
class System {
  readonly run: DemoRun;
  readonly #ecs: ECS;
  #tasks = USUAL_TASKS;

  constructor(run: DemoRun) {
    this.run = run;
    this.#ecs = new ECS(run.context.target.connection);
  }

  /** A stack update that gives a track one task more, or takes it away again. */
  async scale(setting: keyof typeof USUAL_TASKS): Promise<void> {
    const usual = USUAL_TASKS[setting];
    this.#tasks = { ...this.#tasks, [setting]: this.#tasks[setting] === usual ? usual + 1 : usual };
    await this.deploy();
  }

  /** Brings the image that was promoted last into the stack. */
  async deploy(): Promise<void> {
    await deployPipeline(this.run.context, { context: settings(this.#tasks) });
  }

  /** Someone receives from the dead-letter queue again and again and deletes nothing, so that its messages come back. */
  async lookAtDeadLetters(): Promise<void> {
    const { context, outputs } = this.run;
    for (let look = 0; look < 4; look += 1) {
      await context.clients.sqs.receiveMessage({
        QueueUrl: outputs.DeadLetterQueueUrl,
        MaxNumberOfMessages: 10,
        VisibilityTimeout: 2,
      });
      await sleep(context.clock, 3_000, context.signal);
    }
  }

  async stopStableTask(draw: number): Promise<void> {
    const { ClusterName: cluster, StableServiceName: serviceName } = this.run.outputs;
    const { taskArns = [] } = await this.#ecs.listTasks({ cluster, serviceName });
    const task = taskArns[Math.floor(draw * taskArns.length)];
    if (task !== undefined) await this.#ecs.stopTask({ cluster, task, reason: 'stopped by a person' });
  }

  /** Releases the newest commit once more, of which there is an image already. */
  async releaseAgain(): Promise<void> {
    const { context, outputs } = this.run;
    await context.clients.codepipeline.startPipelineExecution({ name: outputs.PipelineName });
  }
}

const USUAL_TASKS = { canaryTasks: 1, stableTasks: 2 };

function settings(tasks: typeof USUAL_TASKS): string[] {
  return [...judgedStory.cdkContext, ...Object.entries(tasks).map(([name, count]) => `${name}=${count}`)];
}

/** When in a release something happens. */
type Moment = 'before' | 'baking' | 'promoting';

/** Something that happens on a real account, and that no release is to blame for. */
interface Kind {
  readonly name: string;
  /** How likely it comes with a release. */
  readonly chance: number;
  readonly moment: Moment;
  /** It comes up to so long after that moment. @default 0 */
  readonly withinMs?: number;
  /** What must be done before the release, so that the release is not to be ended for it. */
  readonly prepare?: (system: System) => Promise<void>;
  /** `draw` is evenly from 0 to 1. */
  readonly act: (system: System, draw: number) => Promise<void>;
}

interface Disturbance extends Kind {
  readonly afterMs: number;
  readonly draw: number;
}

/** How many messages of a burst are poison, at most. */
const BURST_MAX = 12;

/** As long as the bake, so that some come when stable's deployment has begun. */
const BAKE_MS = 45_000;

async function sendPoison({ run }: System, draw: number): Promise<void> {
  run.traffic.poison(1 + Math.floor(draw * BURST_MAX));
}

const KINDS: readonly Kind[] = [
  {
    name: 'stack update',
    chance: 0.2,
    moment: 'before',
    act: (system, draw) => system.scale(draw < 0.5 ? 'canaryTasks' : 'stableTasks'),
  },
  {
    name: 'stack update meanwhile',
    chance: 0.15,
    moment: 'baking',
    withinMs: BAKE_MS / 3,
    prepare: (system) => system.deploy(),
    act: (system) => system.scale('stableTasks'),
  },
  { name: 'poison', chance: 0.5, moment: 'baking', withinMs: BAKE_MS, act: sendPoison },
  { name: 'poison in the promotion', chance: 0.3, moment: 'promoting', act: sendPoison },
  {
    name: 'look at the dead letters',
    chance: 0.4,
    moment: 'baking',
    withinMs: BAKE_MS,
    act: (system) => system.lookAtDeadLetters(),
  },
  {
    name: 'stable task stopped',
    chance: 0.25,
    moment: 'baking',
    withinMs: BAKE_MS,
    act: (system, draw) => system.stopStableTask(draw),
  },
];

/** How likely a release brings an image that is there already. */
const SAME_IMAGE = 0.1;

interface PlannedRelease {
  readonly sameImage: boolean;
  readonly disturbances: readonly Disturbance[];
}

/** Draws the same numbers whatever comes of them, so that a seed stands for one course. */
function draw(random: Random): PlannedRelease {
  const sameImage = random.uniform() < SAME_IMAGE;
  const drawn = KINDS.map((kind) => ({
    ...kind,
    comes: random.uniform() < kind.chance,
    afterMs: random.uniform() * (kind.withinMs ?? 0),
    draw: random.uniform(),
  }));
  return { sameImage, disturbances: drawn.filter(({ comes }) => comes) };
}

interface Row {
  readonly version: string;
  readonly outcome: Phase;
  readonly ms: number;
  readonly disturbances: readonly string[];
  /** Who or what ended a release that did not succeed. */
  readonly endedBy?: string;
  readonly reasons: readonly string[];
  /** Disturbances that failed themselves. */
  readonly problems: readonly string[];
  readonly phases: ReleaseReport['phases'];
  readonly evidence?: string;
}

/** Releases one good version, disturbs it as planned, and says what became of it. */
async function releaseOne(system: System, version: string, planned: PlannedRelease): Promise<Row> {
  const { run } = system;
  const { clock, signal } = run.context;
  const { sameImage, disturbances } = planned;
  const problems: string[] = [];
  const disturb = async ({ name, act, afterMs, draw }: Disturbance) => {
    await sleep(clock, afterMs, signal);
    if (signal.aborted) return;
    await act(system, draw).catch((error) => problems.push(`${name}: ${explain(error)}`));
  };
  const at = (moment: Moment) =>
    Promise.all(disturbances.filter((one) => one.moment === moment).map(disturb));

  await at('before');
  for (const { prepare } of disturbances) await prepare?.(system);
  if (sameImage) await system.releaseAgain();
  else await run.commit(version, `Version ${version}: a good change`, (source) => source);
  const release = run.watch.release(version);
  const during: Array<Promise<unknown>> = [];
  let stuck: string | undefined;
  try {
    await release.until(({ view }) => !EARLY.includes(view.phase), 'the canary to be deployed');
    during.push(at('baking'));
    await release.until(({ view }) => ![...EARLY, ...JUDGED].includes(view.phase), 'the judge');
    during.push(at('promoting'));
    await release.end();
  } catch (error) {
    if (signal.aborted) throw error;
    stuck = explain(error);
  }
  await Promise.all(during);
  const report = run.add(release);
  return {
    version,
    outcome: report.outcome,
    ms: report.endedAt - report.startedAt,
    disturbances: [...(sameImage ? ['same image'] : []), ...disturbances.map(({ name }) => name)],
    ...(report.outcome !== 'succeeded' && { endedBy: endedBy(report) }),
    reasons: stuck === undefined ? report.reasons : [stuck],
    problems,
    phases: report.phases,
    ...(report.evidence !== undefined && { evidence: report.evidence }),
  };
}

const EARLY: readonly Phase[] = ['idle', 'deploying'];

const JUDGED: readonly Phase[] = ['baking', 'awaitingApproval'];

/** A service that ran something else than the candidate ends a release in the pipeline's name. */
function endedBy({ outcome, decidedBy, reasons }: ReleaseReport): string {
  if (outcome !== 'rolledBack' && outcome !== 'aborted') return 'nobody';
  return reasons.some((reason) => reason.includes('instead of the candidate'))
    ? 'drift'
    : DECIDERS[decidedBy];
}

const clock = new SystemClock();
const terminal = createTerminal(process.stderr);
const signal = interruption();
const startedAtMs = clock.nowMs();
const rows: Row[] = [];

const isBlameless = ({ outcome, endedBy }: Row) => outcome === 'succeeded' || endedBy === DECIDERS.judge;

const story: Story = {
  cdkContext: settings(USUAL_TASKS),
  aimMs: RELEASES * 90_000,
  async play(run) {
    await firstRelease(run);
    const system = new System(run);
    const random = new Random(SEED);
    while (rows.length < RELEASES && (options['keep-going'] || rows.every(isBlameless))) {
      const row = await releaseOne(system, String(rows.length + 2), draw(random));
      rows.push(row);
      for (const line of rowLines(row)) terminal.line(line);
    }
  },
};

function rowLines(row: Row): string[] {
  const { version, outcome, ms, disturbances, endedBy, reasons, problems } = row;
  const sinceMs = clock.nowMs() - startedAtMs;
  const done = `${rows.length}/${RELEASES} after ${seconds(sinceMs)}`.padEnd(24);
  const how = terminal.style(outcome === 'succeeded' ? 'good' : 'bad', outcome.padEnd(10));
  return [
    `${done}  version ${version.padEnd(4)} ${how} ${seconds(ms).padStart(10)}  ${disturbances.join(', ')}`,
    ...(endedBy === undefined ? [] : [`  by ${endedBy}: ${reasons.join('; ')}`]),
    ...problems.map((problem) => `  ${problem}`),
  ];
}

/** What came of all that were released, once the messages are known as well. */
function summary(messages: DemoReport['messages']) {
  const failed = rows.filter(({ outcome }) => outcome !== 'succeeded');
  const blamed = rows.filter((row) => !isBlameless(row));
  const by = Map.groupBy(failed, (row) => row.endedBy ?? '');
  return {
    seed: SEED,
    ms: clock.nowMs() - startedAtMs,
    releases: rows.length,
    failed: failed.length,
    failedAtMost: upperBound(failed.length, rows.length),
    by: Object.fromEntries([...by].map(([culprit, its]) => [culprit, its.length])),
    failedNotByJudge: blamed.length,
    failedNotByJudgeAtMost: upperBound(blamed.length, rows.length),
    messages,
    lost: Math.max(0, messages.sent - messages.processed - messages.deadLettered - messages.queued),
    rows,
  };
}

function print(result: ReturnType<typeof summary>): void {
  const { releases, failed, failedAtMost, by, failedNotByJudge, failedNotByJudgeAtMost, messages } = result;
  const { sent, poison, processed, deadLettered, queued } = messages;
  const culprits = Object.entries(by).map(([culprit, count]) => `${count} by ${culprit}`);
  const atMost = (bound: number) => `at most ${percent(bound)} of such releases, with 99 % confidence`;
  console.log(`
good releases            ${releases} in ${seconds(result.ms)}, seed ${result.seed}
not promoted             ${failed}${failed === 0 ? '' : ` (${culprits.join(', ')})`}; ${atMost(failedAtMost)}
of these, not by judge   ${failedNotByJudge}; ${atMost(failedNotByJudgeAtMost)}
messages                 sent ${sent} (${poison} poison) = processed ${processed} + dead-lettered ${deadLettered} + still queued ${queued}${messages.conserved ? '' : ': NOT CONSERVED'}`);
}

const world: DemoWorld = { clock, terminal, print: () => {}, environment: process.env, signal };
/** What the demo says step by step is of no interest for hundreds of releases. */
const quiet: DemoWorld = { ...world, terminal: { ...terminal, line: (text = '') => terminal.live(text) } };
const demo: DemoOptions = {
  approval: 'automatic',
  pace: wholeNumber('pace'),
  seed: SEED,
  rate: wholeNumber('rate'),
  json: options.json,
  keep: false,
  ...(options.state !== undefined && { state: options.state }),
};

try {
  const { messages } = await withEngine(world, demo, (state, engine) =>
    DemoRun.play(quiet, demo, story, state, engine),
  );
  const result = summary(messages);
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else print(result);
  process.exitCode = result.failedNotByJudge > 0 || result.lost > 0 ? 1 : 0;
} catch (error) {
  terminal.line(`${terminal.style('bad', 'error:')} ${explain(error)}`);
  process.exitCode = signal.aborted ? 130 : 1;
}
