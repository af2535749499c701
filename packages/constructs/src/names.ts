/** Name of the worker's container in both services; `imagedefinitions.json` refers to it. */
export const WORKER_CONTAINER_NAME = 'worker';

/** Value of the image parameter until there is an image that new tasks may start with. */
export const NO_IMAGE_YET = 'none';

/** CloudWatch namespace of the workers' outcome metrics. */
export const OUTCOME_NAMESPACE = 'QueueCanary';

/** Namespace of the task counts that Container Insights publishes per service. */
export const ECS_NAMESPACE = 'AWS/ECS';

/** The two services that share one queue. */
export type Track = 'canary' | 'stable';
