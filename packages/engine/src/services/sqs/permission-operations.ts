import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { PolicyDocument, Statement } from '../../iam/policy.ts';
import type { Queue } from './queue.ts';
import type { Queues } from './queues.ts';

/** Actions that `AddPermission` can grant. */
const GRANTABLE = [
  '*',
  'ChangeMessageVisibility',
  'DeleteMessage',
  'GetQueueAttributes',
  'GetQueueUrl',
  'ListDeadLetterSourceQueues',
  'PurgeQueue',
  'ReceiveMessage',
  'SendMessage',
];

/** Statements of a queue's policy, one by one. */
export function permissionOperations(engine: Engine, queues: Queues) {
  const resources = (input: { QueueUrl?: string | undefined }) => [queues.arnOfUrl(input.QueueUrl)];

  const save = (queue: Queue, statements: readonly Statement[]) => {
    const policy: PolicyDocument & { Id: string } = {
      Version: '2012-10-17',
      Id: `${queue.arn}/SQSDefaultPolicy`,
      Statement: statements,
    };
    queues.setPolicy(queue, statements.length === 0 ? '' : JSON.stringify(policy));
  };

  return {
    AddPermission: {
      resources,
      run: (input) => {
        const queue = queues.byUrl(input.QueueUrl);
        const { Label: label = '', AWSAccountIds: accounts = [], Actions: actions = [] } = input;
        if (!/^[A-Za-z0-9_-]{1,80}$/.test(label)) {
          throw invalid(
            'Label',
            label,
            'Only alphanumeric characters, hyphens and underscores. 1 to 80 in length.',
          );
        }
        const account = accounts.find((id) => !/^\d{12}$/.test(id));
        if (account !== undefined || accounts.length === 0) {
          throw invalid('PrincipalId', String(account), 'Unable to verify.');
        }
        const action = actions.find((name) => !GRANTABLE.includes(name));
        if (action !== undefined || actions.length === 0) {
          throw invalid(
            'ActionName',
            String(action),
            'Please refer to the appropriate WSDL for a list of valid actions.',
          );
        }
        const statements = statementsOf(queue);
        if (statements.some(({ Sid }) => Sid === label)) throw invalid('Label', label, 'Already exists.');
        save(queue, [
          ...statements,
          {
            Sid: label,
            Effect: 'Allow',
            Principal: { AWS: accounts.map((id) => `arn:aws:iam::${id}:root`) },
            Action: actions.map((name) => `SQS:${name}`),
            Resource: queue.arn,
          },
        ]);
        engine.journal.append('sqs', 'permission.added', { queue: queue.name, label });
        return {};
      },
    },
    RemovePermission: {
      resources,
      run: (input) => {
        const queue = queues.byUrl(input.QueueUrl);
        const statements = statementsOf(queue);
        const left = statements.filter(({ Sid }) => Sid !== input.Label);
        if (left.length === statements.length) {
          throw invalid('Label', input.Label ?? '', "can't find label on existing policy.");
        }
        save(queue, left);
        engine.journal.append('sqs', 'permission.removed', { queue: queue.name, label: input.Label });
        return {};
      },
    },
  } satisfies OperationTable<'sqs'>;
}

function statementsOf(queue: Queue): Statement[] {
  const { policy } = queue.settings;
  if (policy === undefined) return [];
  const { Statement: statements } = JSON.parse(policy) as PolicyDocument;
  return Array.isArray(statements) ? [...statements] : [statements as Statement];
}

function invalid(parameter: string, value: string, reason: string): AwsFault {
  return new AwsFault(
    'InvalidParameterValue',
    `Value ${value} for parameter ${parameter} is invalid. Reason: ${reason}`,
  );
}
