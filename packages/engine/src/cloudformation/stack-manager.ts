import { sleep } from '../clock/clock.ts';
import type { Engine } from '../dispatch/service.ts';
import { AwsFault } from '../errors.ts';
import { type Principal, viaService } from '../iam/principal.ts';
import { planChanges } from './change-plan.ts';
import type { CustomResourceRequests } from './custom-resource-requests.ts';
import { deploy } from './deployment.ts';
import { type GivenParameter, parameterValues } from './parameters.ts';
import { checkRules } from './rules.ts';
import { stackScope } from './stack-scope.ts';
import { reportStack } from './stack-status.ts';
import type {
  ChangeSetRecord,
  OperationRecord,
  StackInput,
  StackRecord,
  StackStatus,
  StackStore,
} from './stack-store.ts';
import { parseTemplate, type Template, templateError } from './template.ts';
import { type TypeLookup, validateTemplate } from './validation.ts';

/** What a caller asks of a new or changed stack. */
export interface StackRequest {
  readonly stackName: string;
  readonly template: string;
  readonly parameters: readonly GivenParameter[];
  readonly tags: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  readonly roleArn: string | undefined;
}

/** Who makes a change, and what becomes of it when it fails. */
type ChangeOptions = Pick<OperationRecord, 'principal' | 'onFailure' | 'clientRequestToken'>;

/** A change that was checked and may begin. */
export interface PreparedChange {
  readonly input: StackInput;
  readonly template: Template;
  readonly changes: ChangeSetRecord['changes'];
  /** Whether deploying would change anything at all: resources, outputs or tags. */
  readonly changesAnything: boolean;
}

/**
 * How long a call that starts a stack operation may hold its reply while the operation ends. On AWS the
 * reply comes at once and a client sees the end when it polls next, five seconds later for the CDK CLI; an
 * operation of milliseconds is better told as finished straight away.
 */
const HELD_REPLY_MS_MAX = 5000;

/** AWS shows deleted stacks for 90 days. */
const DELETED_STACKS_KEPT_MS = 90 * 24 * 3_600_000;

const READY: readonly StackStatus[] = ['CREATE_COMPLETE', 'UPDATE_COMPLETE', 'UPDATE_ROLLBACK_COMPLETE'];

