import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ByteIds, SystemClock, startEngine } from '../packages/engine/src/index.ts';

/** A queue server in a process of its own. Arguments: which one, and a directory for what it stores. */
const [kind, directory = ''] = process.argv.slice(2);

async function start(): Promise<{ endpoint: string; accessKeyId: string; secretAccessKey: string }> {
  if (kind === 'engine') {
    await startEngine({
      directory,
      port: 0,
      clock: new SystemClock(),
      ids: new ByteIds(),
      onCrash: (error) => {
        console.error(error);
        process.exit(1);
      },
    });
    const { endpoint, accessKeyId, secretAccessKey } = JSON.parse(
      readFileSync(join(directory, 'engine.json'), 'utf8'),
    ) as Record<'endpoint' | 'accessKeyId' | 'secretAccessKey', string>;
    return { endpoint, accessKeyId, secretAccessKey };
  }
  const { startFauxqs } = await import('fauxqs');
  const server = await startFauxqs({
    port: 0,
    host: '127.0.0.1',
    logger: false,
    ...(kind === 'fauxqs-durable' ? { dataDir: directory } : {}),
  });
  return {
    endpoint: `http://127.0.0.1:${server.port}`,
    accessKeyId: 'AKIAFAUXQS',
    secretAccessKey: 'unchecked',
  };
}

console.log(JSON.stringify(await start()));
process.on('SIGTERM', () => {
  console.error(process.cpuUsage());
  process.exit(0);
});
process.on('SIGUSR2', () => console.log(JSON.stringify({ residentBytes: process.memoryUsage().rss })));
