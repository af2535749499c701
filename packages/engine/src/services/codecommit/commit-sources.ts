import type { Authorizer } from '../../iam/authorizer.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Commits } from './commits.ts';
import type { Repositories } from './repositories.ts';

/**
 * Files of commits for the services that take source from CodeCommit. They are no API operations on AWS
 * either: the pipeline uses an internal archive upload, the build a git clone. Both check the permission that
 * AWS asks of the role.
 */
export interface CommitSources {
  /** Zip of a commit's files. Needs `codecommit:UploadArchive`. */
  archive(principal: Principal, repositoryName: string, commitId: string): Promise<Uint8Array>;
  /** Clones into the empty directory `target` and checks out `specifier`. Needs `codecommit:GitPull`. */
  checkOut(
    principal: Principal,
    repositoryName: string,
    specifier: string | undefined,
    target: string,
  ): Promise<string>;
}

export function commitSources(
  authorizer: Authorizer,
  repositories: Repositories,
  commits: Commits,
): CommitSources {
  const authorize = (principal: Principal, action: string, repositoryName: string) =>
    authorizer.authorize({
      principal,
      actions: [action],
      resources: [repositories.arn(repositoryName)],
      resourceTags: (arn) => repositories.byArn(arn)?.tags,
      accessDeniedCode: 'AccessDeniedException',
    });
  return {
    async archive(principal, repositoryName, commitId) {
      authorize(principal, 'codecommit:UploadArchive', repositoryName);
      return commits.archive(repositories.get(repositoryName), commitId);
    },
    async checkOut(principal, repositoryName, specifier, target) {
      authorize(principal, 'codecommit:GitPull', repositoryName);
      return commits.checkOut(repositories.get(repositoryName), specifier, target);
    },
  };
}
