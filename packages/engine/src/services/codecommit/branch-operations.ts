import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Commits } from './commits.ts';
import { GitError } from './git.ts';
import type { Repositories } from './repositories.ts';

/** Branches of a repository, and which of them is the default. */
export function branchOperations(repositories: Repositories, commits: Commits) {
  const named = (input: { repositoryName?: string | undefined }) => [
    repositories.arn(input.repositoryName ?? '*'),
  ];
  const changeRef = async (
    repositoryName: string | undefined,
    callerArn: string,
    args: readonly string[],
  ) => {
    const repository = repositories.get(repositoryName);
    await repositories.exclusively(repository, async () => {
      await repositories.git.run(args, { cwd: repositories.directory(repository) });
      await repositories.announce(repository.repositoryName, callerArn);
    });
  };

  return {
    GetBranch: {
      resources: named,
      run: (input) => {
        const repository = repositories.get(input.repositoryName);
        const commitId = repositories.commitOfBranch(repository, input.branchName);
        return { branch: { branchName: input.branchName, commitId } };
      },
    },
    ListBranches: {
      resources: named,
      run: (input) => ({
        branches: Object.keys(repositories.get(input.repositoryName).refs)
          .filter((ref) => ref.startsWith('refs/heads/'))
          .map((ref) => ref.slice('refs/heads/'.length)),
      }),
    },
    CreateBranch: {
      resources: named,
      run: async (input, { principal }) => {
        const repository = repositories.get(input.repositoryName);
        const ref = `refs/heads/${input.branchName}`;
        if (repository.refs[ref] !== undefined) {
          throw new AwsFault('BranchNameExistsException', `Branch ${input.branchName} already exists`);
        }
        const commit = await commits.resolve(repository, input.commitId);
        try {
          await changeRef(input.repositoryName, principal.arn, ['update-ref', ref, commit, '0'.repeat(40)]);
        } catch (error) {
          if (!(error instanceof GitError)) throw error;
          throw new AwsFault('InvalidBranchNameException', `Branch name ${input.branchName} is not valid`);
        }
        return {};
      },
    },
    DeleteBranch: {
      resources: named,
      run: async (input, { principal }) => {
        const repository = repositories.get(input.repositoryName);
        if (repository.defaultBranch === input.branchName) {
          throw new AwsFault(
            'DefaultBranchCannotBeDeletedException',
            `The default branch ${input.branchName} cannot be deleted: make another branch the default first`,
          );
        }
        const commitId = repository.refs[`refs/heads/${input.branchName}`];
        if (commitId === undefined) return {};
        await changeRef(input.repositoryName, principal.arn, [
          'update-ref',
          '-d',
          `refs/heads/${input.branchName}`,
        ]);
        return { deletedBranch: { branchName: input.branchName, commitId } };
      },
    },
    UpdateDefaultBranch: {
      resources: named,
      run: async (input) => {
        await repositories.setDefaultBranch(
          repositories.get(input.repositoryName),
          input.defaultBranchName ?? '',
        );
        return {};
      },
    },
  } satisfies OperationTable<'codecommit'>;
}
