import type { StackManager } from '../../cloudformation/stack-manager.ts';
import type { ResourceRecord, StackRecord } from '../../cloudformation/stack-store.ts';
import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';

/** The resources of a stack. */
export function stackResourceOperations(manager: StackManager) {
  const { store } = manager;
  const resources = (input: { StackName?: string | undefined }) => [
    input.StackName === undefined ? '*' : (store.find(input.StackName)?.id ?? '*'),
  ];
  const live = (stack: StackRecord) =>
    store.resources(stack.id).filter((record) => record.status !== 'DELETE_COMPLETE');
  const resourceOf = (stack: StackRecord, logicalId: string | undefined): ResourceRecord => {
    const record = store.resource(stack.id, logicalId ?? '');
    if (!record) {
      throw new AwsFault('ValidationError', `Resource ${logicalId} does not exist for stack ${stack.name}`);
    }
    return record;
  };

  return {
    DescribeStackResources: {
      resources,
      run: (input) => {
        const stack =
          input.StackName === undefined
            ? owner(manager, input.PhysicalResourceId)
            : manager.stack(input.StackName);
        return {
          StackResources: live(stack)
            .filter(
              ({ logicalId }) =>
                input.LogicalResourceId === undefined || logicalId === input.LogicalResourceId,
            )
            .map((record) => ({
              StackName: stack.name,
              StackId: stack.id,
              LogicalResourceId: record.logicalId,
              PhysicalResourceId: record.id,
              ResourceType: record.type,
              Timestamp: new Date(record.updatedAtMs),
              ResourceStatus: record.status,
              ResourceStatusReason: record.reason,
            })),
        };
      },
    },
    DescribeStackResource: {
      resources,
      run: (input) => {
        const stack = manager.stack(input.StackName);
        const record = resourceOf(stack, input.LogicalResourceId);
        return {
          StackResourceDetail: {
            StackName: stack.name,
            StackId: stack.id,
            LogicalResourceId: record.logicalId,
            PhysicalResourceId: record.id,
            ResourceType: record.type,
            LastUpdatedTimestamp: new Date(record.updatedAtMs),
            ResourceStatus: record.status,
            ResourceStatusReason: record.reason,
            Metadata: record.metadata === undefined ? undefined : JSON.stringify(record.metadata),
          },
        };
      },
    },
    ListStackResources: {
      resources,
      run: (input) => {
        const stack = manager.stack(input.StackName);
        return {
          StackResourceSummaries: live(stack).map((record) => ({
            LogicalResourceId: record.logicalId,
            PhysicalResourceId: record.id,
            ResourceType: record.type,
            LastUpdatedTimestamp: new Date(record.updatedAtMs),
            ResourceStatus: record.status,
            ResourceStatusReason: record.reason,
          })),
        };
      },
    },
  } satisfies OperationTable<'cloudformation'>;
}

function owner(manager: StackManager, physicalId: string | undefined): StackRecord {
  for (const stack of manager.store.stacks.values()) {
    if (manager.store.resources(stack.id).some(({ id }) => id !== undefined && id === physicalId))
      return stack;
  }
  throw new AwsFault('ValidationError', `Stack for ${physicalId} does not exist`);
}
