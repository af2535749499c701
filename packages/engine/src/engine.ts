import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Clock } from './clock/clock.ts';
import { Pace } from './clock/pace.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import type { Engine, Service } from './dispatch/service.ts';
import { Identity } from './iam/identity.ts';
import { PolicyAuthorizer } from './iam/policy-authorizer.ts';
import type { Ids } from './ids.ts';
import { Journal } from './journal/journal.ts';
import { createServices } from './services/catalogue.ts';
import { lockStateDirectory } from './state/lock.ts';
import { State } from './state/state.ts';
import { WireServer } from './wire/server.ts';

export interface EngineOptions {
  /** Where everything lives that the engine must remember. One engine at a time. */
  readonly directory: string;
  /** Port on 127.0.0.1; 0 takes any free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Divides AWS's own latencies. @default 1 */
  readonly pace?: number;
  /** @default 000000000000 */
  readonly accountId?: string;
  /** @default us-east-1 */
  readonly region?: string;
  /** Told about errors that are bugs of the engine. */
  readonly onCrash: (error: unknown) => void;
}

/** A running local engine: AWS replaced, on one machine. */
export interface RunningEngine {
  readonly endpoint: string;
  readonly accountId: string;
  readonly region: string;
  readonly journal: Journal;
  readonly pace: Pace;
  readonly rootCredentials: { accessKeyId: string; secretAccessKey: string };
  /** Stops everything that the engine started, in order, and closes its state. */
  close(): Promise<void>;
}

/** Opens the state directory, restores every service, listens, and starts background behaviour. */
export async function startEngine(options: EngineOptions): Promise<RunningEngine> {
  const { clock, ids } = options;
  const accountId = options.accountId ?? '000000000000';
  const region = options.region ?? 'us-east-1';
  // Services run programs in other working directories and give them paths below this one.
  const directory = resolve(options.directory);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = lockStateDirectory(directory);
  // Node asks the nearest package.json what a program's modules are; a project around the state has no say in it.
  writeFileSync(join(directory, 'package.json'), '{}\n');
  const state = new State(join(directory, 'engine.db'));
  const journal = new Journal(state, clock);
  let endpoint = '';
  const identity = new Identity({ state, clock, ids, endpoint: () => endpoint, accountId, region });
  const authorizer = new PolicyAuthorizer({ state, accountId, region, clock });
  const pace = new Pace(options.pace ?? 1);
  const dispatcher = new Dispatcher({ state, journal, clock, ids, authorizer, pace });
  const engine: Engine = {
    clock,
    pace,
    ids,
    state,
    journal,
    accountId,
    region,
    directory,
    endpoint: () => endpoint,
    call: (principal, service, operation, input) =>
      dispatcher.dispatch(principal, service, operation, input as Record<string, unknown>, {
        endpoint,
      }) as never,
    assumeRole: (roleArn, service, sessionName, sourceArn) =>
      authorizer.assumeRole(roleArn, service, sessionName, sourceArn),
    credentials: (principal) => identity.issue(principal),
  };
  const server = new WireServer({ dispatcher, identity, ids, onCrash: options.onCrash });
  const started: Service[] = [];
  try {
    const services = createServices(engine, {
      identity,
      authorizer,
      dispatcher,
      handle: (handler) => server.handle(handler),
    });
    for (const service of services) dispatcher.register(service);
    await server.listen(options.port);
    endpoint = server.endpoint;
    journal.append('engine', 'engine.started', { endpoint, pace: engine.pace.factor });
    for (const service of services) {
      started.push(service);
      await service.start?.();
    }
    state.flush();
  } catch (error) {
    for (const service of started.reverse()) await service.stop?.();
    state.close();
    lock.release();
    throw error;
  }
  writeFileSync(
    join(directory, 'engine.json'),
    JSON.stringify({ endpoint, region, accountId, pid: process.pid, ...identity.rootCredentials() }, null, 2),
    { mode: 0o600 },
  );
  return {
    endpoint,
    accountId,
    region,
    journal,
    pace: engine.pace,
    rootCredentials: identity.rootCredentials(),
    async close() {
      for (const service of [...started].reverse()) await service.stop?.();
      await server.close();
      journal.append('engine', 'engine.stopped', {});
      state.close();
      lock.release();
    },
  };
}
