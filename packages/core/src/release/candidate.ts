import { stages, type Track, tracks } from '../contract.ts';
import type { TaskLife } from '../measurement/measurement.ts';
import { mayBeFromBefore } from './consistency.ts';
import { builds, type Journey } from './journey.ts';
import { type ActionRun, known, type Reading, type ServiceState, unknown } from './observed.ts';
import type { World } from './world.ts';

/** The image that a release is about. */
export interface Candidate {
  readonly imageUri: string;
  readonly imageDigest: string;
}

/** Exported by the build: the digest of the image that it has pushed, `sha256:...`. */
export const digestVariable = 'IMAGE_DIGEST';

/**
 * Tasks of one deployment that ran and exited, at which it will never complete. ECS's circuit breaker gives up after as
 * many, but counts only tasks that never ran (https://github.com/aws/containers-roadmap/issues/1206).
 */
const exitsMax = 3;

/**
 * The image that the release is about, in the application's own repository: what its build has exported or, where the
 * pipeline builds nothing, what its release request names. What the canary runs says nothing of it: ECS may have gone
 * back, and imagedefinitions.json may name any image.
 *
 * Undefined while that is not known yet.
 */
export function candidateOf(world: World, release: Journey): Reading<Candidate> | undefined {
  return builds(world.pipeline) ? builtCandidate(world, release) : requestedCandidate(world, release);
}

function builtCandidate({ observed }: World, { build }: Journey): Reading<Candidate> | undefined {
  if (build === undefined) {
    return unknown(
      `the execution has no ${stages.build.action} action, so what it releases is not known. Release its commit again`,
    );
  }
  if (build.status !== 'Succeeded') return undefined;
  const imageDigest = build.variables?.[digestVariable];
  if (imageDigest === undefined || !isDigest(imageDigest)) {
    const said = imageDigest === undefined ? 'no digest' : `"${imageDigest}"`;
    return unknown(
      `the build exported ${said} of the image that it pushed. Add "env: exported-variables: [${digestVariable}]" to buildspec.yml, and "export ${digestVariable}=sha256:..." to its commands`,
    );
  }
  return known({ imageUri: `${observed.imageRepository}@${imageDigest}`, imageDigest });
}

function requestedCandidate({ observed }: World, { execution }: Journey): Reading<Candidate> | undefined {
  const { image } = execution;
  // The list of executions may be an older answer than that of what they did.
  if (image === undefined) return undefined;
  const own = `${observed.imageRepository}@`;
  const imageDigest = image.slice(own.length);
  if (!image.startsWith(own) || !isDigest(imageDigest)) {
    return unknown(
      `the release request names "${image}", which is no image of the application's repository by its digest (${own}sha256:...). Ask for the release with "queue-canary release start --image"`,
    );
  }
  return known({ imageUri: image, imageDigest });
}

