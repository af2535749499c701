import { mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Table } from '../../state/state.ts';
import type { Git } from './git.ts';

/** A repository as the engine keeps it; its objects are in a bare git repository on disk. */
export interface Repository {
  readonly repositoryId: string;
  readonly repositoryName: string;
  readonly description: string | undefined;
  /** Absent until the first branch was pushed, as on AWS. */
  readonly defaultBranch: string | undefined;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly tags: Readonly<Record<string, string>>;
  /**
   * Refs (full names) and commits, as last announced. The difference to what git holds is what still has to
   * be announced, also after a crash in the middle of a push.
   */
  readonly refs: Readonly<Record<string, string>>;
}

const NAME = /^(?!.*\.git$)[\w.-]{1,100}$/;

/** Repositories and their refs: creation, changes one at a time, and the events about them. */
export class Repositories {
  readonly git: Git;
  readonly #engine: Engine;
  readonly #table: Table<Repository>;
  readonly #root: string;
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(engine: Engine, git: Git) {
    this.git = git;
    this.#engine = engine;
    this.#table = engine.state.table<Repository>('codecommit.repositories');
    this.#root = join(engine.directory, 'codecommit');
  }

  /** Directory in which all bare repositories are. */
  get root(): string {
    return this.#root;
  }

  get all(): Repository[] {
    return [...this.#table.values()];
  }

  arn(repositoryName: string): string {
    return `arn:aws:codecommit:${this.#engine.region}:${this.#engine.accountId}:${repositoryName}`;
  }

  directory(repository: Repository): string {
    return join(this.#root, `${repository.repositoryId}.git`);
  }

  find(repositoryName: string): Repository | undefined {
    for (const repository of this.#table.values()) {
      if (repository.repositoryName === repositoryName) return repository;
    }
    return undefined;
  }

  byArn(arn: string | undefined): Repository | undefined {
    return this.all.find(({ repositoryName }) => this.arn(repositoryName) === arn);
  }

  /** The repository, or AWS's error that there is none. */
  get(repositoryName: string | undefined): Repository {
    if (repositoryName === undefined || repositoryName === '') {
      throw new AwsFault('RepositoryNameRequiredException', 'A repository name is required.');
    }
    const repository = this.find(repositoryName);
    if (!repository) {
      throw new AwsFault('RepositoryDoesNotExistException', `${repositoryName} does not exist`);
    }
    return repository;
  }

  async create(
    repositoryName: string,
    description: string | undefined,
    tags: Readonly<Record<string, string>>,
  ): Promise<Repository> {
    this.#requireFreeName(repositoryName);
    const nowMs = this.#engine.clock.nowMs();
    const repository: Repository = {
      repositoryId: this.#engine.ids.uuid(),
      repositoryName,
      description,
      defaultBranch: undefined,
      createdAtMs: nowMs,
      modifiedAtMs: nowMs,
      tags,
      refs: {},
    };
    const directory = this.directory(repository);
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    await this.git.run(['init', '--quiet', '--bare', '--template=', '--initial-branch=main', directory], {
      cwd: this.#root,
    });
    mkdirSync(join(directory, 'info'), { recursive: true });
    // Archives hold the commit's files as they are, whatever its .gitattributes say about exports.
    writeFileSync(join(directory, 'info', 'attributes'), '* -export-ignore -export-subst\n');
    this.#requireFreeName(repositoryName);
    return this.#table.put(repository.repositoryId, repository);
  }

  rename(from: string, to: string): void {
    const repository = this.get(from);
    this.#requireFreeName(to);
    this.#update(repository, { repositoryName: to });
  }

  #requireFreeName(repositoryName: string): void {
    if (!NAME.test(repositoryName)) {
      throw new AwsFault(
        'InvalidRepositoryNameException',
        `The repository name "${repositoryName}" is not valid: 1 to 100 letters, digits, '.', '_' and '-', not ending in .git.`,
      );
    }
    if (this.find(repositoryName)) {
      throw new AwsFault(
        'RepositoryNameExistsException',
        `Repository named ${repositoryName} already exists`,
      );
    }
  }

  /** Forgets the repository, then its files. Deleting an unknown one is no error, as on AWS. */
  async delete(repositoryName: string): Promise<string | undefined> {
    const repository = this.find(repositoryName);
    if (!repository) return undefined;
    await this.exclusively(repository, async () => {
      this.#table.delete(repository.repositoryId);
      await this.#engine.state.committed();
      await rm(this.directory(repository), { recursive: true, force: true });
    });
    return repository.repositoryId;
  }

  describe(repository: Repository, change: Partial<Pick<Repository, 'description' | 'tags'>>): void {
    this.#update(repository, change);
  }

  async setDefaultBranch(repository: Repository, branch: string): Promise<void> {
    this.commitOfBranch(repository, branch);
    await this.git.run(['symbolic-ref', 'HEAD', `refs/heads/${branch}`], { cwd: this.directory(repository) });
    this.#update(repository, { defaultBranch: branch });
  }

  /** Runs one change of a repository after the other, so that each is compared with the refs it found. */
  async exclusively<T>(repository: Repository, change: () => Promise<T>): Promise<T> {
    const id = repository.repositoryId;
    const before = this.#busy.get(id) ?? Promise.resolve();
    const run = before.then(change, change);
    const settled = run.then(
      () => {},
      () => {},
    );
    this.#busy.set(id, settled);
    try {
      return await run;
    } finally {
      if (this.#busy.get(id) === settled) this.#busy.delete(id);
    }
  }

  /** Refs that git holds now, by full name. */
  async readRefs(repository: Repository): Promise<Record<string, string>> {
    const listing = await this.git.text(
      ['for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads', 'refs/tags'],
      { cwd: this.directory(repository) },
    );
    const refs: Record<string, string> = {};
    for (const line of listing.split('\n')) {
      const space = line.indexOf(' ');
      if (space > 0) refs[line.slice(0, space)] = line.slice(space + 1);
    }
    return refs;
  }

  /**
   * Journals and publishes every ref that changed since it was last announced, and remembers the new ones in
   * the same transaction. Called with the repository held exclusively.
   */
  async announce(repositoryName: string, callerArn: string | undefined): Promise<void> {
    const known = this.find(repositoryName);
    if (!known) return;
    const refs = await this.readRefs(known);
    const repository = this.#table.get(known.repositoryId);
    if (!repository) return;
    const names = new Set([...Object.keys(repository.refs), ...Object.keys(refs)]);
    const changes: Change[] = [];
    for (const ref of names) {
      const before = repository.refs[ref];
      const after = refs[ref];
      if (before !== after) changes.push(describeChange(ref, before, after));
    }
    if (changes.length === 0) return;
    const branches = Object.keys(refs).filter((ref) => ref.startsWith('refs/heads/'));
    const first = branches.includes('refs/heads/main') ? 'refs/heads/main' : branches[0];
    const becomesDefault =
      repository.defaultBranch === undefined ? first?.slice('refs/heads/'.length) : undefined;
    this.#update(repository, {
      refs,
      ...(becomesDefault === undefined ? {} : { defaultBranch: becomesDefault }),
    });
    for (const change of changes) this.#publish(repository, change, callerArn);
    if (becomesDefault !== undefined && becomesDefault !== 'main') {
      await this.git.run(['symbolic-ref', 'HEAD', `refs/heads/${becomesDefault}`], {
        cwd: this.directory(repository),
      });
    }
  }

