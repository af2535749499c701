import { AwsFault } from '../../errors.ts';
import { GitError } from './git.ts';
import type { Repositories, Repository } from './repositories.ts';

export const FILE_MODES: Readonly<Record<string, 'NORMAL' | 'EXECUTABLE' | 'SYMLINK'>> = {
  '100644': 'NORMAL',
  '100755': 'EXECUTABLE',
  '120000': 'SYMLINK',
};

export type GitMode = '100644' | '100755' | '120000';

export function gitMode(mode: 'NORMAL' | 'EXECUTABLE' | 'SYMLINK' | undefined): GitMode {
  return mode === 'EXECUTABLE' ? '100755' : mode === 'SYMLINK' ? '120000' : '100644';
}

export interface TreeEntry {
  readonly mode: string;
  readonly type: 'blob' | 'tree' | 'commit';
  readonly id: string;
  readonly path: string;
}

export function cleanPath(path: string): string {
  return path.replace(/^\/+|\/+$/g, '');
}

/** The trees of commits: which files and folders they hold. */
export class Trees {
  readonly #repositories: Repositories;

  constructor(repositories: Repositories) {
    this.#repositories = repositories;
  }

  async read(repository: Repository, tree: string, path?: string, recursive = false): Promise<TreeEntry[]> {
    const raw = await this.#repositories.git
      .run(
        ['ls-tree', '-z', ...(recursive ? ['-r'] : []), tree, ...(path === undefined ? [] : ['--', path])],
        { cwd: this.#repositories.directory(repository) },
      )
      .catch((error: unknown) => {
        // A path that git does not take, such as "" or "../a", is in no tree.
        if (path === undefined || !(error instanceof GitError)) throw error;
        return Buffer.alloc(0);
      });
    return raw
      .toString('utf8')
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => {
        const [meta, name] = line.split('\t') as [string, string];
        const [mode, type, id] = meta.split(' ') as [string, TreeEntry['type'], string];
        return { mode, type, id, path: name };
      });
  }

  /** Stores the tree that holds these files, with the trees of its folders; returns its id. */
  async write(repository: Repository, entries: readonly TreeEntry[]): Promise<string> {
    const here: string[] = [];
    const below = new Map<string, TreeEntry[]>();
    for (const entry of entries) {
      const slash = entry.path.indexOf('/');
      if (slash < 0) here.push(`${entry.mode} ${entry.type} ${entry.id}\t${entry.path}\0`);
      else {
        const folder = entry.path.slice(0, slash);
        const list = below.get(folder) ?? [];
        list.push({ ...entry, path: entry.path.slice(slash + 1) });
        below.set(folder, list);
      }
    }
    for (const [folder, inside] of below) {
      if (here.some((line) => line.endsWith(`\t${folder}\0`))) {
        throw new AwsFault(
          'FilePathConflictsWithSubmodulePathException',
          `${folder} is both a file and a folder`,
        );
      }
      here.push(`040000 tree ${await this.write(repository, inside)}\t${folder}\0`);
    }
    return this.#repositories.git.text(['mktree', '-z'], {
      cwd: this.#repositories.directory(repository),
      input: Buffer.from(here.join('')),
    });
  }
}
