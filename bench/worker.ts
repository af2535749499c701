import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * `npm run bench:worker [-- --quick] [-- --json]`: the cost of a message for a worker, compared with the same worker over
 * undici, the popular library in both of its modes, a loop over the SDK and a bare signed loop over `node:http`, all on
 * the same stub server in one run. First handlers that do nothing, then handlers of which 2 % take two seconds, the same messages for
 * every client and others in every round. Clients and server are processes of their own, on cores of their own
 * where taskset is there. The ratios are medians of the ratios within a round, printed alongside their aims;
 * nothing is asserted. Five rounds take about seven minutes, `--quick` is one of them.
 */
const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});

const ROUNDS = options.quick ? 1 : 5;
const WARM_UP_MS = 2_000;
const MEASURE_MS = options.quick ? 2_000 : 3_000;
const SLOW_MEASURE_MS = 12_000;
const SLOW_PER_MILLE = 20;

const NAMES = {
  worker: 'queue-canary worker',
  'worker-undici': 'queue-canary worker over undici',
  'signed-loop': 'bare signed loop',
  'worker-sdk': 'queue-canary worker, SDK transport',
  'sdk-loop': 'SDK loop, batch deletes',
  'sqs-consumer-batch': 'sqs-consumer, batch mode',
  'sqs-consumer-single': 'sqs-consumer, single mode',
} as const;

type Kind = keyof typeof NAMES;

const KINDS = Object.keys(NAMES) as Kind[];
const SLOW_KINDS: readonly Kind[] = ['worker', 'sqs-consumer-batch', 'sqs-consumer-single', 'sdk-loop'];

const pinned = cpus().length > 1 && spawnSync('taskset', ['-V']).status === 0;

