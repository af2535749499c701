import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { QueueClient, type ServerAddress } from './queue-client.ts';

/**
 * `npm run bench:queue [-- --quick] [-- --json]`: send, receive and delete over raw, signed HTTP, singly and in
 * batches of ten, on the engine (durable) and on fauxqs (durable and in memory), each server in a process of
 * its own; then receive latency at growing depths. Each column "engine" says how many times as fast the engine
 * is as the row's server. Asserts nothing.
 *
 * *Durable* means the same for both: a reply follows the flush of SQLite's log to the disk (fauxqs runs with
 * `synchronous=FULL`). Only the engine checks signatures and evaluates IAM. Two servers that do nothing but
 * answer stand next to them: on `node:http`, which any such server can reach at most, and on `node:net`, which
 * says what this client can measure at most. Where `taskset` is available, this process has one core and the
 * servers have the others.
 */
const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});

const BODY = 'x'.repeat(256);
const CONNECTIONS = 64;
const ROUNDS = options.quick ? 5 : 15;
const SLICE_MS = options.quick ? 400 : 1000;
const DEPTHS = options.quick ? [1_000, 100_000] : [1_000, 100_000, 1_000_000];
const LATENCY_SAMPLES = options.quick ? 1000 : 3000;

type Kind = 'engine' | 'fauxqs-durable' | 'fauxqs-memory' | 'bare-http' | 'bare-net';
type Mode = 'single' | 'batch';

const NAMES: Readonly<Record<Kind, string>> = {
  engine: 'queue-canary engine, durable',
  'fauxqs-durable': 'fauxqs 2.4.1, durable',
  'fauxqs-memory': 'fauxqs 2.4.1, in memory',
  'bare-http': 'node:http, fixed answer',
  'bare-net': 'node:net, fixed answer',
};

/** Who takes part in which mode; the bare servers answer with one message only. */
const KINDS: Readonly<Record<Mode, readonly Kind[]>> = {
  single: ['engine', 'fauxqs-durable', 'fauxqs-memory', 'bare-http', 'bare-net'],
  batch: ['engine', 'fauxqs-durable', 'fauxqs-memory'],
};

/** Gives this process the last core and returns the list of the others; `undefined` where that is not possible. */
function takeOneCore(): string | undefined {
  const last = cpus().length - 1;
  if (last < 1) return undefined;
  const { status } = spawnSync('taskset', ['-a', '-c', '-p', `${last}`, `${process.pid}`]);
  return status === 0 ? `0-${last - 1}` : undefined;
}

const serverCores = takeOneCore();

interface Usage {
  readonly residentBytes: number;
  readonly cpuMicroseconds: number;
}

interface Server {
  readonly address: ServerAddress;
  readonly process: ChildProcess;
  readonly stop: () => Promise<void>;
  /** Memory now, and processor time of all threads so far. */
  readonly usage: () => Promise<Usage>;
}

async function startServer(kind: Kind): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-bench-'));
  const program = join(import.meta.dirname, 'queue-server.ts');
  const command = [process.execPath, '--conditions=@queue-canary/source', program, kind, directory];
  const [file = '', ...args] = serverCores ? ['taskset', '-c', serverCores, ...command] : command;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const line = async () => {
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
    return JSON.parse(chunk.toString('utf8')) as unknown;
  };
  const address = (await line()) as ServerAddress;
  return {
    address,
    process: child,
    usage: async () => {
      const reply = line();
      child.kill('SIGUSR2');
      return (await reply) as Usage;
    },
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** One round of a worker: sends, receives and deletes; gives the number of messages deleted. */
type Round = () => Promise<number>;

/** Rounds over one connection. Whatever is the same in each of them is signed ahead. */
const ROUND_OF: Readonly<Record<Mode, (client: QueueClient, queueUrl: string) => Round>> = {
  single: (client, QueueUrl) => {
    const send = client.prepare('SendMessage', { QueueUrl, MessageBody: BODY });
    const receive = client.prepareReceive(QueueUrl, 1);
    return async () => {
      await client.send(send);
      const messages = await client.receive(receive);
      for (const { ReceiptHandle } of messages)
        await client.call('DeleteMessage', { QueueUrl, ReceiptHandle });
      return messages.length;
    };
  },
  batch: (client, QueueUrl) => {
    const send = client.prepare('SendMessageBatch', { QueueUrl, Entries: TEN });
    const receive = client.prepareReceive(QueueUrl, 10);
    return async () => {
      await client.send(send);
      const messages = await client.receive(receive);
      if (messages.length === 0) return 0;
      await client.call('DeleteMessageBatch', {
        QueueUrl,
        Entries: messages.map(({ ReceiptHandle }, index) => ({ Id: `m${index}`, ReceiptHandle })),
      });
      return messages.length;
    };
  },
};

const TEN = Array.from({ length: 10 }, (_, index) => ({ Id: `m${index}`, MessageBody: BODY }));

/** Connections to one server, each working on the same queue, and what they have done. */
interface Workers {
  readonly clients: readonly QueueClient[];
  readonly rounds: readonly Round[];
  messages: number;
}

async function connectWorkers(address: ServerAddress, mode: Mode): Promise<Workers> {
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => QueueClient.connect(address)));
  const queueUrl = await clients[0]!.createQueue(mode);
  return { clients, rounds: clients.map((client) => ROUND_OF[mode](client, queueUrl)), messages: 0 };
}

