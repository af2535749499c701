import type { ReleaseView } from '@queue-canary/core';
import { SystemClock } from '@queue-canary/engine';
import { createClients } from '../src/clients.ts';
import { releaseReader } from '../src/commands/release.ts';
import { local, readEngineFile } from '../src/target.ts';

/** Looks at the release as `release status --json` does, without starting a program each time. */
export async function releaseView(state: string): Promise<ReleaseView> {
  const target = local(readEngineFile(state));
  const clients = createClients(target);
  const read = await releaseReader({ target, clients, app: 'QueueCanary', clock: new SystemClock() });
  try {
    return (await read()).view;
  } finally {
    for (const client of Object.values(clients)) client.destroy();
  }
}
