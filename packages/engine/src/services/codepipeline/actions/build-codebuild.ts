import { type ActionContext, ActionFailure, type Executor, interrupted } from './action.ts';
import { JournalWatch } from './journal-watch.ts';

/**
 * Build or test with CodeBuild: starts a build of the project with the input artifact as its source, and waits
 * for it. The build's exported variables become the action's output variables.
 */
export const codeBuild: Executor = async (context) => {
  const { engine, principal, configuration, outputs, signal } = context;
  const projectName = configuration.ProjectName ?? '';
  const watch = new JournalWatch(
    context,
    ({ source, type }) => source === 'codebuild' && type === 'aws.event',
  );
  try {
    const buildId = knownBuild(context) ?? (await startBuild(context, projectName));
    for (;;) {
      const changed = watch.next();
      const { builds } = await engine.call(principal, 'codebuild', 'BatchGetBuilds', { ids: [buildId] });
      const build = builds?.[0];
      if (!build) throw new ActionFailure('JobFailed', `The build ${buildId} no longer exists.`);
      if (build.buildStatus === 'SUCCEEDED') {
        const exported = (build.exportedEnvironmentVariables ?? []).map(({ name, value }) => [
          name ?? '',
          value ?? '',
        ]);
        return {
          status: 'Succeeded',
          outputArtifacts: outputs,
          outputVariables: Object.fromEntries(exported) as Record<string, string>,
        };
      }
      if (build.buildStatus !== 'IN_PROGRESS') {
        const failed = build.phases?.find(
          ({ phaseStatus }) =>
            phaseStatus !== undefined && phaseStatus !== 'SUCCEEDED' && phaseStatus !== 'IN_PROGRESS',
        );
        const why = failed?.contexts?.find(({ message }) => message)?.message;
        return {
          status: 'Failed',
          code: 'JobFailed',
          message: `Build terminated with state: ${build.buildStatus}${failed ? `. Phase: ${failed.phaseType}` : ''}${
            why === undefined ? '' : `, Code: ${failed?.contexts?.[0]?.statusCode}, Message: ${why}`
          }`,
        };
      }
      await changed;
      if (signal.aborted) return interrupted;
    }
  } finally {
    watch.end();
  }
};

function knownBuild({ record }: ActionContext): string | undefined {
  const { buildId } = record().progress;
  return typeof buildId === 'string' ? buildId : undefined;
}

async function startBuild(context: ActionContext, projectName: string): Promise<string> {
  const { engine, principal, configuration, inputs, outputs, record, note } = context;
  const [, source] = Object.entries(inputs)[0]!;
  const [output] = Object.values(outputs);
  const { build } = await engine.call(principal, 'codebuild', 'StartBuild', {
    projectName,
    // The same build when the engine goes down between starting it and noting its id.
    idempotencyToken: record().id,
    sourceTypeOverride: 'CODEPIPELINE',
    sourceVersion: `arn:aws:s3:::${source.bucket}/${source.key}`,
    artifactsOverride:
      output === undefined
        ? { type: 'NO_ARTIFACTS' }
        : { type: 'CODEPIPELINE', location: output.bucket, path: output.key },
    ...(output?.encryptionKey === undefined ? {} : { encryptionKeyOverride: output.encryptionKey }),
    environmentVariablesOverride: environmentVariables(configuration.EnvironmentVariables),
  });
  const buildId = build?.id ?? '';
  note({
    progress: { buildId },
    externalExecutionId: buildId,
    externalExecutionUrl: `https://${engine.region}.console.aws.amazon.com/codesuite/codebuild/${engine.accountId}/projects/${projectName}/build/${encodeURIComponent(buildId)}/log`,
  });
  return buildId;
}

function environmentVariables(text: string | undefined) {
  if (text === undefined) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  if (!Array.isArray(parsed)) {
    throw new ActionFailure(
      'ConfigurationError',
      'EnvironmentVariables must be a JSON list of {"name","value","type"}.',
    );
  }
  return parsed.map((item: { name?: unknown; value?: unknown; type?: unknown }) => ({
    name: String(item.name),
    value: String(item.value),
    type: item.type === 'PARAMETER_STORE' ? ('PARAMETER_STORE' as const) : ('PLAINTEXT' as const),
  }));
}
