import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { QueueClient, type ServerAddress } from './queue-client.ts';

/**
 * `npm run bench:queue [-- --quick] [-- --json]`: send, receive and delete over raw, signed HTTP, singly and in
 * batches of ten, on the engine (durable) and on fauxqs (durable and in memory), each server in a process of
 * its own; then receive latency at growing depths. Each column "engine"
 * says how many times as fast the engine is as the row's server. Asserts nothing.
 */
const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});

const BODY = 'x'.repeat(256);
const CONNECTIONS = 16;
const ROUNDS = options.quick ? 5 : 15;
const SLICE_MS = options.quick ? 400 : 1000;
const DEPTHS = options.quick ? [1_000, 100_000] : [1_000, 100_000, 1_000_000];
const LATENCY_SAMPLES = options.quick ? 1000 : 3000;

type Kind = 'engine' | 'fauxqs-durable' | 'fauxqs-memory';
type Mode = 'single' | 'batch';

const NAMES: Readonly<Record<Kind, string>> = {
  engine: 'queue-canary engine, durable',
  'fauxqs-durable': 'fauxqs 2.4.1, durable',
  'fauxqs-memory': 'fauxqs 2.4.1, in memory',
};

const KINDS = Object.keys(NAMES) as Kind[];

interface Server {
  readonly address: ServerAddress;
  readonly process: ChildProcess;
  readonly stop: () => Promise<void>;
  readonly residentMegabytes: () => Promise<number>;
}

async function startServer(kind: Kind): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-bench-'));
  const program = join(import.meta.dirname, 'queue-server.ts');
  const child = spawn(process.execPath, ['--conditions=@queue-canary/source', program, kind, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const line = async () => {
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
    return JSON.parse(chunk.toString('utf8')) as unknown;
  };
  const address = (await line()) as ServerAddress;
  return {
    address,
    process: child,
    residentMegabytes: async () => {
      const reply = line();
      child.kill('SIGUSR2');
      return Math.round(((await reply) as { residentBytes: number }).residentBytes / 1e6);
    },
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** One round of a worker: sends, receives and deletes; gives the number of messages deleted. */
type Round = (client: QueueClient, queueUrl: string) => Promise<number>;

const singly: Round = async (client, QueueUrl) => {
  await client.call('SendMessage', { QueueUrl, MessageBody: BODY });
  const messages = await client.receive(QueueUrl, 1);
  for (const { ReceiptHandle } of messages) await client.call('DeleteMessage', { QueueUrl, ReceiptHandle });
  return messages.length;
};

const TEN = Array.from({ length: 10 }, (_, index) => ({ Id: `m${index}`, MessageBody: BODY }));

const inBatches: Round = async (client, QueueUrl) => {
  await client.call('SendMessageBatch', { QueueUrl, Entries: TEN });
  const messages = await client.receive(QueueUrl, 10);
  if (messages.length === 0) return 0;
  await client.call('DeleteMessageBatch', {
    QueueUrl,
    Entries: messages.map(({ ReceiptHandle }, index) => ({ Id: `m${index}`, ReceiptHandle })),
  });
  return messages.length;
};

const ROUND_OF: Readonly<Record<Mode, Round>> = { single: singly, batch: inBatches };

/** Connections to one server, and the queue that they work on. */
interface Workers {
  readonly clients: readonly QueueClient[];
  readonly queueUrl: string;
}

async function connectWorkers(address: ServerAddress, queue: string): Promise<Workers> {
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => QueueClient.connect(address)));
  return { clients, queueUrl: await clients[0]!.createQueue(queue) };
}

/** Messages a second through send, receive and delete, over all connections, during `durationMs`. */
async function throughput({ clients, queueUrl }: Workers, round: Round, durationMs: number): Promise<number> {
  const start = performance.now();
  let messages = 0;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() - start < durationMs) {
        const deleted = await round(client, queueUrl);
        messages += deleted;
      }
    }),
  );
  return (messages * 1000) / (performance.now() - start);
}

/**
 * Rates of all servers, taken in turns: each round gives every server one slice of time, so that whatever else
 * the machine does meanwhile falls on all of them alike. The first round warms up and does not count.
 */
async function compare(servers: ReadonlyMap<Kind, Server>, mode: Mode): Promise<Record<Kind, number[]>> {
  const workers = new Map<Kind, Workers>();
  for (const [kind, server] of servers) workers.set(kind, await connectWorkers(server.address, mode));
  const rates = Object.fromEntries([...servers.keys()].map((kind) => [kind, [] as number[]])) as Record<
    Kind,
    number[]
  >;
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [kind, own] of workers) {
      const rate = await throughput(own, ROUND_OF[mode], SLICE_MS);
      if (round > 0) rates[kind].push(rate);
    }
  }
  for (const { clients } of workers.values()) for (const client of clients) client.close();
  return rates;
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
  const times: number[] = [];
  for (let sample = 0; sample < samples + 200; sample++) {
    const start = performance.now();
    const messages = await client.receive(queueUrl, 1);
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

interface Report {
  readonly node: string;
  readonly cpus: number;
  readonly connections: number;
  readonly bodyBytes: number;
  /** Median over the rounds. */
  readonly messagesPerSecond: Record<Mode, Record<Kind, number>>;
  /** Median of the ratios within each round. */
  readonly engineOver: Record<Mode, Record<Kind, number>>;
  readonly receiveLatency: Array<{ queued: number; residentMegabytes: number } & Latency>;
}

function say(text: string): void {
  if (!options.json) console.log(text);
}

async function compareModes(): Promise<Pick<Report, 'messagesPerSecond' | 'engineOver'>> {
  const servers = new Map<Kind, Server>();
  try {
    for (const kind of KINDS) servers.set(kind, await startServer(kind));
    const single = await compare(servers, 'single');
    const batch = await compare(servers, 'batch');
    const forKinds = (of: (kind: Kind) => number) =>
      Object.fromEntries(KINDS.map((kind) => [kind, of(kind)])) as Record<Kind, number>;
    const rate = (rates: Record<Kind, number[]>) => forKinds((kind) => Math.round(median(rates[kind])));
    const ratio = (rates: Record<Kind, number[]>) =>
      forKinds((kind) => median(rates.engine.map((value, round) => value / rates[kind][round]!)));
    const messagesPerSecond = { single: rate(single), batch: rate(batch) };
    const engineOver = { single: ratio(single), batch: ratio(batch) };
    for (const kind of KINDS) {
      say(
        `  ${NAMES[kind].padEnd(30)} ${cell(messagesPerSecond.single[kind])} ${times(engineOver.single[kind])} ${cell(messagesPerSecond.batch[kind])} ${times(engineOver.batch[kind])}`,
      );
    }
    return { messagesPerSecond, engineOver };
  } finally {
    for (const server of servers.values()) await server.stop();
  }
}

async function measure(): Promise<Report> {
  const throughputs = await compareModes();
  say('\nreceive of one message, engine, nothing else going on');
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
      const residentMegabytes = await server.residentMegabytes();
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
    ...throughputs,
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
  `send + receive + delete, messages a second; ${CONNECTIONS} connections, bodies of ${BODY.length} bytes, every request signed\n`,
);
say(
  `  ${''.padEnd(30)} ${'singly'.padStart(12)} ${'engine'.padStart(8)} ${'in tens'.padStart(12)} ${'engine'.padStart(8)}`,
);
const report = await measure();
if (options.json) console.log(JSON.stringify(report, null, 2));
