import type { Engine } from '../dispatch/service.ts';
import type { StackStore } from './stack-store.ts';

const STACK_TYPE = 'AWS::CloudFormation::Stack';

/** Reports a stack's status as a stack event, in the journal and as the event that AWS publishes. */
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
