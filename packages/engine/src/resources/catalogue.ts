import { cdkMetadata } from './cdk-metadata.ts';
import type { ResourceType } from './resource-type.ts';
import { sqsQueue } from './sqs-queue.ts';
import { ssmParameter } from './ssm-parameter.ts';

const TYPES = new Map<string, ResourceType>(
  [cdkMetadata, sqsQueue, ssmParameter].map((type) => [type.name, type]),
);

/** The resource type of this name, or `undefined` if the engine does not know it. */
export function resourceTypeOf(name: string): ResourceType | undefined {
  return TYPES.get(name);
}
