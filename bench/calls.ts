import { parseArgs } from 'node:util';
import { createAwsGateways } from '../packages/controller/src/gateways/aws.ts';
import { createHandler } from '../packages/controller/src/handler.ts';
import { ScriptedAws } from '../packages/controller/test/scripted-aws.ts';
import { type Answered, SimulatedAws, simulatedNames } from '../packages/controller/test/simulated-aws.ts';
import { judging } from '../packages/core/test/judged-world.ts';
import { SimulatedWorld } from '../packages/core/test/simulated-world.ts';
import { RATE_LIMITS, TokenBucket } from '../packages/engine/src/dispatch/rate-limits.ts';
import { printTable } from './judge/table.ts';

/**
 * `npm run bench:calls [-- --json]`: what the controller asks of AWS in an hour of a release that the judge cannot
 * decide, and in an hour without a release, alongside what an account may ask for. Each application is a simulated world
 * behind AWS's APIs, with the real handler, gateways and SDK clients; its clock is virtual. The hour of one application
 * is then begun by each of twenty, three seconds apart, and all their calls are put through the account's token
 * buckets, which says how many would be refused. Nothing is asserted.
 */
const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, applications: { type: 'string', default: '20' } },
});

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const CONTINUATION_MS = 30_000;
const APART_MS = 3_000;
const APPLICATIONS = Number(options.applications);

/** Too little to decide within the hour. */
const WORK = { canary: { perSecond: 0.02 }, stable: { perSecond: 0.02 } };

/** One application: CodePipeline's calls for its job, and EventBridge's each minute. */
class Application {
  readonly #world: SimulatedWorld;
  readonly #aws: SimulatedAws;
  readonly #job: { readonly id: string; readonly executionId: string } | undefined;

  constructor(releasing: boolean) {
    const { world, id } = releasing
      ? judging('automatic')
      : { world: new SimulatedWorld(judging('automatic').world.policy), id: '' };
    const [jobId] = world.openJobs.keys();
    this.#world = world;
    this.#aws = new SimulatedAws(world);
    this.#job = jobId === undefined ? undefined : { id: jobId, executionId: id };
  }

  /** All calls within an hour. */
  async hour(): Promise<readonly Answered[]> {
    const world = this.#world;
    await using server = await ScriptedAws.start(this.#aws.script);
    const untilMs = world.now + HOUR_MS;
    const startedAtMs = world.now;
    // A function instance serves one invocation at a time: the vigil holds one, the schedule's wakes another.
    const instance = (sleep: (ms: number) => Promise<void>) =>
      createHandler({
        gateways: createAwsGateways(simulatedNames, server.connection, sleep),
        policy: world.policy,
        nowMs: () => world.now,
        sleep,
        log: () => {},
      });
    const woken = instance(async (ms) => world.pass(ms));
    const pass = async (ms: number): Promise<void> => {
      const targetMs = world.now + ms;
      const dueMs = () => (Math.floor(world.now / MINUTE_MS) + 1) * MINUTE_MS;
      for (let due = dueMs(); due <= targetMs; due = dueMs()) {
        world.pass(due - world.now);
        world.report(WORK);
        await woken({ source: 'aws.events' });
      }
      world.pass(targetMs - world.now);
      world.report(WORK);
    };
    const called = instance(pass);
    while (world.now < untilMs) {
      if (this.#job !== undefined && world.openJobs.has(this.#job.id)) {
        await called(jobEvent(this.#job));
        await pass(CONTINUATION_MS);
      } else await pass(MINUTE_MS);
    }
    return this.#aws.answered.filter(({ atMs }) => atMs >= startedAtMs && atMs < untilMs);
  }
}

function jobEvent({ id, executionId }: { readonly id: string; readonly executionId: string }): object {
  const UserParameters = JSON.stringify({ executionId, action: 'Judge' });
  return { 'CodePipeline.job': { id, data: { actionConfiguration: { configuration: { UserParameters } } } } };
}

interface Row {
  readonly operation: string;
  readonly perHour: number;
  readonly perSecond: number;
  readonly busiestSecond: number;
  readonly limitPerSecond?: number;
  readonly limitAtOnce?: number;
  readonly estimated?: boolean;
  readonly refused?: number;
}

/** What came of the calls of all applications of an account, by operations that share a limit. */
function rows(calls: readonly Answered[]): Row[] {
  const limitOf = (operation: string) => RATE_LIMITS.find(({ operations }) => operations.includes(operation));
  const groups = Map.groupBy(
    calls,
    ({ operation }) => limitOf(operation)?.operations.join(', ') ?? operation,
  );
  return [...groups]
    .map(([, its]): Row => {
      const operation = [...new Set(its.map((call) => call.operation))].sort().join(', ');
      const limit = limitOf(its[0]!.operation);
      const inOrder = its.map(({ atMs }) => atMs).sort((a, b) => a - b);
      const seconds = Map.groupBy(inOrder, (atMs) => Math.floor(atMs / 1000));
      const bucket = limit && new TokenBucket(limit, inOrder[0]!);
      return {
        operation,
        perHour: its.length,
        perSecond: its.length / 3600,
        busiestSecond: Math.max(...[...seconds.values()].map((at) => at.length)),
        ...(limit &&
          bucket && {
            limitPerSecond: limit.perSecond,
            limitAtOnce: limit.burst,
            estimated: limit.estimated ?? false,
            refused: inOrder.filter((atMs) => !bucket.take(atMs)).length,
          }),
      };
    })
    .sort((a, b) => (a.operation < b.operation ? -1 : 1));
}

const results: { readonly what: string; readonly applications: number; readonly rows: readonly Row[] }[] = [];
for (const releasing of [true, false]) {
  const what = releasing ? 'an hour of a release' : 'an hour without a release';
  const one = await new Application(releasing).hour();
  const all = Array.from({ length: APPLICATIONS }, (_, application) =>
    one.map((call) => ({ ...call, atMs: call.atMs + application * APART_MS })),
  ).flat();
  results.push(
    { what, applications: 1, rows: rows(one) },
    { what, applications: APPLICATIONS, rows: rows(all) },
  );
}

if (options.json) console.log(JSON.stringify(results, null, 2));
else {
  for (const { what, applications, rows: its } of results) {
    printTable(
      `${what}, ${applications === 1 ? 'one application' : `${applications} applications at once`}`,
      ['operation', 'calls', 'a second', 'busiest second', 'limit a second', 'at once', 'refused'],
      its.map((row) => [
        row.operation,
        String(row.perHour),
        row.perSecond.toFixed(3),
        String(row.busiestSecond),
        row.limitPerSecond === undefined ? 'none' : `${row.estimated ? '~' : ''}${row.limitPerSecond}`,
        row.limitAtOnce === undefined ? '' : `${row.estimated ? '~' : ''}${row.limitAtOnce}`,
        row.refused === undefined ? '' : String(row.refused),
      ]),
    );
  }
  console.log('\n~ AWS publishes no figure: an estimate from reports of throttling.');
}
