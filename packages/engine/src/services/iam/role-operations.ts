import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Role } from '../../iam/roles.ts';
import { tagMap } from '../../iam/tags.ts';
import type { Input } from '../../sdk/services.ts';
import { checkMaxSession, type Documents } from './documents.ts';
import { type Entities, noSuchEntity } from './entities.ts';
import { tagList } from './tags.ts';

/** Making, describing, changing and deleting roles. */
export function roleOperations(engine: Engine, entities: Entities, documents: Documents) {
  const { store } = entities;
  const onRole = (input: { RoleName?: string | undefined }) => [entities.roleArn(input.RoleName)];

  return {
    CreateRole: {
      resources: onRole,
      run: (input) => {
        const role = newRole(engine, entities, documents, input);
        store.roles.put(role.arn, role);
        return { Role: shown(role) };
      },
    },
    GetRole: { resources: onRole, run: (input) => ({ Role: shown(entities.role(input.RoleName)) }) },
    ListRoles: { run: () => ({ Roles: [...store.roles.values()].map(shown), IsTruncated: false }) },
    UpdateRole: {
      resources: onRole,
      run: (input) => {
        const role = entities.role(input.RoleName);
        entities.update(role, {
          description: input.Description ?? role.description,
          maxSessionSeconds: checkMaxSession(input.MaxSessionDuration ?? role.maxSessionSeconds),
        });
        return {};
      },
    },
    UpdateAssumeRolePolicy: {
      resources: onRole,
      run: (input) => {
        entities.update(entities.role(input.RoleName), {
          trustPolicy: documents.trust(input.PolicyDocument),
        });
        return {};
      },
    },
    DeleteRole: {
      resources: onRole,
      run: (input) => {
        const role = entities.role(input.RoleName);
        if (Object.keys(role.inlinePolicies).length > 0 || role.attachedPolicyArns.length > 0) {
          throw new AwsFault('DeleteConflict', 'Cannot delete entity, must delete policies first.', 409);
        }
        store.roles.delete(role.arn);
        return {};
      },
    },
    PutRolePermissionsBoundary: {
      resources: onRole,
      run: (input) => {
        const role = entities.role(input.RoleName);
        entities.update(role, { permissionsBoundary: entities.boundary(input.PermissionsBoundary) });
        return {};
      },
    },
    DeleteRolePermissionsBoundary: {
      resources: onRole,
      run: (input) => {
        const { permissionsBoundary, ...unbounded } = entities.role(input.RoleName);
        if (permissionsBoundary === undefined) {
          throw noSuchEntity(`The role with name ${input.RoleName} has no permissions boundary.`);
        }
        store.roles.put(unbounded.arn, unbounded);
        return {};
      },
    },
    TagRole: {
      resources: onRole,
      run: (input) => {
        const role = entities.role(input.RoleName);
        entities.update(role, { tags: { ...role.tags, ...tagMap(input.Tags) } });
        return {};
      },
    },
    UntagRole: {
      resources: onRole,
      run: (input) => {
        const role = entities.role(input.RoleName);
        const kept = Object.entries(role.tags).filter(([key]) => !input.TagKeys?.includes(key));
        entities.update(role, { tags: Object.fromEntries(kept) });
        return {};
      },
    },
  } satisfies OperationTable<'iam'>;
}

function newRole(
  engine: Engine,
  entities: Entities,
  documents: Documents,
  input: Input<'iam', 'CreateRole'>,
): Role {
  const roleName = input.RoleName ?? '';
  if (!/^[\w+=,.@-]{1,64}$/.test(roleName)) {
    throw new AwsFault('ValidationError', `The specified value for roleName is invalid: ${roleName}`);
  }
  if (entities.store.byName(roleName)) {
    throw new AwsFault('EntityAlreadyExists', `Role with name ${roleName} already exists.`, 409);
  }
  const path = input.Path ?? '/';
  return {
    roleName,
    roleId: `AROA${engine.ids.suffix(17)}`,
    arn: `arn:aws:iam::${engine.accountId}:role${path}${roleName}`,
    path,
    trustPolicy: documents.trust(input.AssumeRolePolicyDocument),
    inlinePolicies: {},
    attachedPolicyArns: [],
    description: input.Description,
    maxSessionSeconds: checkMaxSession(input.MaxSessionDuration ?? 3600),
    createdAtMs: engine.clock.nowMs(),
    tags: tagMap(input.Tags),
    ...(input.PermissionsBoundary === undefined
      ? {}
      : { permissionsBoundary: entities.boundary(input.PermissionsBoundary) }),
  };
}

function shown(role: Role) {
  return {
    RoleName: role.roleName,
    RoleId: role.roleId,
    Arn: role.arn,
    Path: role.path,
    CreateDate: new Date(role.createdAtMs),
    AssumeRolePolicyDocument: encodeURIComponent(role.trustPolicy),
    MaxSessionDuration: role.maxSessionSeconds,
    ...(role.description === undefined ? {} : { Description: role.description }),
    ...(role.permissionsBoundary === undefined
      ? {}
      : {
          PermissionsBoundary: {
            PermissionsBoundaryType: 'PermissionsBoundaryPolicy' as const,
            PermissionsBoundaryArn: role.permissionsBoundary,
          },
        }),
    Tags: tagList(role.tags),
  };
}
