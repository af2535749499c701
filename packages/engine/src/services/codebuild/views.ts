import type { Build, Project } from '@aws-sdk/client-codebuild';
import { currentPhase, projectArn, type StoredBuild, type StoredProject } from './store.ts';

interface Place {
  readonly region: string;
  readonly accountId: string;
}

/** A project as BatchGetProjects shows it. */
export function shownProject(place: Place, stored: StoredProject): Project {
  return {
    ...stored.project,
    name: stored.name,
    arn: projectArn(place, stored.name),
    tags: Object.entries(stored.tags).map(([key, value]) => ({ key, value })),
    created: new Date(stored.createdAtMs),
    lastModified: new Date(stored.modifiedAtMs),
  };
}

/** A build as BatchGetBuilds shows it. */
export function shownBuild(place: Place, build: StoredBuild): Build {
  const { region, accountId } = place;
  const { logGroupName, logStreamName } = build;
  const timed = (startMs: number, endMs: number | undefined) => ({
    startTime: new Date(startMs),
    ...(endMs === undefined
      ? {}
      : { endTime: new Date(endMs), durationInSeconds: Math.round((endMs - startMs) / 1000) }),
  });
  const exported = Object.entries(build.exported).map(([name, value]) => ({ name, value }));
  return {
    id: build.id,
    arn: `arn:aws:codebuild:${region}:${accountId}:build/${build.id}`,
    buildNumber: build.number,
    startTime: new Date(build.startedAtMs),
    endTime: build.endedAtMs === undefined ? undefined : new Date(build.endedAtMs),
    currentPhase: currentPhase(build),
    buildStatus: build.status,
    buildComplete: build.status !== 'IN_PROGRESS',
    sourceVersion: build.sourceVersion,
    resolvedSourceVersion: build.resolvedSourceVersion,
    projectName: build.projectName,
    phases: build.phases.map((phase) => ({
      phaseType: phase.type,
      phaseStatus: phase.status,
      ...timed(phase.startedAtMs, phase.endedAtMs),
      ...(phase.contexts.length === 0 ? {} : { contexts: phase.contexts.map((context) => ({ ...context })) }),
    })),
    source: build.source,
    artifacts: { location: build.artifactLocation ?? '' },
    environment: { ...build.environment, environmentVariables: [...build.variables] },
    serviceRole: build.serviceRole,
    timeoutInMinutes: build.timeoutMinutes,
    queuedTimeoutInMinutes: build.queuedTimeoutMinutes,
    initiator: build.initiator,
    exportedEnvironmentVariables: exported,
    logs: {
      groupName: logGroupName,
      streamName: logStreamName,
      ...(logGroupName === undefined || logStreamName === undefined
        ? {}
        : {
            cloudWatchLogsArn: `arn:aws:logs:${region}:${accountId}:log-group:${logGroupName}:log-stream:${logStreamName}`,
            deepLink: `https://console.aws.amazon.com/cloudwatch/home?region=${region}#logsV2:log-groups/log-group/${encodeURIComponent(logGroupName)}/log-events/${encodeURIComponent(logStreamName)}`,
          }),
      cloudWatchLogs: build.logsConfig?.cloudWatchLogs,
    },
  };
}
