import type { ReleasePolicy } from '../policy/policy.ts';
import type { Judgement } from './judgement.ts';
import type { Observed, PipelineState, Reading, ServiceState } from './observed.ts';
import type { ReleaseRecord, RollbackRequest } from './record.ts';
import { tracks } from './track.ts';

/** One observation in which everything that a plan needs is known. */
export interface World {
  readonly observed: Observed;
  readonly policy: ReleasePolicy;
  readonly nowMs: number;
  readonly pipeline: PipelineState;
  readonly canary: ServiceState;
  readonly stable: ServiceState;
  readonly record: ReleaseRecord;
  readonly recordVersion: number;
  readonly rollbackRequest?: RollbackRequest;
  /** What the judge says of the current release; undefined before its canary is steady. */
  readonly judgement?: Reading<Judgement>;
}

/** Whether ECS has finished moving the service and it runs what it is told to run. */
export function isSteady(service: ServiceState): boolean {
  return (
    service.primary.rolloutState === 'COMPLETED' &&
    service.others.length === 0 &&
    service.running >= service.desired
  );
}

/** The one image that both services run at steady state with at least one task, named by digest. */
export function onOneImage(
  world: World,
): { readonly imageUri: string; readonly imageDigest: string } | undefined {
  const { canary, stable } = world;
  const { imageDigest, imageUri } = stable;
  if (imageDigest === undefined || imageDigest !== canary.imageDigest) return undefined;
  if (!isSteady(canary) || !isSteady(stable) || canary.running + stable.running === 0) return undefined;
  return { imageDigest, imageUri };
}

/** One sentence for each service that is not steady. */
export function progress(world: World): string[] {
  return tracks.flatMap((track) => {
    const service = world[track];
    if (isSteady(service)) return [];
    const { rolloutState, rolloutReason } = service.primary;
    return [
      `${track}: ${service.running} of ${service.desired} tasks running, deployment ${rolloutState}${rolloutReason ? ` (${rolloutReason})` : ''}`,
    ];
  });
}

export function commitText(commit: string | undefined): string {
  return commit === undefined ? '' : ` (commit ${commit})`;
}

export function shortId(executionId: string): string {
  return executionId.slice(0, 8);
}
