import type { StackManager } from '../../cloudformation/stack-manager.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Input } from '../../sdk/services.ts';
import { onStack, readRequest } from './request.ts';

/** Operations that change stacks directly, without a change set. */
export function stackOperations(engine: Engine, manager: StackManager) {
  const { resources, passesRoles } = onStack(engine, manager);

  return {
    CreateStack: {
      resources,
      passesRoles,
      run: (input, { principal }) => createStack(engine, manager, input, principal),
    },
    UpdateStack: {
      resources,
      passesRoles,
      run: (input, { principal }) => updateStack(engine, manager, input, principal),
    },
    DeleteStack: {
      resources,
      passesRoles,
      run: (input, { principal }) => deleteStack(manager, input, principal),
    },
    ContinueUpdateRollback: {
      resources,
      passesRoles,
      run: async (input, { principal }) => {
        const stack = manager.stack(input.StackName);
        if (stack.status !== 'UPDATE_ROLLBACK_FAILED' || !stack.stuck) {
          throw new AwsFault(
            'ValidationError',
            `Stack [${stack.id}] is in ${stack.status} state and can not be rolled back: only UPDATE_ROLLBACK_FAILED can.`,
          );
        }
        if (input.RoleARN !== undefined) manager.store.update(stack.id, { roleArn: input.RoleARN });
        await manager.hold(
          manager.beginContinueRollback(stack.id, {
            principal,
            skip: input.ResourcesToSkip ?? [],
            clientRequestToken: input.ClientRequestToken,
          }),
        );
        return {};
      },
    },
    UpdateTerminationProtection: {
      resources,
      run: (input) => {
        const stack = manager.stack(input.StackName);
        manager.store.update(stack.id, { terminationProtection: input.EnableTerminationProtection ?? false });
        return { StackId: stack.id };
      },
    },
  } satisfies OperationTable<'cloudformation'>;
}

async function createStack(
  engine: Engine,
  manager: StackManager,
  input: Input<'cloudformation', 'CreateStack'>,
  principal: Principal,
) {
  const name = input.StackName ?? '';
  const requireNew = () => {
    if (!manager.store.find(name)) return;
    throw new AwsFault('AlreadyExistsException', `Stack [${name}] already exists`);
  };
  requireNew();
  const request = await readRequest(engine, input, undefined, principal);
  const id = manager.newStackId(name);
  const prepared = await manager.prepare(request, undefined, id, principal);
  requireNew();
  const onFailure = input.OnFailure ?? (input.DisableRollback ? 'DO_NOTHING' : 'ROLLBACK');
  manager.record(name, id, 'CREATE_IN_PROGRESS', prepared.input, {
    terminationProtection: input.EnableTerminationProtection ?? false,
    disableRollback: onFailure === 'DO_NOTHING',
    notificationArns: input.NotificationARNs ?? [],
  });
  await manager.hold(
    manager.beginCreate(id, prepared, {
      principal,
      onFailure,
      clientRequestToken: input.ClientRequestToken,
    }),
  );
  return { StackId: id };
}

async function updateStack(
  engine: Engine,
  manager: StackManager,
  input: Input<'cloudformation', 'UpdateStack'>,
  principal: Principal,
) {
  const stack = manager.stack(input.StackName);
  manager.requireReady(stack);
  const request = await readRequest(engine, input, stack, principal);
  const prepared = await manager.prepare(request, stack, stack.id, principal);
  manager.requireReady(manager.stack(stack.id));
  if (!prepared.changesAnything) {
    throw new AwsFault('ValidationError', 'No updates are to be performed.');
  }
  if (input.NotificationARNs !== undefined) {
    manager.store.update(stack.id, { notificationArns: input.NotificationARNs });
  }
  await manager.hold(
    manager.beginUpdate(stack.id, prepared, {
      principal,
      onFailure: input.DisableRollback ? 'DO_NOTHING' : 'ROLLBACK',
      clientRequestToken: input.ClientRequestToken,
    }),
  );
  return { StackId: stack.id };
}

async function deleteStack(
  manager: StackManager,
  input: Input<'cloudformation', 'DeleteStack'>,
  principal: Principal,
) {
  const stack = manager.store.find(input.StackName ?? '');
  if (!stack || stack.status === 'DELETE_COMPLETE') return {};
  if (stack.terminationProtection) {
    throw new AwsFault(
      'ValidationError',
      `Stack [${stack.name}] cannot be deleted while TerminationProtection is enabled`,
    );
  }
  const retain = input.RetainResources ?? [];
  if (retain.length > 0 && stack.status !== 'DELETE_FAILED') {
    throw new AwsFault(
      'ValidationError',
      `Invalid operation on stack [${stack.id}]. RetainResources can only be used for a stack in the DELETE_FAILED state.`,
    );
  }
  if (stack.operation) {
    if (stack.operation.kind === 'delete') return {};
    throw new AwsFault(
      'ValidationError',
      `Stack [${stack.id}] cannot be deleted while in status ${stack.status}; wait until the operation has ended.`,
    );
  }
  await manager.hold(
    manager.beginDelete(stack.id, {
      principal,
      retain,
      roleArn: input.RoleARN,
      clientRequestToken: input.ClientRequestToken,
    }),
  );
  return {};
}
