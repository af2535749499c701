import type { StackManager } from '../../cloudformation/stack-manager.ts';
import type { ChangeSetRecord, StackRecord } from '../../cloudformation/stack-store.ts';
import { AwsFault } from '../../errors.ts';

/** The change sets of the account, found by ARN, or by the names of stack and change set. */
export class ChangeSets {
  readonly #manager: StackManager;

  constructor(manager: StackManager) {
    this.#manager = manager;
  }

  find(stackName: string | undefined, name: string | undefined): ChangeSetRecord | undefined {
    const { store } = this.#manager;
    if (name?.startsWith('arn:')) return store.changeSets.get(name);
    const stack = store.find(stackName ?? '');
    return [...store.changeSets.values()].find(
      (changeSet) => changeSet.stackId === stack?.id && changeSet.name === name,
    );
  }

  /** The change set; fails with `ChangeSetNotFound` where there is none. */
  require(stackName: string | undefined, name: string | undefined): ChangeSetRecord {
    if (!name?.startsWith('arn:')) this.#manager.stack(stackName);
    const changeSet = this.find(stackName, name);
    if (!changeSet) throw new AwsFault('ChangeSetNotFound', `ChangeSet [${name}] does not exist`, 404);
    return changeSet;
  }

  /** The stack that a new change set is for, if there is one; refused where it cannot be made. */
  requirePossible(
    type: 'CREATE' | 'UPDATE',
    stackName: string | undefined,
    name: string,
  ): StackRecord | undefined {
    const manager = this.#manager;
    const found = manager.store.find(stackName ?? '');
    const inReview = found?.status === 'REVIEW_IN_PROGRESS';
    if (type === 'CREATE' && found && !inReview) {
      throw new AwsFault(
        'ValidationError',
        `Stack [${found.name}] already exists and cannot be created again with the changeSet [${name}].`,
      );
    }
    if (type === 'UPDATE') manager.requireReady(manager.stack(stackName));
    if (this.find(stackName, name))
      throw new AwsFault('AlreadyExistsException', `ChangeSet ${name} already exists`);
    return found;
  }
}
