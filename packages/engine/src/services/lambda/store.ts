import type { Architecture, DestinationConfig, LoggingConfig, Runtime } from '@aws-sdk/client-lambda';
import type { Engine } from '../../dispatch/service.ts';
import type { Table } from '../../state/state.ts';

/** What decides how a function runs. */
export interface FunctionSettings {
  readonly runtime: Runtime;
  readonly handler: string;
  readonly role: string;
  readonly description: string;
  readonly timeoutSeconds: number;
  readonly memoryMiB: number;
  readonly variables: Readonly<Record<string, string>>;
  readonly loggingConfig: LoggingConfig;
  readonly deadLetterArn?: string;
  readonly tracingMode: 'Active' | 'PassThrough';
  readonly ephemeralStorageMiB: number;
  /** Kept and shown only: traffic of a local function goes through no VPC. */
  readonly vpc?: { readonly subnetIds: readonly string[]; readonly securityGroupIds: readonly string[] };
}

/** Unpacked code: a folder named after its digest. */
export interface FunctionCode {
  /** SHA-256 of the zip file, in hexadecimal: the folder's name. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** A function, or one published version of it. */
export interface StoredFunction {
  readonly name: string;
  /** `$LATEST`, or the number of a published version. */
  readonly version: string;
  readonly settings: FunctionSettings;
  readonly code: FunctionCode;
  readonly architectures: readonly Architecture[];
  readonly revisionId: string;
  readonly modifiedAtMs: number;
}

/** A name for a version of a function. */
export interface StoredAlias {
  readonly functionName: string;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** The part of the calls that another version gets, 0 to 1, by version; at most one. */
  readonly weights: Readonly<Record<string, number>>;
  readonly revisionId: string;
}

/** What belongs to the function itself and to no version of it. */
export interface FunctionExtras {
  readonly tags: Readonly<Record<string, string>>;
  readonly reservedConcurrency?: number;
  readonly lastPublishedVersion: number;
}

/** How asynchronous events of a function, or of one of its versions or aliases, are treated. */
export interface EventInvokeConfig {
  readonly maximumRetryAttempts?: number;
  readonly maximumEventAgeSeconds?: number;
  readonly destinationConfig?: DestinationConfig;
  readonly modifiedAtMs: number;
}

export interface StoredPolicy {
  readonly statements: ReadonlyArray<{ readonly Sid: string } & Record<string, unknown>>;
  readonly revisionId: string;
}

/** An asynchronous event that the function has not yet dealt with. */
export interface AsyncEvent {
  readonly requestId: string;
  readonly functionName: string;
  /** Version or alias. */
  readonly qualifier: string;
  /** JSON text. */
  readonly payload: string;
  readonly receivedAtMs: number;
  /** Attempts that have ended, each in an error. */
  readonly attempts: number;
  /** Not before this instant. */
  readonly dueAtMs: number;
}

export const LATEST = '$LATEST';

/** Everything that Lambda remembers. Keys are `NAME` for a function and `NAME:QUALIFIER` for a part of it. */
export class LambdaStore {
  /** `NAME:VERSION`, where `NAME:$LATEST` is the function itself. */
  readonly functions: Table<StoredFunction>;
  readonly extras: Table<FunctionExtras>;
  readonly aliases: Table<StoredAlias>;
  readonly policies: Table<StoredPolicy>;
  readonly eventConfigs: Table<EventInvokeConfig>;
  /** By request id. */
  readonly events: Table<AsyncEvent>;

  constructor({ state }: Pick<Engine, 'state'>) {
    this.functions = state.table('lambda.function-versions');
    this.extras = state.table('lambda.function-extras');
    this.aliases = state.table('lambda.aliases');
    this.policies = state.table('lambda.policies');
    this.eventConfigs = state.table('lambda.event-invoke-configs');
    this.events = state.table('lambda.async-events');
  }

  /** The function and its published versions, oldest first. */
  versionsOf(name: string): StoredFunction[] {
    return [...this.functions.values()].filter((version) => version.name === name);
  }

  /** Aliases of the function by name. */
  aliasesOf(name: string): StoredAlias[] {
    return [...this.aliases.values()]
      .filter(({ functionName }) => functionName === name)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * The version that `qualifier`, a version or an alias, stands for.
   *
   * @param draw gives a number from 0 to 1, by which one of an alias's two versions serves a call. @default - the main one does
   */
  version(name: string, qualifier: string, draw = () => 1): StoredFunction | undefined {
    const alias = this.aliases.get(`${name}:${qualifier}`);
    const [other] = Object.entries(alias?.weights ?? {});
    const version = other !== undefined && draw() < other[1] ? other[0] : (alias?.version ?? qualifier);
    return this.functions.get(`${name}:${version}`);
  }

  /** Forgets an alias with its policy and its settings for events. */
  removeAlias(functionName: string, alias: string): void {
    for (const table of [this.aliases, this.policies, this.eventConfigs])
      table.delete(`${functionName}:${alias}`);
  }

  /** Forgets the function with everything that belongs to it, and the events that wait for it. */
  remove(name: string): void {
    const own = (key: string) => key === name || key.startsWith(`${name}:`);
    for (const table of [this.functions, this.extras, this.aliases, this.policies, this.eventConfigs]) {
      for (const key of [...table.keys()].filter(own)) table.delete(key);
    }
    for (const [key, event] of [...this.events.entries()]) {
      if (event.functionName === name) this.events.delete(key);
    }
  }
}

/** How one attempt ended. `fault` is a failure of Lambda to run the function at all. */
export type Attempt =
  | { readonly kind: 'success' | 'error'; readonly payload: string; readonly version: string }
  | { readonly kind: 'fault'; readonly message: string };
