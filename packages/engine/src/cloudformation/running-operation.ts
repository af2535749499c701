import type { Engine } from '../dispatch/service.ts';
import { AwsFault } from '../errors.ts';
import { type Principal, viaService } from '../iam/principal.ts';
import { type Existing, type ResourceContext, resourceContext } from '../resources/resource-type.ts';
import type { JsonObject } from '../resources/schema.ts';
import type { CustomResourceRequests } from './custom-resource-requests.ts';
import { readsSecret } from './dynamic-references.ts';
import { reportStack } from './stack-status.ts';
import type {
  OperationRecord,
  ResourceRecord,
  ResourceStatus,
  StackRecord,
  StackStatus,
  StackStore,
} from './stack-store.ts';
import { Stopped } from './stopped.ts';
import type { TypeLookup } from './validation.ts';

/** What every phase of an operation on a stack stands on: the stack, who acts on it, and how a step is told. */
export class RunningOperation {
  readonly engine: Engine;
  readonly store: StackStore;
  readonly typeOf: TypeLookup;
  readonly stackId: string;
  readonly customResources: CustomResourceRequests;
  /** Aborts when the engine stops. */
  readonly stop: AbortSignal;
  #actor: Principal | undefined;

  constructor(parts: {
    engine: Engine;
    store: StackStore;
    typeOf: TypeLookup;
    stackId: string;
    customResources: CustomResourceRequests;
    /** Aborts when the engine stops. */
    stop: AbortSignal;
  }) {
    this.engine = parts.engine;
    this.store = parts.store;
    this.typeOf = parts.typeOf;
    this.stackId = parts.stackId;
    this.customResources = parts.customResources;
    this.stop = parts.stop;
  }

  get stack(): StackRecord {
    return this.store.stacks.get(this.stackId)!;
  }

  principal(): Principal {
    const stack = this.stack;
    this.#actor ??=
      stack.roleArn === undefined
        ? viaService(stack.operation!.principal, 'cloudformation.amazonaws.com')
        : this.engine.assumeRole(stack.roleArn, 'cloudformation.amazonaws.com', 'AWSCloudFormation');
    return this.#actor;
  }

  context(
    record: ResourceRecord,
    cancelled: AbortSignal,
    initiated: (id: string) => void = () => {},
  ): ResourceContext {
    const stack = this.stack;
    return resourceContext({
      engine: this.engine,
      principal: this.principal(),
      stackName: stack.name,
      stackId: stack.id,
      stackTags: record.stackTags,
      logicalId: record.logicalId,
      suffix: record.suffix,
      signal: AbortSignal.any([cancelled, this.stop]),
      confidential: readsSecret(record.declared),
      initiated,
      ask: (question) => {
        const { token, phase } = this.stack.operation!;
        return this.customResources.ask(
          {
            principal: this.principal(),
            stackId: stack.id,
            logicalId: record.logicalId,
            step: `${token} ${phase}`,
            stop: this.stop,
          },
          question,
        );
      },
    });
  }

  checkStop(): void {
    if (this.stop.aborted) throw new Stopped();
  }

  failed(record: ResourceRecord, status: ResourceStatus, error: unknown, cancelled: AbortSignal): void {
    this.checkStop();
    const what = status === 'CREATE_FAILED' ? 'creation' : 'update';
    this.report(record, status, cancelled.aborted ? `Resource ${what} cancelled` : reasonOf(error));
  }

  /** Stores a resource in its new status and reports it as a stack event. */
  report(record: ResourceRecord, status: ResourceStatus, reason?: string): void {
    const { creatingId, ...rest } = record;
    const keep = status.endsWith('_COMPLETE') || creatingId === undefined ? {} : { creatingId };
    this.store.putResource(this.stackId, {
      ...rest,
      ...keep,
      status,
      reason,
      updatedAtMs: this.engine.clock.nowMs(),
    });
    this.event(record, status, reason);
  }

  event(record: ResourceRecord, status: ResourceStatus, reason?: string): void {
    const stack = this.stack;
    this.store.addEvent({
      id: `${record.logicalId}-${this.engine.ids.uuid()}`,
      stackId: stack.id,
      stackName: stack.name,
      logicalId: record.logicalId,
      physicalId: record.id,
      type: record.type,
      atMs: this.engine.clock.nowMs(),
      status,
      reason,
      // With its dynamic references as they are written, so without secrets.
      properties: record.declared,
      clientRequestToken: stack.operation?.clientRequestToken,
    });
    this.engine.journal.append('cloudformation', 'resource.changed', {
      stack: stack.name,
      logicalId: record.logicalId,
      type: record.type,
      id: record.id,
      status,
      reason,
      ...(this.typeOf(record.type)?.recordedOnly ? { recordedOnly: true } : {}),
    });
  }

  enter(
    operation: OperationRecord,
    phase: OperationRecord['phase'],
    status: StackStatus,
    reason?: string,
  ): void {
    this.store.update(this.stackId, { operation: { ...operation, phase }, status, statusReason: reason });
    reportStack(this.engine, this.store, this.stackId, operation.clientRequestToken);
  }

  finish(status: StackStatus, reason?: string): void {
    const stack = this.stack;
    this.store.update(stack.id, {
      operation: undefined,
      status,
      statusReason: reason,
      ...(status === 'UPDATE_ROLLBACK_FAILED' ? {} : { stuck: undefined }),
    });
    reportStack(this.engine, this.store, stack.id, stack.operation?.clientRequestToken);
  }
}

/** A resource as its type sees it. */
export function existing(record: ResourceRecord): Existing<JsonObject> {
  return {
    id: record.id!,
    properties: record.properties,
    attributes: record.attributes,
    stackTags: record.stackTags,
  };
}

/** Why a resource's step failed, in a stack event's words. */
export function reasonOf(error: unknown): string {
  if (error instanceof AwsFault) {
    return `Resource handler returned message: "${error.message}" (HandlerErrorCode: ${error.code})`;
  }
  return `The local engine failed: ${error instanceof Error ? error.message : String(error)}`;
}
