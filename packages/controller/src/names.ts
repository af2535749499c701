/** How many tasks the services have. */
export interface TaskCounts {
  readonly canary: number;
  readonly stableMin: number;
  readonly stableMax: number;
}

/** The resources of one application, as the pipeline stack's outputs or the function's environment name them. */
export interface Names {
  /** Name of the application, also the `App` dimension of the workers' metrics. */
  readonly app: string;
  readonly pipeline: string;
  readonly cluster: string;
  readonly canaryService: string;
  readonly stableService: string;
  /**
   * Tasks that the services have once there is an image. Whoever only looks need not know.
   *
   * @default - no service can be started
   */
  readonly tasks?: TaskCounts;
  /** The container whose image is released. */
  readonly container: string;
  readonly releaseParameter: string;
  readonly rollbackParameter: string;
  readonly imageParameter: string;
  /** Holds the stack update that has asked for the canary; absent where stack updates do not ask. */
  readonly updateParameter?: string;
  /** Address of the application's image repository, without a tag. */
  readonly imageRepository: string;
  /** Alarms that are a reason to look. */
  readonly alarms: readonly string[];
  /** Alarms that end a release during which they go off. */
  readonly stopAlarms: readonly string[];
  /** Name of the dead-letter queue; absent where the queue has none. */
  readonly deadLetterQueue?: string;
  readonly topicArn: string;
}
