import type { PreparedChange, StackManager } from '../../cloudformation/stack-manager.ts';
import type { ChangeSetRecord, PlannedChange } from '../../cloudformation/stack-store.ts';
import { parseTemplate } from '../../cloudformation/template.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Input, Output } from '../../sdk/services.ts';
import { ChangeSets } from './change-sets.ts';
import { onStack, readRequest } from './request.ts';
import { shownParameters, shownTags } from './shown.ts';

/** The text by which the CDK CLI knows that there is nothing to deploy. */
const NO_CHANGES =
  "The submitted information didn't contain changes. Submit different information to create a change set.";

/** Change sets: created at once, because finding out what changes takes no time here. */
export function changeSetOperations(engine: Engine, manager: StackManager) {
  const { store } = manager;
  const changeSets = new ChangeSets(manager);
  const { resources, passesRoles } = onStack(engine, manager);

  return {
    CreateChangeSet: {
      resources,
      passesRoles,
      run: (input, { principal }) => createChangeSet(engine, manager, changeSets, input, principal),
    },
    DescribeChangeSet: {
      resources,
      run: (input) => shownChangeSet(changeSets.require(input.StackName, input.ChangeSetName)),
    },
    ListChangeSets: {
      resources,
      run: (input) => {
        const stack = manager.stack(input.StackName);
        return {
          Summaries: [...store.changeSets.values()]
            .filter(({ stackId }) => stackId === stack.id)
            .map((changeSet) => ({
              StackId: changeSet.stackId,
              StackName: changeSet.stackName,
              ChangeSetId: changeSet.id,
              ChangeSetName: changeSet.name,
              ExecutionStatus: changeSet.executionStatus,
              Status: changeSet.status,
              StatusReason: changeSet.statusReason,
              CreationTime: new Date(changeSet.createdAtMs),
              Description: changeSet.description,
            })),
        };
      },
    },
    ExecuteChangeSet: {
      resources,
      run: (input, { principal }) => executeChangeSet(manager, changeSets, input, principal),
    },
    DeleteChangeSet: {
      resources,
      run: (input) => {
        if (!input.ChangeSetName?.startsWith('arn:')) manager.stack(input.StackName);
        const changeSet = changeSets.find(input.StackName, input.ChangeSetName);
        if (changeSet) store.changeSets.delete(changeSet.id);
        return {};
      },
    },
    /** There are no hooks, so no call ever has a result. */
    ListHookResults: { run: () => ({ HookResults: [] }) },
  } satisfies OperationTable<'cloudformation'>;
}

async function createChangeSet(
  engine: Engine,
  manager: StackManager,
  changeSets: ChangeSets,
  input: Input<'cloudformation', 'CreateChangeSet'>,
  principal: Principal,
) {
  const type = changeSetType(input);
  const name = input.ChangeSetName ?? '';
  if (!/^[a-zA-Z][-a-zA-Z0-9]{0,127}$/.test(name)) {
    throw new AwsFault(
      'ValidationError',
      `1 validation error detected: Value '${name}' at 'changeSetName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*`,
    );
  }
  const found = changeSets.requirePossible(type, input.StackName, name);
  const existing = type === 'UPDATE' ? found : undefined;
  const stackId = found?.id ?? manager.newStackId(input.StackName ?? '');
  const request = await readRequest(engine, input, existing, principal);
  const prepared = await manager.prepare(request, existing, stackId, principal);
  if (changeSets.requirePossible(type, input.StackName, name)?.id !== found?.id) {
    throw new AwsFault('ValidationError', `Stack ${request.stackName} changed meanwhile: try again.`);
  }
  if (!found) {
    manager.record(request.stackName, stackId, 'REVIEW_IN_PROGRESS', prepared.input, {
      description: prepared.template.Description,
    });
  }
  const nothing = type === 'UPDATE' && !prepared.changesAnything;
  const id = `arn:aws:cloudformation:${engine.region}:${engine.accountId}:changeSet/${name}/${engine.ids.uuid()}`;
  manager.store.changeSets.put(id, {
    ...prepared.input,
    id,
    name,
    stackId,
    stackName: request.stackName,
    type,
    description: input.Description,
    status: nothing ? 'FAILED' : 'CREATE_COMPLETE',
    statusReason: nothing ? NO_CHANGES : undefined,
    executionStatus: nothing ? 'UNAVAILABLE' : 'AVAILABLE',
    createdAtMs: engine.clock.nowMs(),
    changes: prepared.changes,
    notificationArns: input.NotificationARNs ?? [],
  });
  return { Id: id, StackId: stackId };
}

