import { join, resolve } from 'node:path';
import type { Clock } from './clock/clock.ts';
import { Pace } from './clock/pace.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import type { Engine, Service } from './dispatch/service.ts';
import type { UserError } from './errors.ts';
import { Identity } from './iam/identity.ts';
import { PolicyAuthorizer } from './iam/policy-authorizer.ts';
import type { Ids } from './ids.ts';
import { Journal } from './journal/journal.ts';
import { writeFileAtomic } from './runtime/atomic-file.ts';
import type { Input, OperationName, Output, ServiceName } from './sdk/services.ts';
import { type ClientCall, createServices, type Programs, type Surroundings } from './services/catalogue.ts';
import { lockStateDirectory } from './state/lock.ts';
import { State } from './state/state.ts';
import { closeToOthers, openStateDirectory } from './state/state-directory.ts';
import { isStateFailure, stateFailure } from './state/state-failure.ts';
import { WireServer } from './wire/server.ts';

export interface EngineOptions {
  /** Where everything lives that the engine must remember. One engine at a time. */
  readonly directory: string;
  /** Port on 127.0.0.1; 0 takes any free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Whether what it must remember outlives it. If not, no answer waits for the disk. @default true */
  readonly durable?: boolean;
  /** Divides AWS's own latencies. @default 1 */
  readonly pace?: number;
  /** @default 000000000000 */
  readonly accountId?: string;
  /** @default us-east-1 */
  readonly region?: string;
  /** Runs the programs of tasks, functions and builds. @default - each is a process of this machine */
  readonly programs?: (surroundings: Surroundings) => Programs;
  /** Told about errors that are bugs of the engine. */
  readonly onCrash: (error: unknown) => void;
  /**
   * Told why the state cannot be written any more, with what to do: the process should end, since the engine answers
   * nothing that it cannot keep. @default - the error is thrown, which ends the process
   */
  readonly onStateFailure?: (error: UserError) => void;
}

/** A running local engine: AWS replaced, on one machine. */
export interface RunningEngine {
  readonly endpoint: string;
  readonly accountId: string;
  readonly region: string;
  readonly journal: Journal;
  readonly pace: Pace;
  readonly rootCredentials: { accessKeyId: string; secretAccessKey: string };
  /** A call of the account's root without the wire; it meets everything that a call over the wire does but a signature's check. */
  readonly call: <S extends ServiceName, O extends OperationName<S> & string>(
    service: S,
    operation: O,
    input: Input<S, O>,
  ) => Promise<Output<S, O>>;
  /** Stops everything that the engine started, in order, and closes its state. */
  close(): Promise<void>;
}

/** Opens the state directory, restores every service, listens, and starts background behaviour. */
export async function startEngine(options: EngineOptions): Promise<RunningEngine> {
  // Services run programs in other working directories and give them paths below this one.
  const directory = resolve(options.directory);
  openStateDirectory(directory);
  const lock = lockStateDirectory(directory);
  try {
    return await startOwner(directory, options, lock);
  } catch (error) {
    lock.release();
    throw isStateFailure(error) ? stateFailure(join(directory, DATABASE), error) : error;
  }
}

const DATABASE = 'engine.db';

async function startOwner(
  directory: string,
  options: EngineOptions,
  lock: { release(): void },
): Promise<RunningEngine> {
  const { clock, ids } = options;
  const accountId = options.accountId ?? '000000000000';
  const region = options.region ?? 'us-east-1';
  const state = new State(
    options.durable === false ? ':memory:' : join(directory, DATABASE),
    options.onStateFailure,
  );
  const keep = (name: string, content: string) =>
    state.guard(join(directory, name), (path) => writeFileAtomic(path, content, ids.hex(8), 0o600));
  // Node asks the nearest package.json what a program's modules are; a project around the state has no say in it.
  keep('package.json', '{}\n');
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
    call: (principal, service, operation, input, options) =>
      dispatcher.dispatch(principal, service, operation, input as Record<string, unknown>, {
        endpoint,
        ...options,
      }) as never,
    assumeRole: (roleArn, service, sessionName, sourceArn) =>
      authorizer.assumeRole(roleArn, service, sessionName, sourceArn),
    credentials: (principal) => identity.issue(principal),
  };
  const call: ClientCall = (principal, service, operation, input, signal) =>
    dispatcher.dispatch(principal, service, operation, input as Record<string, unknown>, {
      endpoint,
      external: true,
      ...(signal && { signal }),
    }) as never;
  const onCrash = (error: unknown) => {
    if (isStateFailure(error)) state.fail(error);
    else options.onCrash(error);
  };
  const server = new WireServer({ dispatcher, identity, ids, onCrash });
  const started: Service[] = [];
  try {
    const services = createServices(engine, {
      identity,
      authorizer,
      dispatcher,
      programs: options.programs?.({ clock, call }),
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
    closeToOthers(directory);
    const owner = { endpoint, region, accountId, ...identity.rootCredentials() };
    for (const [name, content] of Object.entries(filesFor(owner))) keep(name, content);
  } catch (error) {
    for (const service of started.reverse()) await service.stop?.();
    await server.close();
    state.close();
    throw error;
  }
  return {
    endpoint,
    accountId,
    region,
    journal,
    pace: engine.pace,
    rootCredentials: identity.rootCredentials(),
    call: (service, operation, input) => call(identity.root, service, operation, input),
    async close() {
      for (const service of [...started].reverse()) await service.stop?.();
      await server.close();
      journal.append('engine', 'engine.stopped', {});
      state.close();
      lock.release();
    },
  };
}

/** What tools and commands of the owner read of a running engine. */
function filesFor(owner: {
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}): Record<string, string> {
  const { endpoint, region, accessKeyId, secretAccessKey } = owner;
  return {
    // What `queue-canary env` gives to tools that read files rather than variables.
    'aws-config': `[default]\nregion = ${region}\n`,
    'git-credentials': `${endpoint.replace('://', `://${accessKeyId}:${secretAccessKey}@`)}\n`,
    'engine.json': JSON.stringify({ ...owner, pid: process.pid }, null, 2),
  };
}
