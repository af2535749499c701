import type { Engine, Principal } from '../dispatch/service.ts';
import { AwsFault } from '../errors.ts';
import {
  type Created,
  type Existing,
  type ResourceContext,
  type ResourceType,
  resourceContext,
} from '../resources/resource-type.ts';
import type { JsonObject } from '../resources/schema.ts';
import { changedProperties, keeps, outputsOf } from './change-plan.ts';
import { resolveDynamicReferences } from './dynamic-references.ts';
import { dependencies } from './graph.ts';
import { resolve, type Scope } from './intrinsics.ts';
import { activeResources, stackScope } from './stack-scope.ts';
import type {
  OperationRecord,
  ResourceRecord,
  ResourceStatus,
  StackRecord,
  StackStatus,
  StackStore,
} from './stack-store.ts';
import { parseTemplate, type Template, type TemplateResource } from './template.ts';
import type { TypeLookup } from './validation.ts';

const STACK_TYPE = 'AWS::CloudFormation::Stack';

/** Thrown inside an operation when the engine stops: nothing is recorded, and the next start goes on. */
class Stopped extends Error {}

/**
 * Carries out one operation on one stack: creates, updates, replaces and deletes its resources in dependency
 * order and in parallel, rolls back when one fails, and reports every step as a stack event.
 *
 * Each step is durable before the next begins. After a crash {@link run} goes on with the phase that was
 * under way: finished resources are left alone; one that was being created is looked for by the id that it
 * would have, removed, and created again.
 */
export class Deployment {
  readonly #engine: Engine;
  readonly #store: StackStore;
  readonly #typeOf: TypeLookup;
  readonly #stackId: string;
  readonly #stop: AbortSignal;
  #actor: Principal | undefined;

  constructor(parts: {
    engine: Engine;
    store: StackStore;
    typeOf: TypeLookup;
    stackId: string;
    /** Aborts when the engine stops. */
    stop: AbortSignal;
  }) {
    this.#engine = parts.engine;
    this.#store = parts.store;
    this.#typeOf = parts.typeOf;
    this.#stackId = parts.stackId;
    this.#stop = parts.stop;
  }

  /** Runs the stack's pending operation to its end. Resolves early, with nothing lost, when the engine stops. */
  async run(): Promise<void> {
    try {
      for (let { operation } = this.#stack; operation; { operation } = this.#stack) {
        await this.#phase(operation);
      }
    } catch (error) {
      if (error instanceof Stopped) return;
      throw error;
    }
  }

