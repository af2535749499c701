import { Agent, request } from 'node:http';
import {
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { RawTransport, SystemClock, type Transport, Worker } from '../packages/worker/src/index.ts';
import { SdkTransport } from '../packages/worker/src/transport/sdk-transport.ts';
import { Signer } from '../packages/worker/src/transport/sigv4.ts';
import { UndiciTransport } from './undici-transport.ts';

/**
 * One client of the stub server in a process of its own. Arguments: which one, the endpoint, how many handlers
 * in a thousand take two seconds, milliseconds to warm up and to measure, and a seed for which handlers are
 * slow. Prints one line of JSON.
 */
const [kind = '', endpoint = '', slowPerMille = '0', warmUpMs = '0', measureMs = '0', firstSeed = '42'] =
  process.argv.slice(2);

const queueUrl = `${endpoint}/123456789012/bench`;
const credentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};
const SLOW_MS = 2_000;

let done = 0;
let seed = Number(firstSeed);

/** The work: none at all, or two seconds for a share of the messages, the same for every client. */
function work(): Promise<void> | undefined {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  if ((seed / 2 ** 32) * 1000 >= Number(slowPerMille)) {
    done++;
    return undefined;
  }
  return new Promise((resolve) =>
    setTimeout(() => {
      done++;
      resolve();
    }, SLOW_MS),
  );
}

function sqsClient(): SQSClient {
  return new SQSClient({ endpoint, region: 'us-east-1', credentials });
}

function worker(transport: Transport): void {
  new Worker({
    queueUrl,
    identity: { app: 'bench', track: 'stable', revision: 'bench' },
    transport,
    clock: new SystemClock(),
    random: Math.random,
    log: () => undefined,
    residentBytes: () => process.memoryUsage.rss(),
    concurrency: 10,
    handler: async () => {
      await work();
    },
  }).start();
}

async function signedLoop(): Promise<void> {
  const { host, hostname, port } = new URL(endpoint);
  const agent = new Agent({ keepAlive: true });
  const signer = new Signer(host, '/', 'us-east-1');
  const call = (target: string, input: object) =>
    new Promise<{ Messages?: Array<{ ReceiptHandle: string }> }>((resolve, reject) => {
      const body = JSON.stringify(input);
      const headers = signer.headers(target, body, credentials, Date.now());
      const sent = request(
        {
          method: 'POST',
          hostname,
          port,
          path: '/',
          agent,
          headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  for (;;) {
    const { Messages = [] } = await call('AmazonSQS.ReceiveMessage', {
      QueueUrl: queueUrl,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 5,
      MessageSystemAttributeNames: ['All'],
    });
    await Promise.all(Messages.map(work));
    await call('AmazonSQS.DeleteMessageBatch', {
      QueueUrl: queueUrl,
      Entries: Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle })),
    });
  }
}

async function sdkLoop(): Promise<void> {
  const client = sqsClient();
  for (;;) {
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: 5,
        MessageSystemAttributeNames: ['All'],
      }),
    );
    await Promise.all(Messages.map(work));
    await client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: queueUrl,
        Entries: Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle })),
      }),
    );
  }
}

interface SqsConsumer {
  readonly Consumer: {
    create(options: object): { start(): void; on(event: string, listener: (error: Error) => void): void };
  };
}

/** The popular library; a devDependency that the benchmark does without where it is missing. */
async function sqsConsumer(mode: object): Promise<void> {
  const name = 'sqs-consumer';
  const { Consumer } = await (import(name) as Promise<SqsConsumer>).catch(() => {
    console.log(JSON.stringify({ missing: 'sqs-consumer' }));
    process.exit(0);
  });
  const consumer = Consumer.create({
    queueUrl,
    sqs: sqsClient(),
    batchSize: 10,
    waitTimeSeconds: 5,
    messageSystemAttributeNames: ['All'],
    ...mode,
  });
  for (const event of ['error', 'processing_error']) {
    consumer.on(event, (error) => {
      console.error(error);
      process.exit(1);
    });
  }
  consumer.start();
}

const clients: Record<string, () => unknown> = {
  worker: () =>
    worker(
      new RawTransport({
        queueUrl,
        region: 'us-east-1',
        clock: new SystemClock(),
        credentials: async () => credentials,
      }),
    ),
  'worker-undici': () =>
    worker(new UndiciTransport({ endpoint, region: 'us-east-1', credentials, clock: new SystemClock() })),
  'worker-sdk': () => worker(new SdkTransport(sqsClient())),
  'signed-loop': signedLoop,
  'sdk-loop': sdkLoop,
  'sqs-consumer-batch': () =>
    sqsConsumer({
      handleMessageBatch: async (messages: Message[]) => {
        await Promise.all(messages.map(work));
        return messages;
      },
    }),
  'sqs-consumer-single': () =>
    sqsConsumer({
      handleMessage: async (message: Message) => {
        await work();
        return message;
      },
    }),
};

const failed = (error: unknown) => {
  console.error(error);
  process.exit(1);
};
Promise.resolve(clients[kind]?.()).catch(failed);
await new Promise((resolve) => setTimeout(resolve, Number(warmUpMs)));
const [messagesBefore, cpuBefore, startedAt] = [done, process.cpuUsage(), performance.now()];
await new Promise((resolve) => setTimeout(resolve, Number(measureMs)));
const { user, system } = process.cpuUsage(cpuBefore);
console.log(
  JSON.stringify({
    messages: done - messagesBefore,
    cpuMicros: user + system,
    elapsedMs: performance.now() - startedAt,
  }),
);
process.exit(0);
