/** Value of the image parameter until there is an image that new tasks may start with. */
export const NO_IMAGE_YET = 'none';

/** Namespace of the task counts that Container Insights publishes per service. */
export const ECS_NAMESPACE = 'AWS/ECS';