function changeSetType(input: Input<'cloudformation', 'CreateChangeSet'>): 'CREATE' | 'UPDATE' {
  const type = input.ChangeSetType ?? 'UPDATE';
  // ImportExistingResources says what to do with resources that exist outside of any stack; there may be none.
  if (type === 'IMPORT' || (input.ResourcesToImport ?? []).length > 0) {
    throw new AwsFault(
      'ValidationError',
      'The local engine does not import existing resources into a stack: leave out ChangeSetType IMPORT and ResourcesToImport.',
    );
  }
  if (input.DeploymentMode !== undefined) {
    throw new AwsFault(
      'ValidationError',
      'The local engine does not support DeploymentMode REVERT_DRIFT: leave it out.',
    );
  }
  return type;
}

async function executeChangeSet(
  manager: StackManager,
  changeSets: ChangeSets,
  input: Input<'cloudformation', 'ExecuteChangeSet'>,
  principal: Principal,
) {
  const { store } = manager;
  const changeSet = changeSets.require(input.StackName, input.ChangeSetName);
  if (changeSet.executionStatus !== 'AVAILABLE') {
    throw new AwsFault(
      'InvalidChangeSetStatus',
      `ChangeSet [${changeSet.id}] cannot be executed in its current status of [${changeSet.status}]`,
    );
  }
  const stack = manager.stack(changeSet.stackId);
  if (changeSet.type === 'UPDATE') manager.requireReady(stack);
  const prepared: PreparedChange = {
    input: {
      template: changeSet.template,
      parameters: changeSet.parameters,
      tags: changeSet.tags,
      capabilities: changeSet.capabilities,
      roleArn: changeSet.roleArn,
    },
    template: parseTemplate(changeSet.template),
    changes: changeSet.changes,
    changesAnything: true,
  };
  const options = {
    principal,
    onFailure: input.DisableRollback ? ('DO_NOTHING' as const) : ('ROLLBACK' as const),
    clientRequestToken: input.ClientRequestToken,
  };
  for (const other of [...store.changeSets.values()]) {
    if (other.stackId === stack.id) store.changeSets.delete(other.id);
  }
  store.update(stack.id, {
    disableRollback: input.DisableRollback ?? false,
    notificationArns: changeSet.notificationArns,
  });
  await manager.hold(
    changeSet.type === 'CREATE'
      ? manager.beginCreate(stack.id, prepared, options)
      : manager.beginUpdate(stack.id, prepared, options),
  );
  return {};
}

function shownChangeSet(changeSet: ChangeSetRecord): Output<'cloudformation', 'DescribeChangeSet'> {
  return {
    ChangeSetId: changeSet.id,
    ChangeSetName: changeSet.name,
    StackId: changeSet.stackId,
    StackName: changeSet.stackName,
    Description: changeSet.description,
    Parameters: shownParameters(changeSet.parameters),
    CreationTime: new Date(changeSet.createdAtMs),
    ExecutionStatus: changeSet.executionStatus,
    Status: changeSet.status,
    StatusReason: changeSet.statusReason,
    NotificationARNs: [...changeSet.notificationArns],
    Capabilities: changeSet.capabilities as NonNullable<
      Output<'cloudformation', 'DescribeChangeSet'>['Capabilities']
    >,
    Tags: shownTags(changeSet.tags),
    IncludeNestedStacks: false,
    Changes: changeSet.changes.map(shownChange),
  };
}

function shownChange(change: PlannedChange) {
  return {
    Type: 'Resource' as const,
    ResourceChange: {
      Action: change.action,
      LogicalResourceId: change.logicalId,
      PhysicalResourceId: change.id,
      ResourceType: change.type,
      Replacement: change.replacement,
      PolicyAction: change.policyAction,
      Scope: change.properties.length > 0 ? (['Properties'] as const).slice() : [],
      Details: change.properties.map(({ name, recreation }) => ({
        Target: { Attribute: 'Properties' as const, Name: name, RequiresRecreation: recreation },
        Evaluation: 'Static' as const,
        ChangeSource: 'DirectModification' as const,
      })),
    },
  };
}
