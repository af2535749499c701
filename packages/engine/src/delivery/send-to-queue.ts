import type { Engine } from '../dispatch/service.ts';
import { type Principal, servicePrincipal } from '../iam/principal.ts';
import type { Input } from '../sdk/services.ts';

type Message = Omit<Input<'sqs', 'SendMessage'>, 'QueueUrl'>;

/**
 * Sends a message to a queue known by its ARN, as `sender`; the queue's policy decides whether it may. What
 * URL the queue has, AWS knows without asking: the lookup needs no permission.
 */
export async function sendToQueue(
  engine: Pick<Engine, 'call' | 'accountId'>,
  sender: Principal,
  queueArn: string,
  message: Message,
): Promise<void> {
  const { QueueUrl } = await engine.call(
    servicePrincipal(engine, 'sqs.amazonaws.com'),
    'sqs',
    'GetQueueUrl',
    { QueueName: queueArn.split(':')[5] },
  );
  await engine.call(sender, 'sqs', 'SendMessage', { QueueUrl, ...message });
}
