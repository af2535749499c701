import { AwsFault } from '../../errors.ts';
import type { Input, Output } from '../../sdk/services.ts';
import { GitError } from './git.ts';
import type { Repositories, Repository } from './repositories.ts';
import { cleanPath, FILE_MODES, type GitMode, type TreeEntry, Trees } from './trees.ts';

/** Largest file that GetFile returns, as on AWS: 6 MB. */
const FILE_BYTES_MAX = 6 * 1024 * 1024;

/** Reads and writes commits and files of one engine's repositories. */
export class Commits {
  readonly #repositories: Repositories;
  readonly #trees: Trees;

  constructor(repositories: Repositories) {
    this.#repositories = repositories;
    this.#trees = new Trees(repositories);
  }

  /** Resolves a commit id, branch or tag as CodeCommit's commit specifiers do; the default branch when absent. */
  async resolve(repository: Repository, specifier: string | undefined): Promise<string> {
    const wanted = specifier ?? repository.defaultBranch;
    if (wanted === undefined) {
      throw new AwsFault('CommitDoesNotExistException', `${repository.repositoryName} has no commits yet`);
    }
    const known =
      repository.refs[`refs/heads/${wanted}`] ??
      repository.refs[`refs/tags/${wanted}`] ??
      repository.refs[wanted];
    const candidate = known ?? (/^[0-9a-f]{40}$/.test(wanted) ? wanted : undefined);
    if (candidate !== undefined) {
      try {
        return await this.#text(repository, ['rev-parse', '--verify', '--quiet', `${candidate}^{commit}`]);
      } catch (error) {
        if (!(error instanceof GitError)) throw error;
      }
    }
    throw new AwsFault(
      'CommitDoesNotExistException',
      `Could not resolve commit ${wanted} of repository ${repository.repositoryName}`,
    );
  }