  #publish(repository: Repository, change: Change, callerArn: string | undefined): void {
    const { journal } = this.#engine;
    journal.append('codecommit', 'ref.changed', {
      repositoryName: repository.repositoryName,
      ...change,
      caller: callerArn,
    });
    journal.publish({
      source: 'aws.codecommit',
      'detail-type': 'CodeCommit Repository State Change',
      resources: [this.arn(repository.repositoryName)],
      detail: {
        event: change.event,
        repositoryName: repository.repositoryName,
        repositoryId: repository.repositoryId,
        referenceType: change.referenceType,
        referenceName: change.referenceName,
        referenceFullName: change.referenceFullName,
        ...(change.commitId === undefined ? {} : { commitId: change.commitId }),
        ...(change.oldCommitId === undefined ? {} : { oldCommitId: change.oldCommitId }),
        ...(callerArn === undefined ? {} : { callerUserArn: callerArn }),
      },
    });
  }

  /** The commit a branch points to, or AWS's error that the branch does not exist. */
  commitOfBranch(repository: Repository, branch: string | undefined): string {
    if (branch === undefined || branch === '') {
      throw new AwsFault('BranchNameRequiredException', 'A branch name is required.');
    }
    const commit = repository.refs[`refs/heads/${branch}`];
    if (commit === undefined) {
      throw new AwsFault('BranchDoesNotExistException', `Branch ${branch} does not exist`);
    }
    return commit;
  }

  #update(repository: Repository, change: Partial<Repository>): Repository {
    const current = this.#table.get(repository.repositoryId) ?? repository;
    return this.#table.put(repository.repositoryId, {
      ...current,
      ...change,
      modifiedAtMs: this.#engine.clock.nowMs(),
    });
  }
}

type Change = {
  readonly event: 'referenceCreated' | 'referenceUpdated' | 'referenceDeleted';
  readonly referenceType: 'branch' | 'tag';
  readonly referenceName: string;
  readonly referenceFullName: string;
  readonly commitId?: string;
  readonly oldCommitId?: string;
};

function describeChange(ref: string, before: string | undefined, after: string | undefined): Change {
  const branch = ref.startsWith('refs/heads/');
  return {
    event:
      before === undefined
        ? 'referenceCreated'
        : after === undefined
          ? 'referenceDeleted'
          : 'referenceUpdated',
    referenceType: branch ? 'branch' : 'tag',
    referenceName: ref.slice(branch ? 'refs/heads/'.length : 'refs/tags/'.length),
    referenceFullName: ref,
    ...(after === undefined ? {} : { commitId: after }),
    ...(before === undefined ? {} : { oldCommitId: before }),
  };
}
