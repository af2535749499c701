import type { Clock } from '../clock/clock.ts';
import type { Pace } from '../clock/pace.ts';
import { AwsFault, InvariantError } from '../errors.ts';
import type { AuthorizationRequest, Authorizer, Origin } from '../iam/authorizer.ts';
import type { Principal } from '../iam/principal.ts';
import { requestTags } from '../iam/tags.ts';
import type { Ids } from '../ids.ts';
import type { Journal } from '../journal/journal.ts';
import { loadModel, type ServiceModel } from '../sdk/model.ts';
import type { ServiceName } from '../sdk/services.ts';
import type { Shape } from '../sdk/shapes.ts';
import type { State } from '../state/state.ts';
import { Consistency } from './consistency.ts';
import { RateLimits } from './rate-limits.ts';
import type { Call, CallOptions, Operation, Service } from './service.ts';
import { refuseUnread } from './unread-members.ts';
import { validate } from './validation.ts';

interface DispatchOptions extends CallOptions {
  readonly endpoint: string;
  readonly signal?: AbortSignal;
  readonly requestId?: string;
  /**
   * Whether the answer leaves the engine, and must not be given before what it reports is on the disk. Calls
   * between services need only be committed: the answer to the outermost one covers them.
   */
  readonly external?: boolean;
  /** Where a call from outside came from. */
  readonly origin?: Origin;
}

type AnyOperation = Operation<Record<string, unknown>, Record<string, unknown>>;

const READ_ONLY = /^(Get|List|Describe|Head|BatchGet|Query|Filter|Test|Validate|Estimate)/;
const NEVER = new AbortController().signal;

/**
 * The one way in. Every call, from a socket or from another service, is (principal, service, operation,
 * input): counted against the account's rate limits, validated
 * against the SDK's schema, authorised, run (a client's read on the state of a moment ago), journaled, and answered only once what it
 * wrote is committed, or on the disk if the answer leaves the engine.
 */
export class Dispatcher {
  readonly #services = new Map<ServiceName, Service>();
  readonly #models = new Map<ServiceName, ServiceModel | Promise<ServiceModel>>();
  readonly #state: State;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #authorizer: Authorizer;
  readonly #rateLimits: RateLimits;
  readonly #consistency: Consistency;

  constructor(parts: {
    state: State;
    journal: Journal;
    clock: Clock;
    ids: Ids;
    authorizer: Authorizer;
    pace: Pace;
  }) {
    this.#state = parts.state;
    this.#journal = parts.journal;
    this.#clock = parts.clock;
    this.#ids = parts.ids;
    this.#authorizer = parts.authorizer;
    this.#rateLimits = new RateLimits(parts.clock, parts.pace);
    this.#consistency = new Consistency(parts);
  }

