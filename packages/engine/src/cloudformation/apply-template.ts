import { AwsFault } from '../errors.ts';
import { applyResource } from './apply-resource.ts';
import { outputsOf } from './change-plan.ts';
import { dependencies } from './graph.ts';
import { inParallel } from './in-parallel.ts';
import type { RunningOperation } from './running-operation.ts';
import { activeResources, stackScope } from './stack-scope.ts';
import type { OperationRecord, StackOutput } from './stack-store.ts';
import { parseTemplate, type Template } from './template.ts';

/** Brings a stack to what its template says; when something fails, goes over to what `onFailure` asks for. */
export async function applyTemplate(run: RunningOperation, operation: OperationRecord): Promise<void> {
  const failed: string[] = [];
  let reason: string | undefined;
  try {
    const template = parseTemplate(run.stack.template);
    const imports = new Set<string>();
    const scope = scopeOf(run, template, imports);
    const active = activeResources(template, scope);
    const graph = dependencies(template);
    const needs = (id: string) => [...graph.get(id)!].filter((need) => active.has(need));
    const cancel = new AbortController();
    await inParallel([...active], needs, async (id) => {
      if (cancel.signal.aborted) return false;
      const resource = template.Resources[id]!;
      const done = await applyResource(run, operation, id, resource, needs(id), scope, cancel.signal);
      if (!done && !cancel.signal.aborted) {
        failed.push(id);
        cancel.abort();
      }
      return done;
    });
    run.checkStop();
    if (failed.length === 0) {
      const outputs = outputsOf(template, scope);
      checkExports(run, outputs);
      run.store.update(run.stackId, { outputs, imports: [...imports] });
      leaveRemoved(run, active);
    }
  } catch (error) {
    if (!(error instanceof AwsFault)) throw error;
    reason = error.message;
  }
  if (failed.length > 0) {
    const verb = operation.kind === 'create' ? 'create' : 'update';
    reason = `The following resource(s) failed to ${verb}: [${failed.join(', ')}].`;
  }
  if (reason !== undefined) return fail(run, operation, reason);
  if (operation.kind === 'create') return run.finish('CREATE_COMPLETE');
  run.enter(operation, 'cleanup', 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS');
}

function fail(run: RunningOperation, operation: OperationRecord, reason: string): void {
  if (operation.onFailure === 'DO_NOTHING') {
    run.finish(operation.kind === 'create' ? 'CREATE_FAILED' : 'UPDATE_FAILED', reason);
  } else if (operation.kind === 'create') {
    const sentence = /\.$/.test(reason) ? reason : `${reason}.`;
    if (operation.onFailure === 'DELETE')
      run.enter(operation, 'delete', 'DELETE_IN_PROGRESS', `${sentence} Delete requested by user.`);
    else run.enter(operation, 'rollback', 'ROLLBACK_IN_PROGRESS', `${sentence} Rollback requested by user.`);
  } else run.enter(operation, 'rollback', 'UPDATE_ROLLBACK_IN_PROGRESS', reason);
}

function scopeOf(run: RunningOperation, template: Template, imports: Set<string>) {
  const stack = run.stack;
  const record = (logicalId: string) => run.store.resource(stack.id, logicalId);
  return stackScope({
    template,
    parameters: stack.parameters,
    stackName: stack.name,
    stackId: stack.id,
    accountId: run.engine.accountId,
    region: run.engine.region,
    notificationArns: stack.notificationArns,
    resource: (logicalId) =>
      Object.hasOwn(template.Resources, logicalId) ? record(logicalId)?.id : undefined,
    attribute: (logicalId, name) => record(logicalId)?.attributes[name],
    exported: (name) => run.store.exports().get(name)?.value,
    onImport: (name) => imports.add(name),
  });
}

/** Sets aside what the template no longer has, to be deleted once everything else succeeded. */
function leaveRemoved(run: RunningOperation, active: ReadonlySet<string>): void {
  for (const record of run.store.resources(run.stackId)) {
    if (active.has(record.logicalId)) continue;
    if (record.id !== undefined) {
      run.store.putLeftover({ stackId: run.stackId, origin: 'old', record });
    }
    run.store.dropResource(run.stackId, record.logicalId);
  }
}

function checkExports(run: RunningOperation, outputs: readonly StackOutput[]): void {
  const exports = run.store.exports();
  for (const { exportName: name } of outputs) {
    if (name === undefined) continue;
    const owner = exports.get(name)?.stackId;
    if (owner !== undefined && owner !== run.stackId) {
      throw new AwsFault(
        'ValidationError',
        `Export with name ${name} is already exported by stack ${run.store.stacks.get(owner)?.name}. Export names must be unique within an AWS account and region`,
      );
    }
  }
  for (const { exportName, value } of run.stack.outputs) {
    if (exportName === undefined) continue;
    const now = outputs.find((output) => output.exportName === exportName);
    if (now?.value === value) continue;
    const users = run.store.importers(exportName).filter(({ id }) => id !== run.stackId);
    if (users.length > 0) {
      throw new AwsFault(
        'ValidationError',
        `Export ${exportName} cannot be ${now === undefined ? 'deleted' : 'updated'} as it is in use by ${users.map(({ name }) => name).join(', ')}`,
      );
    }
  }
}
