import type { Engine, Service } from '../../dispatch/service.ts';
import { UserError } from '../../errors.ts';
import type { Authorizer } from '../../iam/authorizer.ts';
import type { Identity } from '../../iam/identity.ts';
import type { HttpHandler } from '../../wire/server.ts';
import { branchOperations } from './branch-operations.ts';
import { commitOperations } from './commit-operations.ts';
import { type CommitSources, commitSources } from './commit-sources.ts';
import { Commits } from './commits.ts';
import { Git } from './git.ts';
import { gitHttpHandler } from './git-http.ts';
import { Repositories } from './repositories.ts';
import { repositoryOperations } from './repository-operations.ts';
import { tagOperations } from './tag-operations.ts';

interface CodeCommitParts {
  readonly identity: Identity;
  readonly authorizer: Authorizer;
  readonly handle: (handler: HttpHandler) => void;
  /** Search path of this machine, where git is found. */
  readonly hostPath: string;
}

/**
 * CodeCommit: repositories that real git clones, fetches and pushes over HTTP, and the events about their
 * branches. Pull requests, approval rules, triggers and encryption keys of one's own are not implemented.
 */
export function createCodeCommit(
  engine: Engine,
  parts: CodeCommitParts,
): { service: Service<'codecommit'>; sources: CommitSources } {
  const repositories = new Repositories(engine, new Git(parts.hostPath));
  const commits = new Commits(repositories);
  parts.handle(gitHttpHandler({ ...parts, repositories, state: engine.state }));

  return {
    service: {
      name: 'codecommit',
      resourceTags: (arn) => repositories.byArn(arn)?.tags,
      operations: {
        ...repositoryOperations(engine, repositories),
        ...branchOperations(repositories, commits),
        ...commitOperations(repositories, commits),
        ...tagOperations(repositories),
      },
      start: () => announceMovedRefs(engine, repositories),
    },
    sources: commitSources(parts.authorizer, repositories, commits),
  };
}

async function announceMovedRefs(engine: Engine, repositories: Repositories): Promise<void> {
  if (repositories.all.length === 0) return;
  try {
    await repositories.git.run(['version'], { cwd: engine.directory });
  } catch (error) {
    throw new UserError('GitNotInstalled', (error as Error).message, { cause: error });
  }
  // A push whose refs git had already moved when the engine died is announced now.
  for (const repository of repositories.all) {
    await repositories.exclusively(repository, () =>
      repositories.announce(repository.repositoryName, undefined),
    );
  }
}
