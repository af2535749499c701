import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerAddress } from './queue-client.ts';

/** A queue server in a process of its own. Arguments: which one, and a directory for what it stores. */
const [kind, directory = ''] = process.argv.slice(2);

async function start(): Promise<ServerAddress> {
  if (kind === 'engine') {
    const { ByteIds, SystemClock, startEngine } = await import('../packages/engine/src/index.ts');
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
  return {
    endpoint: `http://127.0.0.1:${await portOf()}`,
    accessKeyId: 'AKIAUNCHECKED',
    secretAccessKey: 'unchecked',
  };
}

async function portOf(): Promise<number> {
  if (kind === 'bare-http' || kind === 'bare-net') {
    const { startBareHttp, startBareNet } = await import('./queue-bare-servers.ts');
    return kind === 'bare-http' ? startBareHttp() : startBareNet();
  }
  const { startFauxqs } = await import('fauxqs');
  const { port } = await startFauxqs({
    port: 0,
    host: '127.0.0.1',
    logger: false,
    ...(kind === 'fauxqs-durable' ? { dataDir: directory } : {}),
  });
  return port;
}

console.log(JSON.stringify(await start()));
// An orderly end, so that a run under `--cpu-prof` leaves its profile.
process.on('SIGTERM', () => process.exit(0));
process.on('SIGUSR2', () => {
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify({ residentBytes: process.memoryUsage().rss, cpuMicroseconds: user + system }));
});