  async get(
    repository: Repository,
    commitId: string,
  ): Promise<NonNullable<Output<'codecommit', 'GetCommit'>['commit']>> {
    if (!/^[0-9a-f]{40}$/.test(commitId)) {
      throw new AwsFault(
        'InvalidCommitIdException',
        `The commit ID ${commitId} is not valid: it must be a full SHA-1.`,
      );
    }
    let raw: string;
    try {
      raw = (await this.#run(repository, ['cat-file', 'commit', commitId])).toString('utf8');
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      throw new AwsFault(
        'CommitIdDoesNotExistException',
        `The commit ${commitId} does not exist in repository ${repository.repositoryName}`,
      );
    }
    return { commitId, ...parseCommit(raw) };
  }

  async file(repository: Repository, specifier: string | undefined, filePath: string) {
    const commitId = await this.resolve(repository, specifier);
    const path = cleanPath(filePath);
    const entry = (await this.#trees.read(repository, commitId, path)).find((found) => found.path === path);
    if (entry?.type !== 'blob') {
      throw new AwsFault(
        'FileDoesNotExistException',
        `Could not find file ${filePath} in commit ${commitId}`,
      );
    }
    const fileSize = Number(await this.#text(repository, ['cat-file', '-s', entry.id]));
    if (fileSize > FILE_BYTES_MAX) {
      throw new AwsFault('FileTooLargeException', `${filePath} exceeds the maximum size of 6 MB`);
    }
    return {
      commitId,
      blobId: entry.id,
      filePath: path,
      fileMode: FILE_MODES[entry.mode] ?? 'NORMAL',
      fileSize,
      fileContent: await this.#run(repository, ['cat-file', 'blob', entry.id]),
    };
  }

  async blob(repository: Repository, blobId: string): Promise<Uint8Array> {
    try {
      return await this.#run(repository, ['cat-file', 'blob', blobId]);
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      throw new AwsFault('BlobIdDoesNotExistException', `The blob ${blobId} does not exist`);
    }
  }

  async folder(repository: Repository, specifier: string | undefined, folderPath: string) {
    const commitId = await this.resolve(repository, specifier);
    const path = cleanPath(folderPath);
    let treeId: string;
    try {
      treeId = await this.#text(repository, ['rev-parse', '--verify', '--quiet', `${commitId}:${path}`]);
      if ((await this.#text(repository, ['cat-file', '-t', treeId])) !== 'tree')
        throw new GitError(['ls-tree'], 1, '');
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      throw new AwsFault(
        'FolderDoesNotExistException',
        `Could not find folder ${folderPath} in commit ${commitId}`,
      );
    }
    const entries = await this.#trees.read(repository, treeId);
    const absolute = (entry: TreeEntry) => (path === '' ? entry.path : `${path}/${entry.path}`);
    const paths = (entry: TreeEntry) => ({ absolutePath: absolute(entry), relativePath: entry.path });
    const file = (entry: TreeEntry) => ({
      blobId: entry.id,
      ...paths(entry),
      fileMode: FILE_MODES[entry.mode] ?? ('NORMAL' as const),
    });
    return {
      commitId,
      folderPath: path,
      treeId,
      subFolders: entries
        .filter((entry) => entry.type === 'tree')
        .map((entry) => ({ treeId: entry.id, ...paths(entry) })),
      files: entries.filter((entry) => entry.type === 'blob' && entry.mode !== '120000').map(file),
      symbolicLinks: entries.filter((entry) => entry.mode === '120000').map(file),
      subModules: entries
        .filter((entry) => entry.type === 'commit')
        .map((entry) => ({ commitId: entry.id, ...paths(entry) })),
    };
  }

  /** Differences of two commits, or of a commit and nothing, sorted by path. Renames show as delete and add. */
  async differences(repository: Repository, input: Input<'codecommit', 'GetDifferences'>) {
    const after = await this.resolve(repository, input.afterCommitSpecifier ?? '');
    const before =
      input.beforeCommitSpecifier === undefined
        ? await this.#text(repository, ['hash-object', '-t', 'tree', '-w', '--stdin'])
        : await this.resolve(repository, input.beforeCommitSpecifier);
    const only = input.afterPath ?? input.beforePath;
    const raw = await this.#run(repository, [
      'diff-tree',
      '-r',
      '-z',
      '--no-renames',
      before,
      after,
      ...(only === undefined ? [] : ['--', cleanPath(only)]),
    ]);
    const fields = raw.toString('utf8').split('\0');
    const differences = [];
    for (let at = 0; at + 1 < fields.length; at += 2) {
      const [oldMode, newMode, oldId, newId, status] = fields[at]!.slice(1).split(' ');
      const path = fields[at + 1]!;
      differences.push({
        ...(status === 'A' ? {} : { beforeBlob: { blobId: oldId, path, mode: oldMode } }),
        ...(status === 'D' ? {} : { afterBlob: { blobId: newId, path, mode: newMode } }),
        changeType: status === 'A' ? ('A' as const) : status === 'D' ? ('D' as const) : ('M' as const),
      });
    }
    return differences;
  }

  /** Zip of a commit's files, without history, as a pipeline's source artifact. */
  async archive(repository: Repository, commitId: string): Promise<Uint8Array> {
    return await this.#run(repository, ['archive', '--format=zip', commitId]);
  }

  /** Makes a working copy with history of `specifier` in the empty directory `target`; returns its commit. */
  async checkOut(repository: Repository, specifier: string | undefined, target: string): Promise<string> {
    const commitId = await this.resolve(repository, specifier);
    const { git } = this.#repositories;
    const bare = this.#repositories.directory(repository);
    await git.run(['clone', '--quiet', '--no-checkout', '--no-hardlinks', '--template=', bare, target], {
      cwd: bare,
    });
    await git.run(['checkout', '--quiet', '--detach', commitId], { cwd: target });
    return commitId;
  }

  /**
   * Adds a commit to the tip of a branch, creating the branch in an empty repository, and announces it.
   * The tip must be the given parent.
   */
  async create(
    repositoryName: string,
    change: {
      branch: string;
      parentCommitId: string | undefined;
      message: string;
      name: string;
      email: string;
      put: ReadonlyArray<{ path: string; mode: GitMode; content: Uint8Array }>;
      remove: readonly string[];
      nowMs: number;
      callerArn: string;
    },
  ) {
    const { git } = this.#repositories;
    const held = this.#repositories.get(repositoryName);
    return this.#repositories.exclusively(held, async () => {
      const repository = this.#repositories.get(repositoryName);
      await this.#checkBranchName(repository, change.branch);
      const tip = repository.refs[`refs/heads/${change.branch}`];
      requireParent(repository, change.branch, tip, change.parentCommitId);
      const before = tip === undefined ? [] : await this.#trees.read(repository, tip, undefined, true);
      const files = new Map(before.map((entry) => [entry.path, entry]));
      for (const path of change.remove) {
        if (!files.delete(cleanPath(path))) {
          throw new AwsFault('FileDoesNotExistException', `Could not find file ${path} to delete`);
        }
      }
      const blobs = new Map<string, string>();
      for (const { path, mode, content } of change.put) {
        const clean = cleanPath(path);
        if (
          clean === '' ||
          clean.includes('\0') ||
          clean.split('/').some((part) => ['', '.', '..', '.git'].includes(part.toLowerCase()))
        ) {
          throw new AwsFault('InvalidPathException', `The file path "${path}" is not valid.`);
        }
        const id = await git.text(['hash-object', '-w', '--stdin'], {
          cwd: this.#repositories.directory(repository),
          input: content,
        });
        const old = files.get(clean);
        if (old?.id === id && old.mode === mode && change.put.length === 1 && change.remove.length === 0) {
          throw new AwsFault('SameFileContentException', `${path} already has this content`);
        }
        files.set(clean, { mode, type: 'blob', id, path: clean });
        blobs.set(clean, id);
      }
      const treeId = await this.#trees.write(repository, [...files.values()]);
      const when = `${Math.floor(change.nowMs / 1000)} +0000`;
      const commitId = await git
        .text(['commit-tree', treeId, ...(tip === undefined ? [] : ['-p', tip]), '-F', '-'], {
          cwd: this.#repositories.directory(repository),
          input: Buffer.from(change.message),
          env: {
            GIT_AUTHOR_NAME: change.name,
            GIT_AUTHOR_EMAIL: change.email,
            GIT_AUTHOR_DATE: when,
            GIT_COMMITTER_NAME: change.name,
            GIT_COMMITTER_EMAIL: change.email,
            GIT_COMMITTER_DATE: when,
          },
        })
        .catch((error: unknown) => {
          // Git wants a name of more than blanks and punctuation.
          if (!(error instanceof GitError)) throw error;
          throw new AwsFault('InvalidCommitException', error.stderr.trim());
        });
      await this.#run(repository, [
        'update-ref',
        `refs/heads/${change.branch}`,
        commitId,
        tip ?? '0'.repeat(40),
      ]);
      await this.#repositories.announce(repositoryName, change.callerArn);
      return { commitId, treeId, blobs, existed: new Set(before.map((entry) => entry.path)) };
    });
  }

  async #checkBranchName(repository: Repository, branch: string): Promise<void> {
    try {
      await this.#run(repository, ['check-ref-format', `refs/heads/${branch}`]);
    } catch (error) {
      if (!(error instanceof GitError)) throw error;
      throw new AwsFault('InvalidBranchNameException', `Branch name ${branch} is not valid`);
    }
  }

  #run(repository: Repository, args: readonly string[]): Promise<Buffer> {
    return this.#repositories.git.run(args, { cwd: this.#repositories.directory(repository) });
  }

  #text(repository: Repository, args: readonly string[]): Promise<string> {
    return this.#repositories.git.text(args, { cwd: this.#repositories.directory(repository) });
  }
}