  get #stack(): StackRecord {
    return this.#store.stacks.get(this.#stackId)!;
  }

  async #phase(operation: OperationRecord): Promise<void> {
    switch (operation.phase) {
      case 'apply':
        return this.#apply(operation);
      case 'cleanup':
        await this.#deleteLeftovers(operation, 'old');
        return this.#finish('UPDATE_COMPLETE');
      case 'rollback':
        return operation.kind === 'create'
          ? this.#rollbackCreate(operation)
          : this.#rollbackUpdate(operation);
      case 'rollback-cleanup':
        await this.#deleteLeftovers(operation, 'new');
        return this.#finish('UPDATE_ROLLBACK_COMPLETE');
      case 'delete':
        return this.#delete(operation);
    }
  }

  // Going forward

  async #apply(operation: OperationRecord): Promise<void> {
    const failed: string[] = [];
    let reason: string | undefined;
    try {
      const template = parseTemplate(this.#stack.template);
      const imports = new Set<string>();
      const scope = this.#scope(template, imports);
      const active = activeResources(template, scope);
      const graph = dependencies(template);
      const needs = (id: string) => [...graph.get(id)!].filter((need) => active.has(need));
      const cancel = new AbortController();
      await inParallel([...active], needs, async (id) => {
        if (cancel.signal.aborted) return false;
        const resource = template.Resources[id]!;
        const done = await this.#applyResource(operation, id, resource, needs(id), scope, cancel.signal);
        if (!done && !cancel.signal.aborted) {
          failed.push(id);
          cancel.abort();
        }
        return done;
      });
      this.#checkStop();
      if (failed.length === 0) {
        const outputs = outputsOf(template, scope);
        this.#checkExports(outputs.map(({ exportName }) => exportName));
        this.#store.update(this.#stackId, { outputs, imports: [...imports] });
        this.#leaveRemoved(active);
      }
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      reason = error.message;
    }
    if (failed.length > 0) {
      const verb = operation.kind === 'create' ? 'create' : 'update';
      reason = `The following resource(s) failed to ${verb}: [${failed.join(', ')}]. `;
    }
    if (reason !== undefined) return this.#fail(operation, reason);
    if (operation.kind === 'create') return this.#finish('CREATE_COMPLETE');
    this.#enter(operation, 'cleanup', 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS');
  }

  #fail(operation: OperationRecord, reason: string): void {
    if (operation.onFailure === 'DO_NOTHING') {
      this.#finish(operation.kind === 'create' ? 'CREATE_FAILED' : 'UPDATE_FAILED', reason);
    } else if (operation.kind === 'create') {
      const asked =
        operation.onFailure === 'DELETE' ? 'Delete requested by user.' : 'Rollback requested by user.';
      if (operation.onFailure === 'DELETE')
        this.#enter(operation, 'delete', 'DELETE_IN_PROGRESS', `${reason}${asked}`);
      else this.#enter(operation, 'rollback', 'ROLLBACK_IN_PROGRESS', `${reason}${asked}`);
    } else this.#enter(operation, 'rollback', 'UPDATE_ROLLBACK_IN_PROGRESS', reason);
  }

  #scope(template: Template, imports: Set<string>) {
    const stack = this.#stack;
    const record = (logicalId: string) => this.#store.resource(stack.id, logicalId);
    return stackScope({
      template,
      parameters: stack.parameters,
      stackName: stack.name,
      stackId: stack.id,
      accountId: this.#engine.accountId,
      region: this.#engine.region,
      notificationArns: stack.notificationArns,
      resource: (logicalId) =>
        Object.hasOwn(template.Resources, logicalId) ? record(logicalId)?.id : undefined,
      attribute: (logicalId, name) => record(logicalId)?.attributes[name],
      exported: (name) => this.#store.exports().get(name)?.value,
      onImport: (name) => imports.add(name),
    });
  }

  /** Brings one resource to what the template says; `false` if that failed. */
  async #applyResource(
    operation: OperationRecord,
    logicalId: string,
    resource: TemplateResource,
    needs: readonly string[],
    scope: Scope,
    cancelled: AbortSignal,
  ): Promise<boolean> {
    const type = this.#typeOf(resource.Type)!;
    const stack = this.#stack;
    const before = this.#store.resource(stack.id, logicalId);
    if (before?.operation === operation.token && before.status.endsWith('_COMPLETE')) return true;
    const blank: ResourceRecord = {
      logicalId,
      type: resource.Type,
      id: undefined,
      status: 'CREATE_IN_PROGRESS',
      reason: undefined,
      declared: {},
      properties: {},
      attributes: {},
      deletionPolicy: resource.DeletionPolicy,
      updateReplacePolicy: resource.UpdateReplacePolicy,
      metadata: resource.Metadata,
      stackTags: stack.tags,
      needs,
      updatedAtMs: this.#engine.clock.nowMs(),
      operation: operation.token,
      suffix: '',
    };
    let wanted = blank;
    try {
      const declared = resolve(resource.Properties, scope) as JsonObject;
      wanted = { ...blank, declared };
      if (!isWhole(before)) return await this.#create(await this.#resolved(wanted), before, type, cancelled);
      const origin = this.#origin(operation, before);
      const changed = changedProperties(type, origin, declared, stack.tags);
      if (changed.length === 0 && origin === before) {
        this.#store.putResource(stack.id, {
          ...before,
          deletionPolicy: wanted.deletionPolicy,
          updateReplacePolicy: wanted.updateReplacePolicy,
          metadata: wanted.metadata,
          needs: wanted.needs,
        });
        return true;
      }
      const full = await this.#resolved(wanted);
      if (changed.some((name) => type.replacesOn(name))) {
        return await this.#replace(full, before, origin, type, cancelled);
      }
      return await this.#update(full, before, type, cancelled);
    } catch (error) {
      if (error instanceof Stopped) throw error;
      if (isWhole(before))
        this.#failed({ ...before, operation: operation.token }, 'UPDATE_FAILED', error, cancelled);
      else this.#failed(this.#begun(wanted), 'CREATE_FAILED', error, cancelled);
      return false;
    }
  }

  /** The resource as it was before the operation, where a crash interrupted its update. */
  #origin(operation: OperationRecord, record: ResourceRecord): ResourceRecord {
    if (record.operation !== operation.token) return record;
    return operation.before?.resources.find(({ logicalId }) => logicalId === record.logicalId) ?? record;
  }

  async #resolved(wanted: ResourceRecord): Promise<ResourceRecord> {
    const properties = (await resolveDynamicReferences(wanted.declared, (name) =>
      this.#readParameter(name),
    )) as JsonObject;
    return { ...wanted, properties };
  }

  async #readParameter(nameAndVersion: string): Promise<string> {
    const { Parameter } = await this.#engine.call(this.#principal(), 'ssm', 'GetParameter', {
      Name: nameAndVersion,
    });
    return Parameter?.Value ?? '';
  }

  async #create(
    wanted: ResourceRecord,
    before: ResourceRecord | undefined,
    type: ResourceType,
    cancelled: AbortSignal,
    inProgress: ResourceStatus = 'CREATE_IN_PROGRESS',
  ): Promise<boolean> {
    const complete: ResourceStatus =
      inProgress === 'CREATE_IN_PROGRESS' ? 'CREATE_COMPLETE' : 'UPDATE_COMPLETE';
    const resumed = before?.creatingId !== undefined;
    const suffix = resumed ? before.suffix : this.#engine.ids.suffix(12);
    let record: ResourceRecord = { ...wanted, id: undefined, suffix, status: inProgress };
    if (!resumed) this.#report(record, inProgress);
    const context = this.#context(record, cancelled, (id) => {
      record = { ...record, id };
      this.#report(record, inProgress, 'Resource creation Initiated');
    });
    const id = type.identify(context, record.properties);
    if (resumed && before.creatingId !== '') {
      await type.delete(context, existing({ ...record, id: before.creatingId! }));
    } else if (id !== undefined && (await type.exists(context, id))) {
      throw new AwsFault('AlreadyExists', `${id} already exists`);
    }
    record = this.#store.putResource(this.#stackId, { ...record, creatingId: id ?? '' });
    await this.#engine.state.committed();
    const created: Created = await type.create(context, record.properties);
    this.#checkStop();
    if (record.id === undefined) {
      record = { ...record, id: created.id };
      this.#report(record, inProgress, 'Resource creation Initiated');
    }
    this.#report(
      { ...record, id: created.id, attributes: created.attributes ?? {} },
      complete,
      type.recordedOnly
        ? 'Recorded only: the local engine keeps this resource and does not act on it'
        : undefined,
    );
    return true;
  }

  async #update(
    wanted: ResourceRecord,
    before: ResourceRecord,
    type: ResourceType,
    cancelled: AbortSignal,
  ): Promise<boolean> {
    const record: ResourceRecord = {
      ...wanted,
      id: before.id,
      suffix: before.suffix,
      attributes: before.attributes,
      status: 'UPDATE_IN_PROGRESS',
    };
    this.#report(record, 'UPDATE_IN_PROGRESS');
    try {
      const attributes = await type.update(
        this.#context(record, cancelled),
        record.properties,
        existing(before),
      );
      this.#checkStop();
      this.#report({ ...record, attributes }, 'UPDATE_COMPLETE');
      return true;
    } catch (error) {
      if (error instanceof Stopped) throw error;
      this.#failed({ ...record, declared: before.declared }, 'UPDATE_FAILED', error, cancelled);
      return false;
    }
  }

  async #replace(
    wanted: ResourceRecord,
    before: ResourceRecord,
    origin: ResourceRecord,
    type: ResourceType,
    cancelled: AbortSignal,
  ): Promise<boolean> {
    if (before.operation !== wanted.operation || before.id === origin.id) {
      this.#store.putLeftover({ stackId: this.#stackId, origin: 'old', record: origin });
    }
    if (before.operation !== wanted.operation) {
      this.#report(
        { ...before, operation: wanted.operation },
        'UPDATE_IN_PROGRESS',
        'Requested update requires the creation of a new physical resource; hence creating one.',
      );
    }
    try {
      const interrupted = before.operation === wanted.operation ? before : undefined;
      return await this.#create(wanted, interrupted, type, cancelled, 'UPDATE_IN_PROGRESS');
    } catch (error) {
      if (error instanceof Stopped) throw error;
      this.#failed(this.#begun(wanted), 'UPDATE_FAILED', error, cancelled);
      return false;
    }
  }

  /** Sets aside what the template no longer has, to be deleted once everything else succeeded. */
  #leaveRemoved(active: ReadonlySet<string>): void {
    for (const record of this.#store.resources(this.#stackId)) {
      if (active.has(record.logicalId)) continue;
      if (record.id !== undefined) {
        this.#store.putLeftover({ stackId: this.#stackId, origin: 'old', record });
      }
      this.#store.dropResource(this.#stackId, record.logicalId);
    }
  }

  #checkExports(names: ReadonlyArray<string | undefined>): void {
    const exports = this.#store.exports();
    for (const name of names) {
      if (name === undefined) continue;
      const owner = exports.get(name)?.stackId;
      if (owner !== undefined && owner !== this.#stackId) {
        throw new AwsFault(
          'ValidationError',
          `Export with name ${name} is already exported by stack ${this.#store.stacks.get(owner)?.name}. Export names must be unique within an AWS account and region`,
        );
      }
    }
    for (const { exportName } of this.#stack.outputs) {
      if (exportName === undefined || names.includes(exportName)) continue;
      const users = this.#store.importers(exportName).filter(({ id }) => id !== this.#stackId);
      if (users.length > 0) {
        throw new AwsFault(
          'ValidationError',
          `Export ${exportName} cannot be deleted as it is in use by ${users.map(({ name }) => name).join(', ')}`,
        );
      }
    }
  }

  // Going back

  async #rollbackCreate(operation: OperationRecord): Promise<void> {
    const records = this.#store.resources(this.#stackId);
    const failed = await this.#deleteAll(records, operation, (record) => record.deletionPolicy === 'Retain');
    if (failed.length > 0) {
      this.#finish('ROLLBACK_FAILED', `The following resource(s) failed to delete: [${failed.join(', ')}]. `);
    } else {
      this.#store.update(this.#stackId, { outputs: [], imports: [] });
      this.#finish('ROLLBACK_COMPLETE');
    }
  }

  async #rollbackUpdate(operation: OperationRecord): Promise<void> {
    const { resources, input, outputs, imports } = operation.before!;
    const previous = new Map(resources.map((record) => [record.logicalId, record]));
    const failed: string[] = [];
    this.#store.update(this.#stackId, { ...input, outputs, imports });
    for (const record of this.#store.resources(this.#stackId)) {
      if (previous.has(record.logicalId)) continue;
      if (record.id !== undefined || record.creatingId) {
        this.#store.putLeftover({ stackId: this.#stackId, origin: 'new', record });
      }
      this.#store.dropResource(this.#stackId, record.logicalId);
    }
    await inParallel(
      [...previous.keys()],
      (id) => previous.get(id)!.needs.filter((need) => previous.has(need)),
      async (id) => {
        const done = await this.#restore(operation, previous.get(id)!);
        if (!done) failed.push(id);
        return true;
      },
    );
    this.#checkStop();
    for (const leftover of this.#store.leftovers(this.#stackId)) {
      if (leftover.origin === 'old') this.#store.dropLeftover(leftover);
    }
    if (failed.length > 0) {
      this.#store.update(this.#stackId, { stuck: operation });
      this.#finish(
        'UPDATE_ROLLBACK_FAILED',
        `The following resource(s) failed to update: [${failed.join(', ')}]. `,
      );
    } else this.#enter(operation, 'rollback-cleanup', 'UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS');
  }

  /** Puts one resource back to what it was before the update; `false` if that failed. */
  async #restore(operation: OperationRecord, before: ResourceRecord): Promise<boolean> {
    const current = this.#store.resource(this.#stackId, before.logicalId);
    if (!current) {
      this.#store.putResource(this.#stackId, before);
      return true;
    }
    if (current.operation !== operation.token) return true;
    const restored: ResourceRecord = { ...before, updatedAtMs: this.#engine.clock.nowMs() };
    if (current.id !== before.id || current.creatingId !== undefined) {
      if (current.id !== before.id || current.creatingId) {
        this.#store.putLeftover({
          stackId: this.#stackId,
          origin: 'new',
          record: { ...current, id: current.id === before.id ? undefined : current.id },
        });
      }
      this.#report(restored, 'UPDATE_COMPLETE');
      return true;
    }
    const type = this.#typeOf(before.type)!;
    this.#report({ ...current, operation: operation.token }, 'UPDATE_IN_PROGRESS');
    try {
      const attributes = await type.update(
        this.#context(before, this.#stop),
        before.properties,
        existing(current),
      );
      this.#checkStop();
      this.#report({ ...restored, attributes }, 'UPDATE_COMPLETE');
      return true;
    } catch (error) {
      if (error instanceof Stopped) throw error;
      this.#failed({ ...current }, 'UPDATE_FAILED', error, this.#stop);
      return false;
    }
  }

  // Deleting

  async #delete(operation: OperationRecord): Promise<void> {
    const stack = this.#stack;
    for (const { exportName } of stack.outputs) {
      const users =
        exportName === undefined ? [] : this.#store.importers(exportName).filter(({ id }) => id !== stack.id);
      if (users.length > 0) {
        return this.#finish(
          'DELETE_FAILED',
          `Delete canceled. Cannot delete export ${exportName} as it is in use by ${users.map(({ name }) => name).join(' and ')}.`,
        );
      }
    }
    const retained = (record: ResourceRecord) =>
      operation.retain.includes(record.logicalId) ||
      (operation.kind === 'create' ? record.deletionPolicy === 'Retain' : keeps(record));
    for (const leftover of this.#store.leftovers(stack.id)) await this.#deleteLeftover(leftover);
    const failed = await this.#deleteAll(this.#store.resources(stack.id), operation, retained);
    if (failed.length > 0) {
      return this.#finish(
        'DELETE_FAILED',
        `The following resource(s) failed to delete: [${failed.join(', ')}]. `,
      );
    }
    for (const record of this.#store.resources(stack.id))
      this.#store.dropResource(stack.id, record.logicalId);
    this.#store.update(stack.id, { outputs: [], imports: [], deletedAtMs: this.#engine.clock.nowMs() });
    for (const changeSet of [...this.#store.changeSets.values()]) {
      if (changeSet.stackId === stack.id) this.#store.changeSets.delete(changeSet.id);
    }
    this.#finish('DELETE_COMPLETE');
  }

  /** Deletes resources, each after those that need it. Returns the logical ids that could not be deleted. */
  async #deleteAll(
    records: readonly ResourceRecord[],
    operation: OperationRecord,
    retained: (record: ResourceRecord) => boolean,
  ): Promise<string[]> {
    const failed: string[] = [];
    const byId = new Map(records.map((record) => [record.logicalId, record]));
    const neededBy = new Map<string, string[]>(records.map(({ logicalId }) => [logicalId, []]));
    for (const record of records) {
      for (const need of record.needs) neededBy.get(need)?.push(record.logicalId);
    }
    await inParallel(
      [...byId.keys()],
      (id) => neededBy.get(id)!,
      async (id) => {
        const record = byId.get(id)!;
        if (record.status === 'DELETE_COMPLETE' || record.status === 'DELETE_SKIPPED') return true;
        if (record.id === undefined && !record.creatingId) return true;
        const marked = { ...record, operation: operation.token };
        if (retained(record)) {
          this.#report(marked, 'DELETE_SKIPPED');
          return true;
        }
        const done = await this.#deleteResource(marked, (next, status, reason) =>
          this.#report(next, status, reason),
        );
        if (!done) failed.push(id);
        return done;
      },
    );
    this.#checkStop();
    return failed;
  }

  async #deleteLeftovers(operation: OperationRecord, origin: 'old' | 'new'): Promise<void> {
    const leftovers = this.#store.leftovers(this.#stackId).filter((leftover) => leftover.origin === origin);
    const byId = new Map(leftovers.map((leftover) => [leftover.record.logicalId, leftover]));
    await inParallel(
      [...byId.keys()],
      (id) =>
        leftovers.filter(({ record }) => record.needs.includes(id)).map(({ record }) => record.logicalId),
      async (id) => {
        await this.#deleteLeftover(byId.get(id)!, operation);
        return true;
      },
    );
    this.#checkStop();
  }

  /** Deletes what an update replaced, removed or gave up. A failure is reported and does not fail the stack. */
  async #deleteLeftover(
    leftover: { stackId: string; origin: 'old' | 'new'; record: ResourceRecord },
    operation?: OperationRecord,
  ): Promise<void> {
    const { record, origin } = leftover;
    const replaced =
      operation?.kind === 'update' && this.#store.resource(this.#stackId, record.logicalId) !== undefined;
    const kept = origin === 'old' && (replaced ? record.updateReplacePolicy === 'Retain' : keeps(record));
    if (kept) this.#event(record, 'DELETE_SKIPPED');
    else await this.#deleteResource(record, (next, status, reason) => this.#event(next, status, reason));
    this.#store.dropLeftover(leftover);
  }

  async #deleteResource(
    record: ResourceRecord,
    report: (record: ResourceRecord, status: ResourceStatus, reason?: string) => void,
  ): Promise<boolean> {
    const type = this.#typeOf(record.type)!;
    const id = record.id ?? record.creatingId;
    report(record, 'DELETE_IN_PROGRESS');
    try {
      if (id !== undefined && id !== '') {
        await type.delete(this.#context(record, this.#stop), existing({ ...record, id }));
      }
      this.#checkStop();
      report(record, 'DELETE_COMPLETE');
      return true;
    } catch (error) {
      this.#checkStop();
      if (error instanceof Stopped) throw error;
      report(record, 'DELETE_FAILED', reasonOf(error));
      return false;
    }
  }

  // Records and events

  #principal(): Principal {
    const stack = this.#stack;
    this.#actor ??=
      stack.roleArn === undefined
        ? stack.operation!.principal
        : this.#engine.assumeRole(stack.roleArn, 'cloudformation.amazonaws.com', 'AWSCloudFormation');
    return this.#actor;
  }

  #context(
    record: ResourceRecord,
    cancelled: AbortSignal,
    initiated: (id: string) => void = () => {},
  ): ResourceContext {
    const stack = this.#stack;
    return resourceContext({
      engine: this.#engine,
      principal: this.#principal(),
      stackName: stack.name,
      stackId: stack.id,
      stackTags: record.stackTags,
      logicalId: record.logicalId,
      suffix: record.suffix,
      signal: AbortSignal.any([cancelled, this.#stop]),
      initiated,
    });
  }

  #checkStop(): void {
    if (this.#stop.aborted) throw new Stopped();
  }

  /** The creation of a resource as far as it got, if it began. */
  #begun(wanted: ResourceRecord): ResourceRecord {
    const current = this.#store.resource(this.#stackId, wanted.logicalId);
    return current?.operation === wanted.operation && current.creatingId !== undefined ? current : wanted;
  }

  #failed(record: ResourceRecord, status: ResourceStatus, error: unknown, cancelled: AbortSignal): void {
    this.#checkStop();
    const what = status === 'CREATE_FAILED' ? 'creation' : 'update';
    this.#report(record, status, cancelled.aborted ? `Resource ${what} cancelled` : reasonOf(error));
  }

  /** Stores a resource in its new status and tells it as a stack event. */
  #report(record: ResourceRecord, status: ResourceStatus, reason?: string): void {
    const { creatingId, ...rest } = record;
    const keep = status.endsWith('_COMPLETE') || creatingId === undefined ? {} : { creatingId };
    this.#store.putResource(this.#stackId, {
      ...rest,
      ...keep,
      status,
      reason,
      updatedAtMs: this.#engine.clock.nowMs(),
    });
    this.#event(record, status, reason);
  }

  #event(record: ResourceRecord, status: ResourceStatus, reason?: string): void {
    const stack = this.#stack;
    this.#store.addEvent({
      id: `${record.logicalId}-${this.#engine.ids.uuid()}`,
      stackId: stack.id,
      stackName: stack.name,
      logicalId: record.logicalId,
      physicalId: record.id,
      type: record.type,
      atMs: this.#engine.clock.nowMs(),
      status,
      reason,
      properties: record.properties,
      clientRequestToken: stack.operation?.clientRequestToken,
    });
    this.#engine.journal.append('cloudformation', 'resource.changed', {
      stack: stack.name,
      logicalId: record.logicalId,
      type: record.type,
      id: record.id,
      status,
      reason,
      ...(this.#typeOf(record.type)?.recordedOnly ? { recordedOnly: true } : {}),
    });
  }

  #enter(
    operation: OperationRecord,
    phase: OperationRecord['phase'],
    status: StackStatus,
    reason?: string,
  ): void {
    this.#store.update(this.#stackId, { operation: { ...operation, phase }, status, statusReason: reason });
    reportStack(this.#engine, this.#store, this.#stackId, operation.clientRequestToken);
  }

  #finish(status: StackStatus, reason?: string): void {
    const stack = this.#stack;
    this.#store.update(stack.id, {
      operation: undefined,
      status,
      statusReason: reason,
      ...(status === 'UPDATE_ROLLBACK_FAILED' ? {} : { stuck: undefined }),
    });
    reportStack(this.#engine, this.#store, stack.id, stack.operation?.clientRequestToken);
  }
}

