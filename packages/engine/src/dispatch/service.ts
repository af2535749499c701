import type { Clock } from '../clock/clock.ts';
import type { Pace } from '../clock/pace.ts';
import type { Credentials, Principal } from '../iam/principal.ts';
import type { Ids } from '../ids.ts';
import type { Journal } from '../journal/journal.ts';
import type { Input, OperationName, Output, ServiceName } from '../sdk/services.ts';
import type { State } from '../state/state.ts';

/** Facts about the call that an operation is serving. */
export interface Call {
  readonly principal: Principal;
  readonly requestId: string;
  readonly service: ServiceName;
  readonly operation: string;
  /** Instant of arrival, milliseconds since the epoch. */
  readonly atMs: number;
  /** Base URL under which the caller reached the engine, for URLs in replies. */
  readonly endpoint: string;
  /** Aborts when the caller went away: a long poll must not hand out messages to nobody. */
  readonly signal: AbortSignal;
  /**
   * Asks for a permission that depends on more than the input, or that is about another resource than the operation's;
   * throws as a refused call does.
   */
  readonly authorize: (
    action: string,
    resource: string,
    conditions?: Readonly<Record<string, string | string[]>>,
  ) => void;
  /** Whether it is granted, where a refusal is part of the answer. */
  readonly permits: (action: string, resource: string) => boolean;
  /** Has `undo` run when the caller turns out to have left before the reply could be handed over. */
  readonly ifAbandoned: (undo: () => void) => void;
}

/** One operation of a service: what it does, and what IAM must allow for it. */
export interface Operation<I, O> {
  readonly run: (input: I, call: Call) => O | Promise<O>;
  /** ARNs that the caller must be allowed to act on; every one is checked. @default - `*` */
  readonly resources?: (input: I) => string[];
  /** IAM actions where they differ from the operation's name. @default - `<prefix>:<Operation>` */
  readonly actions?: (input: I) => string[];
  /** Condition keys of the request, such as `iam:PassedToService`. */
  readonly conditions?: (input: I) => Record<string, string | string[]>;
  /** Roles that the call hands to a service: each needs `iam:PassRole` for that service principal. */
  readonly passesRoles?: (input: I) => Array<{ roleArn: string; service: string }>;
  /** Whether each call is journaled: on for changes, off for reads and for message traffic. @default - `true` unless the name begins with Get, List, Describe, Head or BatchGet */
  readonly journaled?: boolean;
}

export type OperationTable<S extends ServiceName> = {
  readonly [O in OperationName<S>]?: Operation<Input<S, O>, Output<S, O>>;
};

/** A service of the engine. Services never import each other: they call through {@link Engine.call}. */
export interface Service<S extends ServiceName = ServiceName> {
  readonly name: S;
  readonly operations: OperationTable<S>;
  /** Policy attached to a resource (queue, topic, function, bucket, ...), as JSON, if it has one. */
  readonly resourcePolicy?: (resourceArn: string) => string | undefined;
  /** For roles to be assumed: who may do so, as JSON. Nothing else allows it without this. */
  readonly trustPolicy?: (roleArn: string) => string | undefined;
  /** Tags of a resource, for conditions. */
  readonly resourceTags?: (resourceArn: string) => Readonly<Record<string, string>> | undefined;
  /** Starts background behaviour, reconciling what a crash left behind. Everything is restored by then. */
  readonly start?: () => void | Promise<void>;
  /** Ends background behaviour and everything that it started; must not throw. */
  readonly stop?: () => Promise<void>;
}

export interface CallOptions {
  /** The input holds a secret: the journal says nothing of it. @default false */
  readonly confidential?: boolean;
}

/** What every service is built from. */
export interface Engine {
  readonly clock: Clock;
  readonly pace: Pace;
  readonly ids: Ids;
  readonly state: State;
  readonly journal: Journal;
  readonly accountId: string;
  readonly region: string;
  /** Directory for files of this engine: images, bundles, repositories. Each service uses a folder named after it. */
  readonly directory: string;
  /** `http://127.0.0.1:PORT`, known once the engine listens. */
  readonly endpoint: () => string;
  /** Calls an operation as `principal`: validated, authorised and journaled like a call from outside. */
  readonly call: <S extends ServiceName, O extends OperationName<S> & string>(
    principal: Principal,
    service: S,
    operation: O,
    input: Input<S, O>,
    options?: CallOptions,
  ) => Promise<Output<S, O>>;
  /**
   * A session of a role, for a service acting with it for the resource `sourceArn`. Fails with `AccessDenied` if the
   * role does not trust `service`, or not for that resource.
   */
  readonly assumeRole: (
    roleArn: string,
    service: string,
    sessionName: string,
    sourceArn?: string,
  ) => Principal;
  /** Temporary credentials for a process that acts with a role (task, build, function), valid until released. */
  readonly credentials: (principal: Principal) => Credentials;
}