  register(service: Service): void {
    if (this.#services.has(service.name))
      throw new InvariantError(`service ${service.name} registered twice`);
    this.#services.set(service.name, service);
  }

  services(): IterableIterator<Service> {
    return this.#services.values();
  }

  /** Loads (once) what the SDK says about a service. */
  model(name: ServiceName): ServiceModel | Promise<ServiceModel> {
    let model = this.#models.get(name);
    if (!model) {
      model = loadModel(name).then((loaded) => {
        this.#models.set(name, loaded);
        return loaded;
      });
      this.#models.set(name, model);
    }
    return model;
  }

  async dispatch(
    principal: Principal,
    serviceName: ServiceName,
    operationName: string,
    input: Record<string, unknown>,
    options: DispatchOptions,
  ): Promise<Record<string, unknown>> {
    const service = this.#services.get(serviceName);
    const operation = (service?.operations as Record<string, AnyOperation> | undefined)?.[operationName];
    const known = this.model(serviceName);
    const { operations, description, enumerations } = known instanceof Promise ? await known : known;
    const model = operations.get(operationName);
    if (!model) {
      throw new AwsFault('UnknownOperationException', `${serviceName} has no operation ${operationName}`);
    }
    if (!operation) {
      throw new AwsFault(
        'NotImplemented',
        `the local engine does not implement ${serviceName}:${operationName}: leave the call out here, or make it on AWS`,
        501,
      );
    }
    this.#rateLimits.admit(principal, serviceName, operationName, options.external ?? false);
    validate(serviceName, model.input, input, enumerations);
    refuseUnread(serviceName, operationName, input);
    const request: AuthorizationRequest = {
      principal,
      actions: operation.actions?.(input) ?? [`${description.iamPrefix}:${operationName}`],
      resources: operation.resources?.(input) ?? ['*'],
      conditions: operation.conditions?.(input) ?? {},
      origin: options.origin,
      requestTags: () => requestTags(input),
      passesRoles: operation.passesRoles?.(input) ?? [],
      resourcePolicy: (arn) => service?.resourcePolicy?.(arn),
      trustPolicy: service?.trustPolicy,
      resourceTags: service?.resourceTags,
      accessDeniedCode: description.accessDeniedCode,
    };
    this.#authorizer.authorize(request);
    const authorize: Call['authorize'] = (action, resource, conditions = {}) =>
      this.#authorizer.authorize({
        ...request,
        actions: [action],
        resources: [resource],
        conditions,
        passesRoles: [],
      });
    let undo: (() => void) | undefined;
    const call: Call = {
      principal,
      requestId: options.requestId ?? this.#ids.uuid(),
      service: serviceName,
      operation: operationName,
      atMs: this.#clock.nowMs(),
      endpoint: options.endpoint,
      signal: options.signal ?? NEVER,
      authorize,
      permits: (action, resource) => isAllowed(() => authorize(action, resource)),
      ifAbandoned: (run) => {
        undo = run;
      },
    };
    const described = () => describe(call, model.input, options.confidential ? CONFIDENTIAL : input);
    const journaled = operation.journaled ?? !READ_ONLY.test(operationName);
    try {
      const run = () => operation.run(input, call);
      const running = options.external ? this.#consistency.answer(serviceName, operationName, run) : run();
      const output = running instanceof Promise ? await running : running;
      if (journaled) this.#journal.append(serviceName, 'call', described());
      if (options.external) {
        if (!this.#state.durable) await this.#state.synced();
      } else if (this.#state.dirty) await this.#state.committed();
      if (!undo || !call.signal.aborted) return output;
      undo();
      return {};
    } catch (error) {
      if (journaled && error instanceof AwsFault) {
        this.#journal.append(serviceName, 'call.failed', {
          ...described(),
          code: error.code,
          message: error.message,
        });
      }
      throw error;
    }
  }
}

function isAllowed(authorize: () => void): boolean {
  try {
    authorize();
    return true;
  } catch (error) {
    if (error instanceof AwsFault) return false;
    throw error;
  }
}

const JOURNALED_LENGTH_MAX = 300;
const CONFIDENTIAL = { confidential: 'not journaled: the input holds a secret' };

/** The journal keeps who did what to what: long texts are cut, binary and sensitive members left out. */
function describe(call: Call, shape: Shape, input: Record<string, unknown>): Record<string, unknown> {
  return {
    operation: call.operation,
    principal: call.principal.arn,
    requestId: call.requestId,
    input: redact(shape, input),
  };
}

function redact(shape: Shape | undefined, value: unknown): unknown {
  if (shape?.traits.sensitive) return '(sensitive)';
  if (typeof value === 'string') {
    return value.length > JOURNALED_LENGTH_MAX ? `${value.slice(0, JOURNALED_LENGTH_MAX)}…` : value;
  }
  if (value instanceof Uint8Array) return `(${value.byteLength} bytes)`;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.slice(0, 20).map((item) => redact(shape?.value, item));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        redact(shape?.members.get(key) ?? shape?.value, item),
      ]),
    );
  }
  return value;
}
