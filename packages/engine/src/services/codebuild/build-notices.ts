import type { Engine } from '../../dispatch/service.ts';
import { currentPhase, type StoredBuild, type StoredPhase } from './store.ts';

/** Reports to the journal and EventBridge how a build is getting on. */
export class BuildNotices {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  arn(build: StoredBuild): string {
    return `arn:aws:codebuild:${this.#engine.region}:${this.#engine.accountId}:build/${build.id}`;
  }

  state(build: StoredBuild): void {
    const failed = failedPhase(build);
    this.#engine.journal.append('codebuild', `build.${verb(build.status)}`, {
      project: build.projectName,
      buildId: build.id,
      number: build.number,
      ...(build.endedAtMs === undefined ? {} : { durationMs: build.endedAtMs - build.startedAtMs }),
      ...(failed === undefined
        ? {}
        : { phase: failed.type, reason: failed.contexts.map(({ message }) => message).join('; ') }),
    });
    this.#publish('CodeBuild Build State Change', build, {
      'build-status': build.status,
      'current-phase': currentPhase(build),
      'current-phase-context': contexts(build.phases.at(-1)),
    });
  }

  phase(build: StoredBuild, phase: StoredPhase): void {
    const endedAtMs = phase.endedAtMs ?? phase.startedAtMs;
    this.#engine.journal.append('codebuild', 'build.phase', {
      project: build.projectName,
      buildId: build.id,
      phase: phase.type,
      status: phase.status,
      durationMs: endedAtMs - phase.startedAtMs,
      ...(phase.contexts.length === 0
        ? {}
        : { reason: phase.contexts.map(({ message }) => message).join('; ') }),
    });
    this.#publish('CodeBuild Build Phase Change', build, {
      'completed-phase': phase.type,
      'completed-phase-status': phase.status,
      'completed-phase-context': contexts(phase),
      'completed-phase-duration-seconds': Math.round((endedAtMs - phase.startedAtMs) / 1000),
      'completed-phase-start': new Date(phase.startedAtMs).toISOString(),
      'completed-phase-end': new Date(endedAtMs).toISOString(),
    });
  }

  #publish(detailType: string, build: StoredBuild, detail: Record<string, unknown>): void {
    this.#engine.journal.publish({
      source: 'aws.codebuild',
      'detail-type': detailType,
      resources: [this.arn(build)],
      detail: {
        ...detail,
        'project-name': build.projectName,
        'build-id': this.arn(build),
        'additional-information': {
          'build-number': build.number,
          'build-complete': build.status !== 'IN_PROGRESS',
          'build-start-time': new Date(build.startedAtMs).toISOString(),
          'timeout-in-minutes': build.timeoutMinutes,
          initiator: build.initiator,
          'source-version': build.sourceVersion,
          source: { type: build.source.type, location: build.source.location },
          artifact: { location: build.artifactLocation },
          logs: { 'group-name': build.logGroupName, 'stream-name': build.logStreamName },
          phases: build.phases.map((phase) => ({
            'phase-type': phase.type,
            'phase-status': phase.status,
            'phase-context': contexts(phase),
            'start-time': new Date(phase.startedAtMs).toISOString(),
          })),
        },
        version: '1',
      },
    });
  }
}

/** The phase that made the build fail. */
function failedPhase(build: StoredBuild): StoredPhase | undefined {
  return build.phases.find(({ status }) => status !== undefined && status !== 'SUCCEEDED');
}

function contexts(phase: StoredPhase | undefined): string[] {
  return (phase?.contexts ?? []).map(({ statusCode, message }) => `${statusCode}: ${message}`);
}

function verb(status: string): string {
  return status === 'IN_PROGRESS' ? 'started' : status.toLowerCase().replace('_', '-');
}
