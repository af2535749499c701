import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { onTestFinished } from 'vitest';

/** Sees processes live and die without asking again and again: each holds a connection open while it lives. */
export interface Witness {
  readonly port: number;
  /** JavaScript that connects the process that runs it under a name, keeps it alive, and then runs what comes next. */
  connect(name: string, then?: string): string;
  /** Resolves when a process has connected under the name. */
  seen(name: string): Promise<void>;
  /** Resolves when the process that connected under the name is gone. */
  gone(name: string): Promise<void>;
}

export async function startWitness(): Promise<Witness> {
  const seen = new Map<string, PromiseWithResolvers<void>>();
  const gone = new Map<string, PromiseWithResolvers<void>>();
  const of = (map: typeof seen, name: string) => {
    const known = map.get(name) ?? Promise.withResolvers<void>();
    map.set(name, known);
    return known;
  };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (data) => {
      const name = data.toString();
      of(seen, name).resolve();
      socket.on('close', () => of(gone, name).resolve());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The witness has no port.');
  const { port } = address;
  return {
    port,
    connect: (name, then = '') =>
      `require('net').connect(${port}, '127.0.0.1').write('${name}', () => {${then}});`,
    seen: (name) => of(seen, name).promise,
    gone: (name) => of(gone, name).promise,
  };
}
