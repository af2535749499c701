export {
  type Approval,
  type CounterPolicy,
  type Form,
  type JudgedMetric,
  type OnNewerCommit,
  policySettings,
  type Track,
} from '@queue-canary/core';
export { BacklogScaling, type BacklogScalingProps } from './backlog-scaling.ts';
export { CanaryImage, type CanaryImageProps } from './canary-image.ts';
export { CanaryServices, type CanaryServicesProps } from './canary-services.ts';
export type { EncryptionProps, StackEncryptionProps } from './encryption.ts';
export { ExistingQueue, type ExistingQueueProps } from './existing-queue.ts';
export { ImageStack, type ImageStackProps } from './image-stack.ts';
export { PipelineStack, type PipelineStackProps } from './pipeline-stack.ts';
export { PublishedImage, type PublishedImageProps } from './published-image.ts';
export { PublishedImageStack, type PublishedImageStackProps } from './published-image-stack.ts';
export { QueueCanary, type QueueCanaryProps } from './queue-canary.ts';
export { ReleaseController } from './release-controller.ts';
export type { ReleaseControllerProps } from './release-controller-props.ts';
export { ReleaseDashboard, type ReleaseDashboardProps } from './release-dashboard.ts';
export { ReleasePipeline, type ReleasePipelineProps } from './release-pipeline.ts';
export { ReleasePolicyError } from './release-policy.ts';
export type { ReleasePolicyProps } from './release-policy-props.ts';
export type { WorkerCapacityProps } from './worker-capacity-props.ts';
export type { WorkerImage } from './worker-image.ts';
export { WorkerNetwork, type WorkerNetworkProps } from './worker-network.ts';
export { type IWorkerQueue, WorkerQueue, type WorkerQueueProps } from './worker-queue.ts';
export { WorkerService, type WorkerServiceProps, type WorkerTaskProps } from './worker-service.ts';
export {
  type BucketSourceProps,
  type CodeCommitSourceProps,
  type ConnectionSourceProps,
  WorkerSource,
  type WorkerSourceBindOptions,
  type WorkerSourceConfig,
  type WorkerSourceEvent,
} from './worker-source.ts';