function requireParent(
  repository: Repository,
  branch: string,
  tip: string | undefined,
  parent: string | undefined,
): void {
  if (tip === undefined) {
    if (repository.defaultBranch === undefined) return;
    throw new AwsFault('BranchDoesNotExistException', `Branch ${branch} does not exist`);
  }
  if (parent === undefined) {
    throw new AwsFault('ParentCommitIdRequiredException', 'A parent commit ID is required.');
  }
  if (parent !== tip) {
    throw new AwsFault(
      'ParentCommitIdOutdatedException',
      `The parent commit ID is not the tip of branch ${branch}: use ${tip}`,
    );
  }
}

function parseCommit(raw: string) {
  const end = raw.indexOf('\n\n');
  const parents: string[] = [];
  let treeId: string | undefined;
  let author: ReturnType<typeof parsePerson> | undefined;
  let committer: ReturnType<typeof parsePerson> | undefined;
  for (const line of raw.slice(0, end).split('\n')) {
    const space = line.indexOf(' ');
    const value = line.slice(space + 1);
    const key = line.slice(0, space);
    if (key === 'tree') treeId = value;
    else if (key === 'parent') parents.push(value);
    else if (key === 'author') author = parsePerson(value);
    else if (key === 'committer') committer = parsePerson(value);
  }
  return { treeId, parents, message: raw.slice(end + 2), author, committer, additionalData: '' };
}

function parsePerson(text: string) {
  const match = /^(.*) <(.*)> (.*)$/.exec(text);
  return { name: match?.[1] ?? text, email: match?.[2] ?? '', date: match?.[3] ?? '' };
}
