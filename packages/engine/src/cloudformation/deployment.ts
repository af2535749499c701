import { applyTemplate } from './apply-template.ts';
import { deleteLeftovers } from './delete-resources.ts';
import { deleteStack } from './delete-stack.ts';
import { rollbackCreate, rollbackUpdate } from './roll-back.ts';
import { RunningOperation } from './running-operation.ts';
import type { OperationRecord } from './stack-store.ts';
import { Stopped } from './stopped.ts';

/**
 * Carries out one operation on one stack: creates, updates, replaces and deletes its resources in dependency
 * order and in parallel, rolls back when one fails, and reports every step as a stack event. Resolves early,
 * with nothing lost, when the engine stops.
 *
 * Each step is durable before the next begins. After a crash this goes on with the phase that was under way:
 * finished resources are left alone; one that was being created is looked for by the id that it would have,
 * removed, and created again.
 */
export async function deploy(parts: ConstructorParameters<typeof RunningOperation>[0]): Promise<void> {
  const run = new RunningOperation(parts);
  try {
    for (let { operation } = run.stack; operation; { operation } = run.stack) await phase(run, operation);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  }
}

async function phase(run: RunningOperation, operation: OperationRecord): Promise<void> {
  switch (operation.phase) {
    case 'apply':
      return applyTemplate(run, operation);
    case 'cleanup':
      await deleteLeftovers(run, operation, 'old');
      return run.finish('UPDATE_COMPLETE');
    case 'rollback':
      return operation.kind === 'create' ? rollbackCreate(run, operation) : rollbackUpdate(run, operation);
    case 'rollback-cleanup':
      await deleteLeftovers(run, operation, 'new');
      return run.finish('UPDATE_ROLLBACK_COMPLETE');
    case 'delete':
      return deleteStack(run, operation);
  }
}
