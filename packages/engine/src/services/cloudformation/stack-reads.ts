import type { StackManager } from '../../cloudformation/stack-manager.ts';
import type { ResourceRecord, StackRecord } from '../../cloudformation/stack-store.ts';
import type { Output } from '../../dispatch/sdk.ts';
import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { shownParameters, shownTags } from './shown.ts';

type Capabilities = NonNullable<
  NonNullable<Output<'cloudformation', 'DescribeStacks'>['Stacks']>[number]['Capabilities']
>;

const EVENTS_PER_PAGE = 100;

/** Operations that read stacks, their resources, events and exports. */
export function stackReads(manager: StackManager): OperationTable<'cloudformation'> {
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
    DescribeStacks: {
      resources,
      run: (input) => {
        if (input.StackName !== undefined) return { Stacks: [shownStack(manager.stack(input.StackName))] };
        return {
          Stacks: [...store.stacks.values()]
            .filter(({ status }) => status !== 'DELETE_COMPLETE')
            .map(shownStack),
        };
      },
    },
    ListStacks: {
      run: (input) => {
        const wanted: readonly string[] | undefined = input.StackStatusFilter;
        return {
          StackSummaries: [...store.stacks.values()]
            .filter(({ status }) => wanted === undefined || wanted.length === 0 || wanted.includes(status))
            .map((stack) => ({
              StackId: stack.id,
              StackName: stack.name,
              TemplateDescription: stack.description,
              ...times(stack),
              StackStatus: stack.status,
              StackStatusReason: stack.statusReason,
            })),
        };
      },
    },
    DescribeStackEvents: {
      resources,
      run: (input) => {
        const stack = manager.stack(input.StackName);
        const before = input.NextToken === undefined ? undefined : Number(input.NextToken);
        if (before !== undefined && !Number.isInteger(before)) {
          throw new AwsFault('ValidationError', 'NextToken is invalid');
        }
        const rows = store.events(stack.id, before, EVENTS_PER_PAGE + 1);
        const page = rows.slice(0, EVENTS_PER_PAGE);
        return {
          StackEvents: page.map(({ event }) => ({
            StackId: event.stackId,
            EventId: event.id,
            StackName: event.stackName,
            LogicalResourceId: event.logicalId,
            PhysicalResourceId: event.physicalId,
            ResourceType: event.type,
            Timestamp: new Date(event.atMs),
            ResourceStatus: event.status as ResourceRecord['status'],
            ResourceStatusReason: event.reason,
            ResourceProperties: event.properties === undefined ? undefined : JSON.stringify(event.properties),
            ClientRequestToken: event.clientRequestToken,
          })),
          NextToken: rows.length > EVENTS_PER_PAGE ? String(page.at(-1)!.seq) : undefined,
        };
      },
    },
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
    ListExports: {
      run: () => ({
        Exports: [...store.exports().entries()].map(([Name, { value, stackId }]) => ({
          ExportingStackId: stackId,
          Name,
          Value: value,
        })),
      }),
    },
    ListImports: {
      run: (input) => {
        const importers = store.importers(input.ExportName ?? '');
        if (importers.length === 0) {
          throw new AwsFault('ValidationError', `Export '${input.ExportName}' is not imported by any stack.`);
        }
        return { Imports: importers.map(({ name }) => name) };
      },
    },
  };
}

function owner(manager: StackManager, physicalId: string | undefined): StackRecord {
  for (const stack of manager.store.stacks.values()) {
    if (manager.store.resources(stack.id).some(({ id }) => id !== undefined && id === physicalId))
      return stack;
  }
  throw new AwsFault('ValidationError', `Stack for ${physicalId} does not exist`);
}

function times(stack: StackRecord) {
  return {
    CreationTime: new Date(stack.createdAtMs),
    LastUpdatedTime: stack.updatedAtMs === undefined ? undefined : new Date(stack.updatedAtMs),
    DeletionTime: stack.deletedAtMs === undefined ? undefined : new Date(stack.deletedAtMs),
  };
}

function shownStack(stack: StackRecord) {
  return {
    StackId: stack.id,
    StackName: stack.name,
    Description: stack.description,
    Parameters: shownParameters(stack.parameters),
    ...times(stack),
    RollbackConfiguration: {},
    StackStatus: stack.status,
    StackStatusReason: stack.statusReason,
    DisableRollback: stack.disableRollback,
    NotificationARNs: [...stack.notificationArns],
    Capabilities: [...stack.capabilities] as Capabilities,
    Outputs: stack.outputs.map((output) => ({
      OutputKey: output.key,
      OutputValue: output.value,
      Description: output.description,
      ExportName: output.exportName,
    })),
    RoleARN: stack.roleArn,
    Tags: shownTags(stack.tags),
    EnableTerminationProtection: stack.terminationProtection,
    DriftInformation: { StackDriftStatus: 'NOT_CHECKED' as const },
  };
}
