import { AwsFault } from '../errors.ts';
import type { Created, ResourceType } from '../resources/resource-type.ts';
import type { JsonObject } from '../resources/schema.ts';
import { readSecret } from '../secret-place.ts';
import { changedProperties } from './change-plan.ts';
import { resolveDynamicReferences } from './dynamic-references.ts';
import { resolve, type Scope } from './intrinsics.ts';
import { existing, type RunningOperation } from './running-operation.ts';
import type { OperationRecord, ResourceRecord, ResourceStatus } from './stack-store.ts';
import { Stopped } from './stopped.ts';
import type { TemplateResource } from './template.ts';

/** Brings one resource to what the template says; `false` if that failed. */
export async function applyResource(
  run: RunningOperation,
  operation: OperationRecord,
  logicalId: string,
  resource: TemplateResource,
  needs: readonly string[],
  scope: Scope,
  cancelled: AbortSignal,
): Promise<boolean> {
  const type = run.typeOf(resource.Type)!;
  const stack = run.stack;
  const before = run.store.resource(stack.id, logicalId);
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
    updatedAtMs: run.engine.clock.nowMs(),
    operation: operation.token,
    suffix: '',
  };
  let wanted = blank;
  try {
    const declared = resolve(resource.Properties, scope) as JsonObject;
    wanted = { ...blank, declared };
    if (!isWhole(before)) return await create(run, await resolved(run, wanted), before, type, cancelled);
    const origin = originOf(operation, before);
    const changed = changedProperties(type, origin, declared, stack.tags);
    if (changed.length === 0 && origin === before) {
      run.store.putResource(stack.id, {
        ...before,
        deletionPolicy: wanted.deletionPolicy,
        updateReplacePolicy: wanted.updateReplacePolicy,
        metadata: wanted.metadata,
        needs: wanted.needs,
      });
      return true;
    }
    const full = await resolved(run, wanted);
    if (changed.some((name) => type.replacesOn(name))) {
      return await replace(run, full, before, origin, type, cancelled);
    }
    return await update(run, full, before, type, cancelled);
  } catch (error) {
    if (error instanceof Stopped) throw error;
    if (isWhole(before))
      run.failed({ ...before, operation: operation.token }, 'UPDATE_FAILED', error, cancelled);
    else run.failed(begun(run, wanted), 'CREATE_FAILED', error, cancelled);
    return false;
  }
}

/** The resource as it was before the operation, where a crash interrupted its update. */
function originOf(operation: OperationRecord, record: ResourceRecord): ResourceRecord {
  if (record.operation !== operation.token) return record;
  return operation.before?.resources.find(({ logicalId }) => logicalId === record.logicalId) ?? record;
}

async function resolved(run: RunningOperation, wanted: ResourceRecord): Promise<ResourceRecord> {
  const properties = (await resolveDynamicReferences(wanted.declared, {
    parameter: (name) => readParameter(run, name),
    secret: (place) => readSecret(run.engine, run.principal(), place),
  })) as JsonObject;
  return { ...wanted, properties };
}

async function readParameter(run: RunningOperation, nameAndVersion: string): Promise<string> {
  const { Parameter } = await run.engine.call(run.principal(), 'ssm', 'GetParameter', {
    Name: nameAndVersion,
  });
  return Parameter?.Value ?? '';
}

async function create(
  run: RunningOperation,
  wanted: ResourceRecord,
  before: ResourceRecord | undefined,
  type: ResourceType,
  cancelled: AbortSignal,
  inProgress: ResourceStatus = 'CREATE_IN_PROGRESS',
): Promise<boolean> {
  const complete: ResourceStatus =
    inProgress === 'CREATE_IN_PROGRESS' ? 'CREATE_COMPLETE' : 'UPDATE_COMPLETE';
  const resumed = before?.creatingId !== undefined;
  const suffix = resumed ? before.suffix : run.engine.ids.suffix(12);
  let record: ResourceRecord = { ...wanted, id: undefined, suffix, status: inProgress };
  if (!resumed) run.report(record, inProgress);
  const context = run.context(record, cancelled, (id) => {
    record = { ...record, id };
    run.report(record, inProgress, 'Resource creation Initiated');
  });
  const id = type.identify(context, record.properties);
  if (resumed && before.creatingId !== '') {
    if (!type.isCreatedOnce) await type.delete(context, existing({ ...record, id: before.creatingId! }));
  } else if (id !== undefined && (await type.exists(context, id))) {
    throw new AwsFault('AlreadyExists', `${id} already exists`);
  }
  record = run.store.putResource(run.stackId, { ...record, creatingId: id ?? '' });
  await run.engine.state.committed();
  const created: Created = await type.create(context, record.properties);
  run.checkStop();
  if (record.id === undefined) {
    record = { ...record, id: created.id };
    run.report(record, inProgress, 'Resource creation Initiated');
  }
  run.report(
    { ...record, id: created.id, attributes: created.attributes ?? {} },
    complete,
    type.recordedOnly
      ? 'Recorded only: the local engine keeps this resource and does not act on it'
      : undefined,
  );
  return true;
}

async function update(
  run: RunningOperation,
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
  run.report(record, 'UPDATE_IN_PROGRESS');
  try {
    const { id, attributes } = await type.update(
      run.context(record, cancelled),
      record.properties,
      existing(before),
    );
    run.checkStop();
    if (id !== before.id) run.store.putLeftover({ stackId: run.stackId, origin: 'old', record: before });
    run.report({ ...record, id, attributes }, 'UPDATE_COMPLETE');
    return true;
  } catch (error) {
    if (error instanceof Stopped) throw error;
    run.failed({ ...record, declared: before.declared }, 'UPDATE_FAILED', error, cancelled);
    return false;
  }
}

async function replace(
  run: RunningOperation,
  wanted: ResourceRecord,
  before: ResourceRecord,
  origin: ResourceRecord,
  type: ResourceType,
  cancelled: AbortSignal,
): Promise<boolean> {
  if (before.operation !== wanted.operation || before.id === origin.id) {
    run.store.putLeftover({ stackId: run.stackId, origin: 'old', record: origin });
  }
  if (before.operation !== wanted.operation) {
    run.report(
      { ...before, operation: wanted.operation },
      'UPDATE_IN_PROGRESS',
      'Requested update requires the creation of a new physical resource; hence creating one.',
    );
  }
  try {
    const interrupted = before.operation === wanted.operation ? before : undefined;
    return await create(run, wanted, interrupted, type, cancelled, 'UPDATE_IN_PROGRESS');
  } catch (error) {
    if (error instanceof Stopped) throw error;
    run.failed(begun(run, wanted), 'UPDATE_FAILED', error, cancelled);
    return false;
  }
}

/** The creation of a resource as far as it got, if it began. */
function begun(run: RunningOperation, wanted: ResourceRecord): ResourceRecord {
  const current = run.store.resource(run.stackId, wanted.logicalId);
  return current?.operation === wanted.operation && current.creatingId !== undefined ? current : wanted;
}

/** Whether a resource exists and its creation ended. */
function isWhole(record: ResourceRecord | undefined): record is ResourceRecord {
  return record?.id !== undefined && record.creatingId === undefined && record.status !== 'DELETE_COMPLETE';
}
