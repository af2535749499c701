import { runWorker } from '../../src/index.ts';

/**
 * A worker program as users write it, whose handler reports to its parent: `begin` and `done` lines on
 * stdout, and messages that say when to go on.
 */
const waiting = new Map<string, () => void>();
process.on('message', (body: string) => waiting.get(body)?.());

await runWorker({
  visibilitySeconds: 30,
  stopTimeoutMs: Number(process.env.STOP_TIMEOUT_MS ?? 30_000),
  waitSeconds: 1,
  lingerMs: Number(process.env.LINGER_MS ?? 0),
  concurrency: 3,
  handler: async (body) => {
    process.send?.(`begin ${body}`);
    if (body.startsWith('slow')) await new Promise<void>((resolve) => waiting.set(body, resolve));
    if (body.endsWith('bad')) throw new Error('no');
    process.send?.(`done ${body}`);
  },
});
