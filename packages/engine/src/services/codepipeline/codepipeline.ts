import type { Engine, Service } from '../../dispatch/service.ts';
import type { Identity } from '../../iam/identity.ts';
import { actionOperations } from './action-operations.ts';
import { manualApproval } from './actions/approval-manual.ts';
import { codeBuild } from './actions/build-codebuild.ts';
import { ecsDeploy } from './actions/deploy-ecs.ts';
import { lambdaInvoke } from './actions/invoke-lambda.ts';
import { type CommitArchives, codeCommitSource } from './actions/source-codecommit.ts';
import { s3Source } from './actions/source-s3.ts';
import { executionOperations } from './execution-operations.ts';
import { jobOperations } from './job-operations.ts';
import { pipelineOperations } from './pipeline-operations.ts';
import { PipelineRunner } from './pipeline-runner.ts';
import { Pipelines } from './pipelines.ts';
import { stageOperations } from './stage-operations.ts';
import { PipelineStore } from './store.ts';
import { tagOperations } from './tag-operations.ts';

interface CodePipelineParts {
  readonly identity: Identity;
  readonly archives: CommitArchives;
}

/**
 * CodePipeline V2: pipelines that really run, in all three execution modes, with the action types that
 * `declaration.ts` lists. Webhooks, triggers, custom actions, cross-region stores and stage conditions with rules
 * are refused by name.
 */
export function createCodePipeline(engine: Engine, parts: CodePipelineParts): Service<'codepipeline'> {
  const store = new PipelineStore(engine.state);
  const pipelines = new Pipelines(engine, store);
  const runner = new PipelineRunner(engine, {
    store,
    principalOf: (accessKeyId, sessionToken) => parts.identity.principalOf(accessKeyId, sessionToken),
    executors: {
      'Source/AWS/CodeCommit/1': codeCommitSource(parts.archives),
      'Source/AWS/S3/1': s3Source,
      'Build/AWS/CodeBuild/1': codeBuild,
      'Test/AWS/CodeBuild/1': codeBuild,
      'Deploy/AWS/ECS/1': ecsDeploy,
      'Approval/AWS/Manual/1': manualApproval,
      'Invoke/AWS/Lambda/1': lambdaInvoke,
    },
  });

  return {
    name: 'codepipeline',
    operations: {
      ...pipelineOperations(engine, { store, pipelines, runner }),
      ...stageOperations(engine, { store, pipelines, runner }),
      ...executionOperations({ store, pipelines, runner }),
      ...actionOperations(engine, { store, pipelines, runner }),
      ...jobOperations(engine, { store, pipelines, runner }),
      ...tagOperations({ store, pipelines }),
    },
    resourceTags: (resourceArn) => store.pipelines.get(resourceArn.split(':')[5]?.split('/')[0] ?? '')?.tags,
    start: () => runner.recover(),
    stop: () => runner.actions.close(),
  };
}
