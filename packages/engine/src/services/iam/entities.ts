import { AwsFault } from '../../errors.ts';
import type { ManagedPolicy, Role, RoleStore } from '../../iam/roles.ts';

/** The roles and managed policies of the account; what is asked for and is not there is a `NoSuchEntity`. */
export class Entities {
  readonly store: RoleStore;
  readonly #accountId: string;

  constructor(store: RoleStore, accountId: string) {
    this.store = store;
    this.#accountId = accountId;
  }

  roleArn(name: string | undefined): string {
    return this.store.byName(name ?? '')?.arn ?? `arn:aws:iam::${this.#accountId}:role/${name}`;
  }

  role(name: string | undefined): Role {
    const role = this.store.byName(name ?? '');
    if (!role) throw noSuchEntity(`The role with name ${name} cannot be found.`);
    return role;
  }

  policy(arn: string | undefined): ManagedPolicy {
    const policy = this.store.policies.get(arn ?? '');
    if (!policy) throw noSuchEntity(`Policy ${arn} does not exist or is not attachable.`);
    return policy;
  }

  isPolicy(arn: string): boolean {
    return this.store.managed(arn) !== undefined;
  }

  /** A bound that nobody knows would be none at all. */
  boundary(arn: string | undefined): string {
    if (arn === undefined || !this.isPolicy(arn)) {
      throw noSuchEntity(`Scope ARN: ${arn} does not exist or is not attachable.`);
    }
    return arn;
  }

  update(role: Role, changes: Partial<Role>): void {
    this.store.roles.put(role.arn, { ...role, ...changes });
  }
}

export function noSuchEntity(message: string): AwsFault {
  return new AwsFault('NoSuchEntity', message, 404);
}
