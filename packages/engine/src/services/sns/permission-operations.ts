import type { OperationTable } from '../../dispatch/service.ts';
import type { PolicyDocument, Statement } from '../../iam/policy.ts';
import { invalid, type Topic } from './topic.ts';

/** Actions that `AddPermission` can grant. */
const GRANTABLE = [
  'AddPermission',
  'DeleteTopic',
  'GetTopicAttributes',
  'ListSubscriptionsByTopic',
  'Publish',
  'RemovePermission',
  'SetTopicAttributes',
  'Subscribe',
];

interface TopicPolicies {
  readonly find: (topicArn: string | undefined) => Topic;
  /** The policy that applies to a topic, as JSON. */
  readonly read: (topic: Topic) => string;
  readonly write: (topic: Topic, policy: string) => void;
}

/** Operations that add statements to a topic's policy and remove them. */
export function permissionOperations({ find, read, write }: TopicPolicies) {
  const resources = (input: { TopicArn?: string | undefined }) => [input.TopicArn ?? '*'];
  const change = (topic: Topic, changed: (statements: readonly Statement[]) => readonly Statement[]) => {
    const policy = JSON.parse(read(topic)) as PolicyDocument;
    write(topic, JSON.stringify({ ...policy, Statement: changed([policy.Statement].flat()) }));
    return {};
  };

  return {
    AddPermission: {
      resources,
      run: (input) => {
        const topic = find(input.TopicArn);
        const { Label: label = '', AWSAccountId: accounts = [], ActionName: actions = [] } = input;
        if (!/^[A-Za-z0-9_-]{1,80}$/.test(label)) throw invalid('Invalid parameter: Label');
        const account = accounts.find((id) => !/^\d{12}$/.test(id));
        if (account !== undefined || accounts.length === 0) {
          throw invalid(`Invalid parameter: AWSAccountId Reason: ${account} is not an account`);
        }
        const action = actions.find((name) => !GRANTABLE.includes(name));
        if (action !== undefined || actions.length === 0) {
          throw invalid(
            `Invalid parameter: Policy statement action out of service scope! Reason: ${action} is none of ${GRANTABLE.join(', ')}`,
          );
        }
        return change(topic, (statements) => {
          if (statements.some(({ Sid }) => Sid === label)) {
            throw invalid('Invalid parameter: Statement already exists');
          }
          return [
            ...statements,
            {
              Sid: label,
              Effect: 'Allow',
              Principal: { AWS: accounts.map((id) => `arn:aws:iam::${id}:root`) },
              Action: actions.map((name) => `SNS:${name}`),
              Resource: topic.arn,
            },
          ];
        });
      },
    },
    RemovePermission: {
      resources,
      run: (input) =>
        change(find(input.TopicArn), (statements) => statements.filter(({ Sid }) => Sid !== input.Label)),
    },
  } satisfies OperationTable<'sns'>;
}