function isDigest(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/** Whether the service is set to run the candidate, as an image of the application's own repository. */
export function runsCandidate({ imageUri, imageDigest }: ServiceState, candidate: Candidate): boolean {
  const [repository] = candidate.imageUri.split('@');
  return (
    imageDigest === candidate.imageDigest &&
    (imageUri.startsWith(`${repository}@`) || imageUri.startsWith(`${repository}:`))
  );
}

/** Whether the canary is set to run what the release is about. */
export function hasArrived(world: World, release: Journey): boolean {
  const candidate = candidateOf(world, release);
  return candidate?.known === true && runsCandidate(world.canary, candidate.value);
}

/**
 * Why the pipeline cannot bring the candidate to a service, or has brought something else; absent while nothing is
 * wrong.
 *
 * CodePipeline does not say so: its action waits for a deployment that has failed until it times out
 * (https://github.com/aws/containers-roadmap/issues/1399).
 */
export function misdeployed(world: World, release: Journey): string | undefined {
  const candidate = candidateOf(world, release);
  if (candidate === undefined) return undefined;
  if (!candidate.known) return candidate.problem;
  const runs = { canary: release.canary, stable: release.stable };
  for (const track of tracks) {
    const run = runs[track];
    const problem =
      run &&
      (stuck(world, track, run, candidate.value) ?? strayed(world, release, track, run, candidate.value));
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * Why what the track runs is not the candidate. What was observed then says nothing about the candidate, and what would
 * be recorded is not what was released.
 */
function strayed(
  world: World,
  release: Journey,
  track: Track,
  run: ActionRun,
  candidate: Candidate,
): string | undefined {
  const service = world[track];
  if (runsCandidate(service, candidate)) return undefined;
  const runs = `${track} runs ${service.imageUri} instead of the candidate ${candidate.imageDigest}`;
  const { baseline } = world.record;
  const wasThere =
    track === 'canary' &&
    baseline?.executionId === release.execution.id &&
    baseline.candidateDigest !== undefined;
  // Until the action has begun its deployment, the service runs what it ran before; and for a moment ECS may still say so.
  if ((service.primary.createdAt ?? 0) < run.startedAt) {
    const deployedBy = run.status === 'Succeeded' ? run.updatedAt : undefined;
    const since = wasThere ? (baseline.candidateSeenAt ?? run.startedAt) : deployedBy;
    if (since === undefined || mayBeFromBefore(since, world.nowMs)) return undefined;
  }
  if (wasThere) {
    return `${runs}: ECS went back, or it was changed from outside, perhaps by a stack update. Release the change again`;
  }
  const said = builds(world.pipeline)
    ? "its build has pushed to the application's repository"
    : 'its release request names';
  return `${runs}, which ${said}: imagedefinitions.json names another image, ECS went back, or it was changed from outside`;
}

/** Why the track's deployment, which the action waits for, will not complete. */
function stuck(world: World, track: Track, run: ActionRun, candidate: Candidate): string | undefined {
  if (run.status !== 'InProgress') return undefined;
  const { primary, others } = world[track];
  const isCandidate = runsCandidate(world[track], candidate);
  // Behind a primary of another image, the failed one is what ECS went back from.
  const failed = [...(isCandidate ? [primary] : []), ...others].find(
    ({ rolloutState, createdAt }) => rolloutState === 'FAILED' && (createdAt ?? 0) >= run.startedAt,
  );
  if (failed !== undefined) {
    const why = sentence(failed.rolloutReason ?? 'its deployment failed');
    const last = endsSince(world, run.startedAt).find(({ deploymentId }) => deploymentId === failed.id);
    return `${track} cannot start the candidate: ${why}${last ? ` The last task ended so: ${last.end.reason}` : ''}`;
  }
  if (!isCandidate) return undefined;
  const exits = endsSince(world, run.startedAt).filter(({ end }) => end.ran);
  const ours = exits.filter(({ deploymentId }) => deploymentId === primary.id);
  // A message that ends whatever version receives it ends tasks of the last good release as well.
  const elsewhere = exits.length - ours.length;
  const [last] = ours;
  if (last === undefined || ours.length < exitsMax || elsewhere * 2 >= ours.length) return undefined;
  return `${track} cannot start the candidate: ${ours.length} of its tasks ran and ended by themselves. The last task ended so: ${last.end.reason}`;
}

type EndedTask = TaskLife & Required<Pick<TaskLife, 'end'>>;

/** Tasks of both tracks that ended by themselves, the last first. */
function endsSince({ observed: { outcomes } }: World, sinceMs: number): EndedTask[] {
  if (!outcomes.known || outcomes.value === undefined) return [];
  const { canary, stable } = outcomes.value;
  return [...canary.tasks, ...stable.tasks]
    .filter((task): task is EndedTask => task.end !== undefined && (task.stoppedAt ?? 0) >= sinceMs)
    .sort((a, b) => (b.stoppedAt ?? 0) - (a.stoppedAt ?? 0));
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}