/** A program of this directory, on the core that is meant for it. */
function start(core: number, program: string, ...args: string[]): ChildProcess {
  const command = [process.execPath, '--conditions=@queue-canary/source', join(import.meta.dirname, program)];
  const [file = '', ...rest] = [...(pinned ? ['taskset', '-c', String(core)] : []), ...command, ...args];
  return spawn(file, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function firstLine(child: ChildProcess): Promise<unknown> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  while (!text.includes('\n')) {
    const ended = await Promise.race([
      once(child.stdout!, 'data').then(() => false),
      once(child, 'exit').then(() => true),
    ]);
    if (ended && !text.includes('\n')) throw new Error('a benchmark process ended without a result');
  }
  return JSON.parse(text.slice(0, text.indexOf('\n')));
}

interface Sample {
  readonly messagesPerSecond: number;
  readonly cpuMicrosPerMessage: number;
}

/** One client's sample, or nothing when its library is not installed. */
async function sample(
  endpoint: string,
  kind: Kind,
  slowPerMille: number,
  measureMs: number,
  seed: number,
): Promise<Sample | undefined> {
  const args = [kind, endpoint, slowPerMille, WARM_UP_MS, measureMs, seed].map(String);
  const child = start(0, 'worker-client.ts', ...args);
  const exited = once(child, 'exit');
  const result = (await firstLine(child)) as {
    missing?: string;
    messages: number;
    cpuMicros: number;
    elapsedMs: number;
  };
  await exited;
  if (result.missing !== undefined) return undefined;
  return {
    messagesPerSecond: (result.messages * 1000) / result.elapsedMs,
    cpuMicrosPerMessage: result.cpuMicros / result.messages,
  };
}

/** Samples of all clients, in turns, so that whatever else the machine does falls on all of them alike. */
async function compare(
  endpoint: string,
  kinds: readonly Kind[],
  slowPerMille: number,
  measureMs: number,
): Promise<Map<Kind, Sample[]>> {
  const samples = new Map<Kind, Sample[]>();
  for (let round = 1; round <= ROUNDS; round++) {
    for (const kind of kinds) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Kround ${round} of ${ROUNDS}: ${NAMES[kind]}`);
      const one = await sample(endpoint, kind, slowPerMille, measureMs, round);
      if (one !== undefined) samples.set(kind, [...(samples.get(kind) ?? []), one]);
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  return samples;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

interface Row {
  readonly client: string;
  readonly messagesPerSecond: number;
  readonly cpuMicrosPerMessage: number;
  /** Medians of the ratios within each round. */
  readonly workerThroughputOver: number;
  readonly workerCpuOver: number;
}

type Rows = Partial<Record<Kind, Row>>;

function rows(samples: ReadonlyMap<Kind, readonly Sample[]>): Rows {
  const own = samples.get('worker') ?? [];
  const entries = [...samples].map(([kind, all]): [Kind, Row] => {
    const ratio = (of: keyof Sample) =>
      median(own.slice(0, all.length).map((sampled, round) => sampled[of] / all[round]![of]));
    return [
      kind,
      {
        client: NAMES[kind],
        messagesPerSecond: Math.round(median(all.map(({ messagesPerSecond }) => messagesPerSecond))),
        cpuMicrosPerMessage: median(all.map(({ cpuMicrosPerMessage }) => cpuMicrosPerMessage)),
        workerThroughputOver: ratio('messagesPerSecond'),
        workerCpuOver: ratio('cpuMicrosPerMessage'),
      },
    ];
  });
  return Object.fromEntries(entries);
}

function say(text: string): void {
  if (!options.json) console.log(text);
}

function table(title: string, all: Rows): void {
  say(`\n${title}\n`);
  say(
    `  ${''.padEnd(36)} ${'messages/s'.padStart(11)} ${'worker does'.padStart(12)} ${'CPU us/message'.padStart(15)} ${'worker needs'.padStart(13)}`,
  );
  for (const row of Object.values(all)) {
    const cells = [
      row.client.padEnd(36),
      row.messagesPerSecond.toLocaleString('en').padStart(11),
      `${row.workerThroughputOver.toFixed(2)}x`.padStart(12),
      row.cpuMicrosPerMessage.toFixed(1).padStart(15),
      `${row.workerCpuOver.toFixed(3)}x`.padStart(13),
    ];
    say(`  ${cells.join(' ')}`);
  }
}

interface Aim {
  readonly what: string;
  /** Missing when the client was. */
  readonly measured: number | undefined;
  readonly aim: number;
  readonly met: boolean;
}

function aims(idle: Rows, slow: Rows): Aim[] {
  const atMost = (what: string, measured: number | undefined, aim: number): Aim => ({
    what,
    measured,
    aim,
    met: measured !== undefined && measured <= aim,
  });
  const library = slow['sqs-consumer-batch']?.workerThroughputOver;
  return [
    atMost('CPU per message over a bare signed loop, at most', idle['signed-loop']?.workerCpuOver, 1.2),
    atMost('over sqs-consumer in batch mode, at most', idle['sqs-consumer-batch']?.workerCpuOver, 0.25),
    atMost('over sqs-consumer in single mode, at most', idle['sqs-consumer-single']?.workerCpuOver, 0.1),
    {
      what: 'throughput over sqs-consumer in batch mode with 2 % slow handlers, at least',
      measured: library,
      aim: 4,
      met: library !== undefined && library >= 4,
    },
  ];
}

function aimsTable(all: readonly Aim[]): void {
  say(`\naims${''.padEnd(76)} measured     aim\n`);
  for (const { what, measured, aim, met } of all) {
    const cells = [
      what.padEnd(78),
      (measured === undefined ? '-' : `${measured.toFixed(3)}x`).padStart(9),
      `${aim}x`.padStart(7),
      met ? 'met' : 'missed',
    ];
    say(`  ${cells.join(' ')}`);
  }
}

const server = start(1, 'worker-server.ts');
try {
  const { endpoint } = (await firstLine(server)) as { endpoint: string };
  const idle = rows(await compare(endpoint, KINDS, 0, MEASURE_MS));
  table('handlers that do nothing; concurrency 10, receives and deletes of ten', idle);
  const slow = rows(await compare(endpoint, SLOW_KINDS, SLOW_PER_MILLE, SLOW_MEASURE_MS));
  table('2 % of the handlers take two seconds', slow);
  const reached = aims(idle, slow);
  aimsTable(reached);
  const missing = KINDS.filter((kind) => idle[kind] === undefined);
  if (missing.length > 0) {
    const text =
      'sqs-consumer is not installed, so it is not compared: npm install --save-dev sqs-consumer@15.0.3';
    if (options.json) console.error(text);
    else say(`\n${text}`);
  }
  if (options.json) {
    const report = {
      node: process.version,
      cpus: cpus().length,
      pinned,
      rounds: ROUNDS,
      missing,
      idle,
      slow,
      aims: reached,
    };
    console.log(JSON.stringify(report, null, 2));
  }
} finally {
  server.kill('SIGKILL');
}
