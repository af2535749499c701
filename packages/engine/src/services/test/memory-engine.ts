import { Pace } from '../../clock/pace.ts';
import { VirtualClock } from '../../clock/virtual-clock.ts';
import { Dispatcher } from '../../dispatch/dispatcher.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { PolicyAuthorizer } from '../../iam/policy-authorizer.ts';
import type { Principal } from '../../iam/principal.ts';
import { ByteIds } from '../../ids.ts';
import { Journal, type JournalEntry } from '../../journal/journal.ts';
import type { Input, OperationName, Output, ServiceName } from '../../sdk/services.ts';
import { State } from '../../state/state.ts';

const ACCOUNT = '111122223333';

/** An engine in memory and in virtual time, with the services that a test gives it. */
export class MemoryEngine {
  readonly clock: VirtualClock;
  readonly state: State;
  readonly journal: Journal;
  readonly authorizer: PolicyAuthorizer;
  readonly engine: Engine;
  readonly #dispatcher: Dispatcher;
  readonly #services: Service[] = [];
  readonly root: Principal = { kind: 'root', arn: `arn:aws:iam::${ACCOUNT}:root`, accountId: ACCOUNT };

  constructor(options: { pace?: number; state?: State; clock?: VirtualClock; directory?: string } = {}) {
    this.clock = options.clock ?? new VirtualClock();
    this.state = options.state ?? new State(':memory:');
    this.journal = new Journal(this.state, this.clock);
    this.authorizer = new PolicyAuthorizer({
      state: this.state,
      accountId: ACCOUNT,
      region: 'us-east-1',
      clock: this.clock,
    });
    const ids = ByteIds.seeded(this.journal.seq + 1);
    const pace = new Pace(options.pace ?? 1);
    this.#dispatcher = new Dispatcher({
      state: this.state,
      journal: this.journal,
      clock: this.clock,
      ids,
      authorizer: this.authorizer,
      pace,
    });
    this.engine = {
      clock: this.clock,
      pace,
      ids,
      state: this.state,
      journal: this.journal,
      accountId: ACCOUNT,
      region: 'us-east-1',
      directory: options.directory ?? '/nonexistent',
      endpoint: () => 'http://127.0.0.1:1',
      call: (principal, service, operation, input) =>
        this.#dispatcher.dispatch(principal, service, operation, input as Record<string, unknown>, {
          endpoint: 'http://127.0.0.1:1',
        }) as never,
      assumeRole: (...session) => this.authorizer.assumeRole(...session),
      credentials: () => ({
        accessKeyId: 'ASIA',
        secretAccessKey: 'secret',
        sessionToken: 'token',
        expiration: new Date(this.clock.nowMs()),
        environment: {},
      }),
    };
  }

  /** Registers and starts a service. */
  async add<S extends ServiceName>(make: (engine: Engine) => Service<S>): Promise<this> {
    const service = make(this.engine) as Service;
    this.#dispatcher.register(service);
    this.#services.push(service);
    // Loaded now, so that calls take no real time while virtual time moves.
    await this.#dispatcher.model(service.name);
    await service.start?.();
    return this;
  }

  /** Calls an operation as the account's owner. */
  call<S extends ServiceName, O extends OperationName<S> & string>(
    service: S,
    operation: O,
    input: Input<S, O>,
  ): Promise<Output<S, O>> {
    return this.engine.call(this.root, service, operation, input);
  }

  /** Makes a role that `service` may assume, with one inline policy. */
  role(name: string, service: string, ...statements: object[]): string {
    const arn = `arn:aws:iam::${ACCOUNT}:role/${name}`;
    const document = (list: object[]) => JSON.stringify({ Version: '2012-10-17', Statement: list });
    this.authorizer.store.roles.put(arn, {
      roleName: name,
      roleId: `AROA${name}`,
      arn,
      path: '/',
      trustPolicy: document([{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }]),
      inlinePolicies: statements.length === 0 ? {} : { inline: document(statements) },
      attachedPolicyArns: [],
      description: undefined,
      maxSessionSeconds: 3600,
      createdAtMs: 0,
      tags: {},
    });
    return arn;
  }

  /** Moves time, and lets what it set off come to rest. */
  async pass(seconds: number): Promise<void> {
    await this.clock.advanceBy(seconds * 1000);
    for (let quiet = 0, seq = this.journal.seq; quiet < 3; quiet++) {
      await this.clock.advanceBy(0);
      if (this.journal.seq !== seq) quiet = 0;
      seq = this.journal.seq;
    }
  }

  entries(type: string): JournalEntry[] {
    return this.journal.read().filter((entry) => entry.type === type);
  }

  /** Ends the services, as the engine does. */
  async stop(): Promise<void> {
    for (const service of this.#services.reverse()) await service.stop?.();
  }
}
