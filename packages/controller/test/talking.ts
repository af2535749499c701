import { createAwsGateways } from '../src/gateways/aws.ts';
import type { Gateways } from '../src/gateways.ts';
import { type Call, type Script, ScriptedAws } from './scripted-aws.ts';

export const names = {
  app: 'shop',
  pipeline: 'p',
  cluster: 'c',
  canaryService: 'canary-service',
  stableService: 'stable-service',
  tasks: { canary: 2, stableMin: 0, stableMax: 9 },
  container: 'worker',
  releaseParameter: '/release',
  rollbackParameter: '/rollback',
  imageParameter: '/image',
  imageRepository: 'registry/worker',
  alarms: ['dead-letters'],
  stopAlarms: ['latency'],
  deadLetterQueue: 'dlq',
  topicArn: 'arn:aws:sns:us-east-1:123456789012:topic',
};
export const digest = `sha256:${'a'.repeat(64)}`;
export const at = (second: number): number => 1_767_225_600 + second;

export async function talking<T>(
  script: Script,
  use: (gateways: Gateways, calls: readonly Call[]) => Promise<T>,
): Promise<T> {
  await using aws = await ScriptedAws.start(script);
  return await use(
    createAwsGateways(names, aws.connection, async () => {}),
    aws.calls,
  );
}
