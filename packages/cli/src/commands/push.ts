import { cpSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Context } from '../context.ts';
import { runProgram } from '../run-program.ts';
import { findOutputs, sourceOutputs, stackNames } from '../stacks.ts';
import { CliError } from '../user-error.ts';

/**
 * Pushes a directory to the branch that is released with real git. A git work tree is pushed as it is
 * committed; a plain directory, such as the sample app, is committed on top of what is there.
 */
export async function push(context: Context, directory: string, message: string): Promise<string> {
  if (!existsSync(directory))
    throw new CliError(`${directory} does not exist: name the directory of your worker`);
  if (!statSync(directory).isDirectory())
    throw new CliError(`${directory} is a file: name the directory of your worker`);
  const { RepositoryCloneUrlHttp: url, BranchName: branch } = await sourceOutputs(
    context.clients.cloudformation,
    context.app,
  );
  if (existsSync(join(directory, '.git'))) {
    await git(context, directory, ['push', url, `HEAD:refs/heads/${branch}`]);
    return pushed(context, branch, await git(context, directory, ['rev-parse', 'HEAD']));
  }
  const work = mkdtempSync(join(tmpdir(), 'queue-canary-push-'));
  try {
    await git(context, tmpdir(), ['clone', '--quiet', url, work]);
    await checkOut(context, work, branch);
    copySource(directory, work);
    await git(context, work, ['add', '--all']);
    await git(context, work, [
      '-c',
      'user.name=queue-canary',
      '-c',
      'user.email=queue-canary@localhost',
      'commit',
      '--quiet',
      '--allow-empty',
      '--message',
      message,
    ]);
    await git(context, work, ['push', '--quiet', 'origin', branch]);
    return pushed(context, branch, await git(context, work, ['rev-parse', 'HEAD']));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Checks out the branch in a fresh clone, also where there is none of that name yet. */
async function checkOut(context: Context, work: string, branch: string): Promise<void> {
  const known = await git(context, work, ['branch', '--remotes', '--list', `origin/${branch}`]);
  await git(context, work, ['checkout', '--quiet', ...(known.trim() === '' ? ['-B', branch] : [branch])]);
}

/** Copies a worker's directory without its installed packages; the directory may itself lie in an installed package. */
export function copySource(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: (path) => basename(path) !== 'node_modules' });
}

/** Says what the push has started, if anything yet. */
async function pushed(context: Context, branch: string, commit: string): Promise<string> {
  const { pipeline } = stackNames(context.app);
  const next = (await findOutputs(context.clients.cloudformation, pipeline))
    ? 'its release has started: queue-canary release watch'
    : 'next: queue-canary deploy pipeline';
  context.terminal.line(`pushed ${commit.slice(0, 8)} to branch ${branch}; ${next}`);
  return commit;
}

/** Runs git with the target's credentials for CodeCommit. */
export function git(
  context: Pick<Context, 'target' | 'environment' | 'signal'>,
  cwd: string,
  args: readonly string[],
): Promise<string> {
  const { credentials } = context.target.connection;
  // The helper reads the secret from the environment, so that no process list shows it.
  const helper =
    '!f() { test "$1" = get && echo "username=$QC_GIT_USERNAME" && echo "password=$QC_GIT_PASSWORD"; }; f';
  return runProgram(
    'git',
    [...(credentials ? ['-c', 'credential.helper=', '-c', `credential.helper=${helper}`] : []), ...args],
    {
      cwd,
      environment: {
        ...context.environment,
        ...context.target.environment,
        GIT_TERMINAL_PROMPT: '0',
        ...(credentials
          ? { QC_GIT_USERNAME: credentials.accessKeyId, QC_GIT_PASSWORD: credentials.secretAccessKey }
          : {}),
      },
      signal: context.signal,
    },
  );
}
