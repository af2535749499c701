import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { AwsFault } from '../src/errors.ts';
import { ByteIds, SystemClock } from '../src/index.ts';
import { ImageStore } from '../src/runtime/oci/image-store.ts';
import { Registry } from '../src/runtime/oci/registry.ts';
import { temporaryDirectory } from '../src/runtime/test/temporary-directory.ts';

export interface RegistryServer {
  readonly url: string;
  readonly host: string;
  readonly store: ImageStore;
  /** Names of half-received uploads on disk. */
  partials(): string[];
  /** Resolves when no request is being handled. */
  idle(): Promise<void>;
  /** Failures of the handler itself, which a server must never see. */
  readonly crashes: unknown[];
}

/**
 * A registry with the repositories `app` and `other`. Password `good` may do everything, `reader` may pull,
 * `nobody` nothing; tags that begin with `v` are immutable.
 */
export async function startRegistry(): Promise<RegistryServer> {
  const directory = temporaryDirectory();
  const clock = new SystemClock();
  const ids = new ByteIds();
  const store = new ImageStore({ directory, clock, ids });
  const registry = new Registry({
    store,
    clock,
    ids,
    policy: {
      authorize: async (token, repository, action) => {
        if (!['good', 'reader', 'nobody'].includes(token))
          throw new AwsFault('InvalidAuthorizationToken', 'The token is not valid.');
        const allowed = token === 'good' || (token === 'reader' && action === 'pull');
        if (repository !== undefined && !allowed)
          throw new AwsFault('AccessDeniedException', `${token} may not ${action} ${repository}.`);
      },
      repositoryExists: (repository) => ['app', 'other'].includes(repository),
      tagIsImmutable: (_, tag) => tag.startsWith('v'),
    },
  });
  const running = new Set<Promise<unknown>>();
  const crashes: unknown[] = [];
  const server = createServer((request, response) => {
    const handled = registry.handle(request, response).catch((error: unknown) => {
      crashes.push(error);
      response.destroy();
    });
    running.add(handled);
    void handled.finally(() => running.delete(handled));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await registry.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The registry has no port.');
  const host = `127.0.0.1:${address.port}`;
  return {
    url: `http://${host}`,
    host,
    store,
    crashes,
    partials: () => readdirSync(join(directory, 'partial')),
    idle: async () => {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