/** Prepares, starts and resumes stack operations: at most one at a time for each stack. */
export class StackManager {
  readonly store: StackStore;
  readonly typeOf: TypeLookup;
  readonly #engine: Engine;
  readonly #customResources: CustomResourceRequests;
  readonly #running = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(
    engine: Engine,
    store: StackStore,
    typeOf: TypeLookup,
    customResources: CustomResourceRequests,
  ) {
    this.#engine = engine;
    this.#customResources = customResources;
    this.store = store;
    this.typeOf = typeOf;
  }

  /** Goes on with the operations that the last run of the engine did not end. */
  resume(): void {
    this.store.forgetDeleted(this.#engine.clock.nowMs() - DELETED_STACKS_KEPT_MS);
    for (const stack of [...this.store.stacks.values()]) if (stack.operation) this.#run(stack.id);
  }

  /** Interrupts running operations; the next {@link resume} goes on with them. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running.values());
  }

  /** The stack, or the `ValidationError` that AWS gives for an unknown one. */
  stack(nameOrId: string | undefined): StackRecord {
    const stack = this.store.find(nameOrId ?? '');
    if (!stack) throw new AwsFault('ValidationError', `Stack with id ${nameOrId} does not exist`);
    return stack;
  }

  /** Validates a template and everything given with it, and finds out what it would change. */
  async prepare(
    request: StackRequest,
    existing: StackRecord | undefined,
    stackId: string,
    caller: Principal,
  ): Promise<PreparedChange> {
    const template = parseTemplate(request.template);
    validateTemplate(template, this.typeOf);
    checkCapabilities(template, request.capabilities);
    const roleArn = request.roleArn ?? existing?.roleArn;
    // With the rights of the stack's role where it has one: the CDK's deploy role may read its version parameter only.
    const reader =
      roleArn === undefined
        ? viaService(caller, 'cloudformation.amazonaws.com')
        : this.#engine.assumeRole(roleArn, 'cloudformation.amazonaws.com', 'AWSCloudFormation');
    const parameters = await parameterValues(
      template,
      request.parameters,
      existing?.parameters ?? [],
      (name) => this.#readParameter(reader, name),
    );
    const scope = {
      template,
      parameters,
      stackName: request.stackName,
      stackId,
      accountId: this.#engine.accountId,
      region: this.#engine.region,
      notificationArns: [],
      exported: (name: string) => this.store.exports().get(name)?.value,
    };
    checkRules(template, stackScope({ ...scope, resource: () => undefined, attribute: () => undefined }));
    const { changes, outputsChange } = planChanges(template, {
      scope,
      stackTags: request.tags,
      existing: existing ? this.store.resources(existing.id) : [],
      outputs: existing?.outputs ?? [],
      typeOf: this.typeOf,
    });
    const tagsChange = existing !== undefined && !sameTags(existing.tags, request.tags);
    return {
      input: {
        template: request.template,
        parameters,
        tags: request.tags,
        capabilities: request.capabilities,
        roleArn,
      },
      template,
      changes,
      changesAnything: changes.length > 0 || outputsChange || tagsChange,
    };
  }

  async #readParameter(caller: Principal, name: string): Promise<string> {
    const { Parameters } = await this.#engine.call(caller, 'ssm', 'GetParameters', { Names: [name] });
    const value = Parameters?.[0]?.Value;
    if (value === undefined) {
      throw templateError(`Unable to fetch parameters [${name}] from parameter store for this account.`);
    }
    return value;
  }

  /** Puts a new stack on record, in `status`, without starting anything. */
  record(
    name: string,
    id: string,
    status: StackStatus,
    input: StackInput,
    options: Partial<
      Pick<StackRecord, 'terminationProtection' | 'disableRollback' | 'notificationArns' | 'description'>
    > = {},
  ): StackRecord {
    return this.store.stacks.put(id, {
      ...input,
      id,
      name,
      status,
      statusReason: undefined,
      description: options.description,
      createdAtMs: this.#engine.clock.nowMs(),
      updatedAtMs: undefined,
      deletedAtMs: undefined,
      outputs: [],
      imports: [],
      terminationProtection: options.terminationProtection ?? false,
      disableRollback: options.disableRollback ?? false,
      notificationArns: options.notificationArns ?? [],
      operation: undefined,
      stuck: undefined,
    });
  }

  newStackId(name: string): string {
    const { region, accountId, ids } = this.#engine;
    return `arn:aws:cloudformation:${region}:${accountId}:stack/${name}/${ids.uuid()}`;
  }

  /** Starts creating a stack that is on record. */
  beginCreate(stackId: string, prepared: PreparedChange, options: ChangeOptions): Promise<void> {
    return this.#begin(stackId, 'CREATE_IN_PROGRESS', prepared, {
      ...options,
      kind: 'create',
      phase: 'apply',
      before: undefined,
      retain: [],
    });
  }

  /** Starts an update; what the stack is now is kept for a rollback. */
  beginUpdate(stackId: string, prepared: PreparedChange, options: ChangeOptions): Promise<void> {
    const stack = this.store.stacks.get(stackId)!;
    const { template, parameters, tags, capabilities, roleArn, outputs, imports } = stack;
    return this.#begin(stackId, 'UPDATE_IN_PROGRESS', prepared, {
      ...options,
      kind: 'update',
      phase: 'apply',
      retain: [],
      before: {
        input: { template, parameters, tags, capabilities, roleArn },
        outputs,
        imports,
        resources: this.store.resources(stackId),
      },
    });
  }

  /** Starts deleting a stack. */
  beginDelete(
    stackId: string,
    options: {
      principal: Principal;
      retain: readonly string[];
      roleArn: string | undefined;
      clientRequestToken: string | undefined;
    },
  ): Promise<void> {
    const { roleArn, ...rest } = options;
    if (roleArn !== undefined) this.store.update(stackId, { roleArn });
    return this.#begin(stackId, 'DELETE_IN_PROGRESS', undefined, {
      ...rest,
      kind: 'delete',
      phase: 'delete',
      onFailure: 'ROLLBACK',
      before: undefined,
    });
  }

  /** Tries again to roll an update back, leaving out the resources to skip. */
  beginContinueRollback(
    stackId: string,
    options: { principal: Principal; skip: readonly string[]; clientRequestToken: string | undefined },
  ): Promise<void> {
    const { stuck } = this.store.stacks.get(stackId)!;
    for (const logicalId of options.skip) {
      const record = this.store.resource(stackId, logicalId);
      const before = stuck!.before!.resources.find((item) => item.logicalId === logicalId);
      if (!record || !before) {
        throw new AwsFault(
          'ValidationError',
          `Invalid ResourcesToSkip. Resource ${logicalId} does not exist`,
        );
      }
      this.store.putResource(stackId, { ...before, id: record.id });
    }
    return this.#begin(stackId, 'UPDATE_ROLLBACK_IN_PROGRESS', undefined, {
      ...stuck!,
      principal: options.principal,
      clientRequestToken: options.clientRequestToken,
      token: stuck!.token,
      phase: 'rollback',
    });
  }

  #begin(
    stackId: string,
    status: StackStatus,
    prepared: PreparedChange | undefined,
    operation: Omit<OperationRecord, 'token'> & { token?: string },
  ): Promise<void> {
    const nowMs = this.#engine.clock.nowMs();
    this.store.update(stackId, {
      ...(prepared ? { ...prepared.input, description: prepared.template.Description } : {}),
      ...(operation.kind === 'update' ? { updatedAtMs: nowMs } : {}),
      status,
      statusReason: 'User Initiated',
      operation: { token: this.#engine.ids.uuid(), ...operation },
    });
    reportStack(this.#engine, this.store, stackId, operation.clientRequestToken);
    return this.#run(stackId);
  }

  #run(stackId: string): Promise<void> {
    const run = deploy({
      engine: this.#engine,
      store: this.store,
      typeOf: this.typeOf,
      stackId,
      customResources: this.#customResources,
      stop: this.#stop.signal,
    })
      .catch((error: unknown) => {
        this.#engine.journal.append('cloudformation', 'stack.crashed', {
          stackId,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
      })
      .finally(() => this.#running.delete(stackId));
    this.#running.set(stackId, run);
    return run;
  }

  /** Waits for a started operation, but no longer than a held reply may take. */
  async hold(run: Promise<void>): Promise<void> {
    const over = new AbortController();
    const limit = sleep(this.#engine.clock, HELD_REPLY_MS_MAX, over.signal);
    await Promise.race([run, limit]);
    over.abort();
  }

  /** Refuses to touch a stack that is busy or in a state from which this is not possible. */
  requireReady(stack: StackRecord): void {
    if (READY.includes(stack.status)) return;
    if (stack.disableRollback && ['CREATE_FAILED', 'UPDATE_FAILED'].includes(stack.status)) return;
    throw new AwsFault(
      'ValidationError',
      `Stack:${stack.id} is in ${stack.status} state and can not be updated.`,
    );
  }
}

function sameTags(left: Readonly<Record<string, string>>, right: Readonly<Record<string, string>>): boolean {
  const entries = (tags: Readonly<Record<string, string>>) => JSON.stringify(Object.entries(tags).sort());
  return entries(left) === entries(right);
}

const NAMED_IAM: Readonly<Record<string, string>> = {
  'AWS::IAM::Role': 'RoleName',
  'AWS::IAM::ManagedPolicy': 'ManagedPolicyName',
  'AWS::IAM::User': 'UserName',
  'AWS::IAM::Group': 'GroupName',
};

function checkCapabilities(template: Template, capabilities: readonly string[]): void {
  const resources = Object.values(template.Resources).filter(({ Type }) => Type.startsWith('AWS::IAM::'));
  if (resources.length === 0) return;
  const named = resources.some(
    ({ Type, Properties }) => NAMED_IAM[Type] !== undefined && Object.hasOwn(Properties, NAMED_IAM[Type]!),
  );
  const accepted = named ? ['CAPABILITY_NAMED_IAM'] : ['CAPABILITY_IAM', 'CAPABILITY_NAMED_IAM'];
  if (accepted.some((capability) => capabilities.includes(capability))) return;
  throw new AwsFault('InsufficientCapabilitiesException', `Requires capabilities : [${accepted[0]}]`);
}
