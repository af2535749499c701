import type { Random } from '../backoff.ts';

/** Whose outcomes these are. */
export interface Identity {
  /** Name of the system: the metric dimension `App`. */
  readonly app: string;
  /** `canary` or `stable`: the metric dimension `Track`. */
  readonly track: string;
  /** The commit that the image was built from; a log field, never a dimension. */
  readonly revision: string;
  /** The name that the program gives its version; a log field, never a dimension. */
  readonly version?: string | undefined;
  /**
   * The ECS task; a log field, never a dimension.
   * @default - where it is not known, the worker gives itself a name
   */
  readonly taskId?: string | undefined;
}

/** An identity that distinguishes a task's lines from those of all others. */
export type NamedIdentity = Identity & { readonly taskId: string };

/** The identity, with a random name for a task that has none. */
export function withTaskId(identity: Identity, random: Random): NamedIdentity {
  return { ...identity, taskId: identity.taskId || `worker-${digits(random)}` };
}

function digits(random: Random): string {
  return Array.from({ length: 16 }, () => Math.floor(random() * 16).toString(16)).join('');
}
