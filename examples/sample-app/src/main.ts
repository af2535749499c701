import { setTimeout as sleep } from 'node:timers/promises';
import { SQSClient } from '@aws-sdk/client-sqs';
import { handle, version } from './handler.ts';
import { SqsQueue } from './queue.ts';
import { readSettings } from './settings.ts';
import { Worker } from './worker.ts';

try {
  const settings = readSettings(process.env);
  const client = new SQSClient();
  await client.config.region().catch(() => {
    throw new Error('The worker cannot start: AWS_REGION is not set.');
  });
  const worker = new Worker({
    settings,
    queue: new SqsQueue(client, settings.queueUrl),
    handle,
    version,
    now: () => performance.timeOrigin + performance.now(),
    pause: (ms, signal) =>
      sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
    log: (line) => console.log(line),
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => worker.stop());
  await worker.run();
  // A handler that is still at work would keep the process alive; its lease lapses instead.
  process.exit(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
