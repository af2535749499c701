import type { StackManager } from '../../cloudformation/stack-manager.ts';
import type { ResourceRecord, StackRecord } from '../../cloudformation/stack-store.ts';
import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Output } from '../../sdk/services.ts';
import { shownParameters, shownTags } from './shown.ts';

type Capabilities = NonNullable<
  NonNullable<Output<'cloudformation', 'DescribeStacks'>['Stacks']>[number]['Capabilities']
>;

const EVENTS_PER_PAGE = 100;

/** Stacks as they are, and the events that brought them there. */
export function stackDescriptionOperations(manager: StackManager) {
  const { store } = manager;
  const resources = (input: { StackName?: string | undefined }) => [
    input.StackName === undefined ? '*' : (store.find(input.StackName)?.id ?? '*'),
  ];

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
  } satisfies OperationTable<'cloudformation'>;
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