/** Messages a second through send, receive and delete, over all connections, during `durationMs`. */
async function throughput(workers: Workers, durationMs: number): Promise<number> {
  const start = performance.now();
  const before = workers.messages;
  await Promise.all(
    workers.rounds.map(async (round) => {
      while (performance.now() - start < durationMs) {
        const deleted = await round();
        workers.messages += deleted;
      }
    }),
  );
  return ((workers.messages - before) * 1000) / (performance.now() - start);
}

interface Measured {
  /** Messages a second, one for each round. */
  readonly rates: number[];
  /** Processor time of the server for a message, of all its threads. */
  cpuMicroseconds: number;
}

/**
 * Rates of all servers, taken in turns: each round gives every server one slice of time, so that whatever else
 * the machine does meanwhile falls on all of them alike. The first round warms up and does not count.
 */
async function compare(servers: ReadonlyMap<Kind, Server>, mode: Mode): Promise<Map<Kind, Measured>> {
  const measured = new Map<Kind, Measured>();
  const workers = new Map<Kind, Workers>();
  const before = new Map<Kind, number>();
  for (const kind of KINDS[mode]) {
    workers.set(kind, await connectWorkers(servers.get(kind)!.address, mode));
    measured.set(kind, { rates: [], cpuMicroseconds: 0 });
  }
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [kind, own] of workers) {
      const rate = await throughput(own, SLICE_MS);
      if (round > 0) measured.get(kind)!.rates.push(rate);
      else {
        before.set(kind, (await servers.get(kind)!.usage()).cpuMicroseconds);
        own.messages = 0;
      }
    }
  }
  for (const [kind, { clients, messages }] of workers) {
    const { cpuMicroseconds } = await servers.get(kind)!.usage();
    measured.get(kind)!.cpuMicroseconds = (cpuMicroseconds - (before.get(kind) ?? 0)) / messages;
    for (const client of clients) client.close();
  }
  return measured;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

async function fill(address: ServerAddress, queueUrl: string, count: number): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const client = await QueueClient.connect(address);
      while (left > 0) {
        left -= 10;
        await client.call('SendMessageBatch', { QueueUrl: queueUrl, Entries: TEN });
      }
      client.close();
    }),
  );
}

interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Time of one receive of one message, one after the other, with nothing else going on. */
async function receiveLatency(address: ServerAddress, queueUrl: string, samples: number): Promise<Latency> {
  const client = await QueueClient.connect(address);
  const receive = client.prepareReceive(queueUrl, 1);
  const times: number[] = [];
  for (let sample = 0; sample < samples + 200; sample++) {
    const start = performance.now();
    const messages = await client.receive(receive);
    const took = performance.now() - start;
    if (messages.length !== 1) throw new Error('the queue ran dry while its latency was measured');
    if (sample >= 200) times.push(took);
    const { ReceiptHandle } = messages[0]!;
    await client.call('DeleteMessage', { QueueUrl: queueUrl, ReceiptHandle });
    await client.call('SendMessage', { QueueUrl: queueUrl, MessageBody: BODY });
  }
  client.close();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** One server's figures; the first two are medians over the rounds. */
interface Figures {
  readonly messagesPerSecond: number;
  /** How many times as fast the engine was in the same round. */
  readonly engineOver: number;
  readonly serverCpuMicrosecondsPerMessage: number;
}

interface Report {
  readonly node: string;
  readonly cpus: number;
  readonly connections: number;
  readonly bodyBytes: number;
  /** Whether client and servers had cores of their own. */
  readonly coresApart: boolean;
  readonly throughput: Record<Mode, Partial<Record<Kind, Figures>>>;
  readonly receiveLatency: Array<{ queued: number; residentMegabytes: number } & Latency>;
}

function say(text: string): void {
  if (!options.json) console.log(text);
}

async function compareModes(): Promise<Report['throughput']> {
  const servers = new Map<Kind, Server>();
  try {
    for (const kind of KINDS.single) servers.set(kind, await startServer(kind));
    return { single: await figures(servers, 'single'), batch: await figures(servers, 'batch') };
  } finally {
    for (const server of servers.values()) await server.stop();
  }
}

async function figures(
  servers: ReadonlyMap<Kind, Server>,
  mode: Mode,
): Promise<Partial<Record<Kind, Figures>>> {
  const measured = await compare(servers, mode);
  const engine = measured.get('engine')!.rates;
  say(
    `  ${(mode === 'single' ? 'singly' : 'in batches of ten').padEnd(30)} ${'messages/s'.padStart(12)} ${'engine'.padStart(8)} ${'server CPU us/message'.padStart(23)}`,
  );
  const rows: Partial<Record<Kind, Figures>> = {};
  for (const [kind, { rates, cpuMicroseconds }] of measured) {
    const row = {
      messagesPerSecond: Math.round(median(rates)),
      engineOver: median(engine.map((rate, round) => rate / rates[round]!)),
      serverCpuMicrosecondsPerMessage: Math.round(cpuMicroseconds),
    };
    say(
      `  ${NAMES[kind].padEnd(30)} ${cell(row.messagesPerSecond)} ${times(row.engineOver)} ${String(row.serverCpuMicrosecondsPerMessage).padStart(23)}`,
    );
    rows[kind] = row;
  }
  say('');
  return rows;
}

async function measure(): Promise<Report> {
  const throughput = await compareModes();
  say('receive of one message, engine, nothing else going on');
  say(
    `  ${'queued'.padStart(9)} ${'p50 ms'.padStart(8)} ${'p99 ms'.padStart(8)} ${'resident MB'.padStart(12)}`,
  );
  const latencies: Report['receiveLatency'] = [];
  for (const queued of DEPTHS) {
    const server = await startServer('engine');
    try {
      const client = await QueueClient.connect(server.address);
      const queueUrl = await client.createQueue('deep');
      client.close();
      await fill(server.address, queueUrl, queued);
      const latency = await receiveLatency(server.address, queueUrl, LATENCY_SAMPLES);
      const residentMegabytes = Math.round((await server.usage()).residentBytes / 1e6);
      latencies.push({ queued, residentMegabytes, ...latency });
      say(
        `  ${queued.toLocaleString('en').padStart(9)} ${latency.p50Ms.toFixed(3).padStart(8)} ${latency.p99Ms.toFixed(3).padStart(8)} ${String(residentMegabytes).padStart(12)}`,
      );
    } finally {
      await server.stop();
    }
  }
  const shallow = latencies[0]!;
  const deep = latencies.at(-1)!;
  say(
    `  ${deep.queued.toLocaleString('en')} over ${shallow.queued.toLocaleString('en')}: p50 ${(deep.p50Ms / shallow.p50Ms).toFixed(2)}x, p99 ${(deep.p99Ms / shallow.p99Ms).toFixed(2)}x`,
  );
  return {
    node: process.version,
    cpus: cpus().length,
    connections: CONNECTIONS,
    bodyBytes: BODY.length,
    coresApart: serverCores !== undefined,
    throughput,
    receiveLatency: latencies,
  };
}

function cell(rate: number): string {
  return rate.toLocaleString('en').padStart(12);
}

function times(ratio: number): string {
  return `${ratio.toFixed(1)}x`.padStart(8);
}

say(
  `send + receive + delete; ${CONNECTIONS} connections, each doing one message (or ten) at a time; bodies of ${BODY.length} bytes, every request signed; client and servers ${serverCores ? 'on cores of their own' : 'share the cores'}\n`,
);
const report = await measure();
if (options.json) console.log(JSON.stringify(report, null, 2));
