/** Whose outcomes these are. */
export interface Identity {
  /** Name of the system: the metric dimension `App`. */
  readonly app: string;
  /** `canary` or `stable`: the metric dimension `Track`. */
  readonly track: string;
  /** What the image was built from; a log field, never a dimension. */
  readonly revision: string;
  /** What the program calls its version; a log field, never a dimension. */
  readonly version?: string | undefined;
  /** The ECS task, where known; a log field, never a dimension. */
  readonly taskId?: string | undefined;
}