/** Tells a stack's status as a stack event, in the journal and as the event that AWS publishes. */
export function reportStack(
  engine: Engine,
  store: StackStore,
  stackId: string,
  clientRequestToken: string | undefined,
): void {
  const stack = store.stacks.get(stackId)!;
  store.addEvent({
    id: engine.ids.uuid(),
    stackId: stack.id,
    stackName: stack.name,
    logicalId: stack.name,
    physicalId: stack.id,
    type: STACK_TYPE,
    atMs: engine.clock.nowMs(),
    status: stack.status,
    reason: stack.statusReason,
    properties: undefined,
    clientRequestToken,
  });
  engine.journal.append('cloudformation', 'stack.changed', {
    stack: stack.name,
    stackId: stack.id,
    status: stack.status,
    reason: stack.statusReason,
  });
  engine.journal.publish({
    source: 'aws.cloudformation',
    'detail-type': 'CloudFormation Stack Status Change',
    resources: [stack.id],
    detail: {
      'stack-id': stack.id,
      'status-details': { status: stack.status, 'status-reason': stack.statusReason ?? '' },
      'client-request-token': clientRequestToken ?? '',
    },
  });
}

/** Whether a resource exists and its creation ended. */
function isWhole(record: ResourceRecord | undefined): record is ResourceRecord {
  return record?.id !== undefined && record.creatingId === undefined && record.status !== 'DELETE_COMPLETE';
}

function existing(record: ResourceRecord): Existing<JsonObject> {
  return {
    id: record.id!,
    properties: record.properties,
    attributes: record.attributes,
    stackTags: record.stackTags,
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof AwsFault) {
    return `Resource handler returned message: "${error.message}" (HandlerErrorCode: ${error.code})`;
  }
  return `The local engine failed: ${error instanceof Error ? error.message : String(error)}`;
}

/**
 * Runs `work` for every id as soon as all that it waits for are done. What waits for something that failed
 * (`false`) does not run. An error ends the whole, once everything that had begun is over.
 */
async function inParallel(
  ids: readonly string[],
  waitsFor: (id: string) => readonly string[],
  work: (id: string) => Promise<boolean>,
): Promise<void> {
  const running = new Map<string, Promise<boolean>>();
  const begin = (id: string): Promise<boolean> => {
    let promise = running.get(id);
    if (!promise) {
      promise = Promise.resolve().then(async () => {
        const done = await Promise.all(waitsFor(id).map(begin));
        return done.every((item) => item) && (await work(id));
      });
      running.set(id, promise);
    }
    return promise;
  };
  const results = await Promise.allSettled(ids.map(begin));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
