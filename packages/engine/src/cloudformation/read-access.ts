import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { UserError } from '../errors.ts';
import type { Denial, Grant, UsedGrant } from '../iam/access-record.ts';
import { grantsOf } from '../iam/policy.ts';
import { parsePolicy } from '../iam/policy-grammar.ts';
import type { ManagedPolicy, Role } from '../iam/roles.ts';
import { stateFailure } from '../state/state-failure.ts';
import { BOOTSTRAP_STACK } from './bootstrap-template.ts';
import type { ResourceRecord } from './stack-store.ts';

/** A grant of a role, and whether a call was ever allowed by it. */
export interface GrantUse extends Grant {
  readonly used: boolean;
}

/** What a role of a stack may do, and what of it it did. */
export interface RoleAccess {
  /** Logical id in the template. */
  readonly logicalId: string;
  readonly roleName: string;
  readonly grants: readonly GrantUse[];
}

/** What the roles of all stacks but the CDK's own were granted and used, and what was refused to anyone. */
export interface Access {
  readonly roles: readonly RoleAccess[];
  /** Refused calls. A role of a stack goes by its logical id. */
  readonly denied: readonly Denial[];
}

/**
 * Reads from an engine's state directory which permissions the roles of its stacks have, which of them were used,
 * and what was refused. The engine may be running or have ended; nothing is written.
 */
export function readAccess(directory: string): Access {
  const path = join(directory, 'engine.db');
  if (!existsSync(path)) {
    throw new UserError(
      'NoState',
      `${directory} holds no state of an engine: name the directory that "queue-canary up --state" was given`,
    );
  }
  try {
    return readDatabase(path);
  } catch (error) {
    throw stateFailure(path, error);
  }
}

function readDatabase(path: string): Access {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const entries = <T>(name: string): Array<readonly [string, T]> =>
      exists(db, name)
        ? db
            .prepare(`SELECT key, value FROM "${name}"`)
            .all()
            .map((row) => [row.key as string, JSON.parse(row.value as string) as T])
        : [];
    const table = <T>(name: string): T[] => entries<T>(name).map(([, value]) => value);
    const documents = new Map(
      table<ManagedPolicy>('iam.policies').map(({ arn, document }) => [arn, document]),
    );
    const logicalIds = new Map(
      entries<ResourceRecord>('cloudformation.resources')
        .filter(([key, { type }]) => type === 'AWS::IAM::Role' && !key.includes(`:stack/${BOOTSTRAP_STACK}/`))
        .map(([, { id, logicalId }]) => [id, logicalId]),
    );
    const used = new Set(table<UsedGrant>('iam.used-grants').map(keyOf));
    const roles = table<Role>('iam.roles').flatMap((role) => {
      const logicalId = logicalIds.get(role.roleName);
      return logicalId === undefined ? [] : [{ role, logicalId }];
    });
    const names = new Map(roles.map(({ role, logicalId }) => [role.arn, logicalId]));
    return {
      roles: roles
        .map(({ role, logicalId }) => ({
          logicalId,
          roleName: role.roleName,
          grants: grantsOfRole(role, documents).map((grant) => ({
            ...grant,
            used: used.has(keyOf({ roleArn: role.arn, ...grant })),
          })),
        }))
        .sort((a, b) => (a.logicalId < b.logicalId ? -1 : 1)),
      denied: table<Denial>('iam.denials').map((denial) => ({
        ...denial,
        principal: names.get(denial.principal) ?? denial.principal,
      })),
    };
  } finally {
    db.close();
  }
}

/** Each grant once, however many statements repeat it. */
function grantsOfRole(role: Role, managed: ReadonlyMap<string, string>): Grant[] {
  const grants = new Map<string, Grant>();
  const attached = role.attachedPolicyArns.flatMap((arn) => managed.get(arn) ?? []);
  for (const text of [...Object.values(role.inlinePolicies), ...attached]) {
    const document = parsePolicy(text, 'identity');
    if ('error' in document) continue;
    for (const grant of grantsOf(document)) grants.set(`${grant.action} ${grant.resource}`, grant);
  }
  return [...grants.values()];
}

function keyOf({ roleArn, action, resource }: UsedGrant): string {
  return `${roleArn} ${action} ${resource}`;
}

function exists(db: DatabaseSync, table: string): boolean {
  return db.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(table) !== undefined;
}
