/** The resources of one application, as the pipeline stack's outputs or the function's environment name them. */
export interface Names {
  /** Name of the application, also the `App` dimension of the workers' metrics. */
  readonly app: string;
  readonly pipeline: string;
  readonly cluster: string;
  readonly canaryService: string;
  readonly stableService: string;
  /** The container whose image is released. */
  readonly container: string;
  readonly releaseParameter: string;
  readonly imageParameter: string;
  /** Address of the application's image repository, without a tag. */
  readonly imageRepository: string;
  readonly alarms: readonly string[];
  readonly deadLetterQueue: string;
  readonly topicArn: string;
}
