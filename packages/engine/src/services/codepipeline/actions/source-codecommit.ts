import type { Principal } from '../../../iam/principal.ts';
import { writeArtifact } from '../artifacts.ts';
import { ActionFailure, type Executor } from './action.ts';

/** Where commits come from; implemented by CodeCommit, which checks the principal's permission. */
export interface CommitArchives {
  archive(principal: Principal, repositoryName: string, commitId: string): Promise<Uint8Array>;
}

/**
 * Source from CodeCommit: the branch's tip at the moment the action starts, or the commit that the caller chose
 * for this execution, as a zip of its files.
 */
export function codeCommitSource(archives: CommitArchives): Executor {
  return async ({ engine, principal, execution, configuration, outputs, record, note }) => {
    const repositoryName = configuration.RepositoryName ?? '';
    const branchName = configuration.BranchName ?? '';
    const actionName = record().declaration.name ?? '';
    const chosen = execution.revisionOverrides[actionName];
    const tip = await engine.call(principal, 'codecommit', 'GetBranch', { repositoryName, branchName });
    const commitId = chosen ?? tip.branch?.commitId;
    if (commitId === undefined) {
      throw new ActionFailure(
        'RevisionUnavailable',
        `Branch ${branchName} of ${repositoryName} has no commit.`,
      );
    }
    const { commit } = await engine.call(principal, 'codecommit', 'GetCommit', { repositoryName, commitId });
    const zip = await archives.archive(principal, repositoryName, commitId);
    const [artifactName, place] = Object.entries(outputs)[0]!;
    const artifact = { ...place, revision: commitId };
    await writeArtifact(engine, principal, artifact, zip);
    const message = commit?.message ?? '';
    const summary = message.trimEnd();
    const url = `https://${engine.region}.console.aws.amazon.com/codesuite/codecommit/repositories/${repositoryName}/commit/${commitId}`;
    note({
      externalExecutionId: commitId,
      entityUrl: `https://${engine.region}.console.aws.amazon.com/codesuite/codecommit/repositories/${repositoryName}/browse/${branchName}`,
    });
    return {
      status: 'Succeeded',
      summary,
      outputArtifacts: { [artifactName]: artifact },
      outputVariables: {
        RepositoryName: repositoryName,
        BranchName: branchName,
        CommitId: commitId,
        CommitMessage: message,
        AuthorDate: isoDate(commit?.author?.date),
        CommitterDate: isoDate(commit?.committer?.date),
      },
      revision: {
        actionName,
        artifact: artifactName,
        revisionId: commitId,
        summary,
        url,
        createdAtMs: epochMs(commit?.committer?.date),
      },
    };
  };
}

/** Git's `<seconds> <zone>` in milliseconds. */
function epochMs(gitDate: string | undefined): number {
  return Number((gitDate ?? '0').split(' ')[0]) * 1000;
}

function isoDate(gitDate: string | undefined): string {
  return new Date(epochMs(gitDate)).toISOString().replace('.000Z', 'Z');
}
