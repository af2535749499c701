import type { Engine, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { AWS_MANAGED_POLICIES } from '../../iam/aws-managed-policies.ts';
import type { PolicyAuthorizer } from '../../iam/policy-authorizer.ts';
import { directoryOf, type ManagedPolicy, type Role } from '../../iam/roles.ts';
import { attached, checkMaxSession, checkPolicyName, Documents } from './documents.ts';

/** Identity and Access Management: roles, inline and managed policies. Users and groups do not exist here. */
export function createIam(engine: Engine, authorizer: PolicyAuthorizer): Service<'iam'> {
  const { store } = authorizer;
  const documents = new Documents(directoryOf(engine));
  const roleArn = (name: string | undefined) =>
    store.byName(name ?? '')?.arn ?? `arn:aws:iam::${engine.accountId}:role/${name}`;
  const onRole = (input: { RoleName?: string | undefined }) => [roleArn(input.RoleName)];
  const roleOf = (name: string | undefined): Role => {
    const role = store.byName(name ?? '');
    if (!role) throw noSuchEntity(`The role with name ${name} cannot be found.`);
    return role;
  };
  const policyOf = (arn: string | undefined) => {
    const policy = store.policies.get(arn ?? '');
    if (!policy) throw noSuchEntity(`Policy ${arn} does not exist or is not attachable.`);
    return policy;
  };
  const isPolicy = (arn: string) => store.managed(arn) !== undefined;
  /** A bound that nobody knows would be none at all. */
  const boundaryOf = (arn: string | undefined): string => {
    if (arn === undefined || !isPolicy(arn)) {
      throw noSuchEntity(`Scope ARN: ${arn} does not exist or is not attachable.`);
    }
    return arn;
  };
  const inlineOf = (role: Role, name: string | undefined): string => {
    const document = Object.hasOwn(role.inlinePolicies, name ?? '') ? role.inlinePolicies[name!] : undefined;
    if (document === undefined) throw noSuchEntity(`The role policy with name ${name} cannot be found.`);
    return document;
  };
  const update = (role: Role, changes: Partial<Role>) => store.roles.put(role.arn, { ...role, ...changes });
  const shown = (role: Role) => ({
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
    Tags: Object.entries(role.tags).map(([Key, Value]) => ({ Key, Value })),
  });
  const tagsOf = (
    tags: ReadonlyArray<{ Key?: string | undefined; Value?: string | undefined }> | undefined,
  ) => Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? '']));

  const shownPolicy = (policy: ManagedPolicy) => ({
    Arn: policy.arn,
    PolicyName: policy.policyName,
    PolicyId: policy.policyId,
    DefaultVersionId: 'v1',
    Description: policy.description,
    CreateDate: new Date(policy.createdAtMs),
    Tags: Object.entries(policy.tags ?? {}).map(([Key, Value]) => ({ Key, Value })),
  });

  return {
    name: 'iam',
    resourceTags: (arn) => store.roles.get(arn)?.tags,
    operations: {
      CreateRole: {
        resources: onRole,
        run: (input) => {
          const roleName = input.RoleName ?? '';
          if (!/^[\w+=,.@-]{1,64}$/.test(roleName)) {
            throw new AwsFault('ValidationError', `The specified value for roleName is invalid: ${roleName}`);
          }
          if (store.byName(roleName)) {
            throw new AwsFault('EntityAlreadyExists', `Role with name ${roleName} already exists.`, 409);
          }
          const path = input.Path ?? '/';
          const role: Role = {
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
            tags: tagsOf(input.Tags),
            ...(input.PermissionsBoundary === undefined
              ? {}
              : { permissionsBoundary: boundaryOf(input.PermissionsBoundary) }),
          };
          store.roles.put(role.arn, role);
          return { Role: shown(role) };
        },
      },
      GetRole: { resources: onRole, run: (input) => ({ Role: shown(roleOf(input.RoleName)) }) },
      ListRoles: { run: () => ({ Roles: [...store.roles.values()].map(shown), IsTruncated: false }) },
      UpdateRole: {
        resources: onRole,
        run: (input) => {
          const role = roleOf(input.RoleName);
          update(role, {
            description: input.Description ?? role.description,
            maxSessionSeconds: checkMaxSession(input.MaxSessionDuration ?? role.maxSessionSeconds),
          });
          return {};
        },
      },
      UpdateAssumeRolePolicy: {
        resources: onRole,
        run: (input) => {
          update(roleOf(input.RoleName), { trustPolicy: documents.trust(input.PolicyDocument) });
          return {};
        },
      },
      DeleteRole: {
        resources: onRole,
        run: (input) => {
          const role = roleOf(input.RoleName);
          if (Object.keys(role.inlinePolicies).length > 0 || role.attachedPolicyArns.length > 0) {
            throw new AwsFault('DeleteConflict', 'Cannot delete entity, must delete policies first.', 409);
          }
          store.roles.delete(role.arn);
          return {};
        },
      },
      PutRolePolicy: {
        resources: onRole,
        run: (input) => {
          const role = roleOf(input.RoleName);
          const name = checkPolicyName(input.PolicyName);
          update(role, { inlinePolicies: documents.inline(role, name, input.PolicyDocument) });
          return {};
        },
      },
      GetRolePolicy: {
        resources: onRole,
        run: (input) => {
          const document = inlineOf(roleOf(input.RoleName), input.PolicyName);
          return {
            RoleName: input.RoleName,
            PolicyName: input.PolicyName,
            PolicyDocument: encodeURIComponent(document),
          };
        },
      },
      ListRolePolicies: {
        resources: onRole,
        run: (input) => ({
          PolicyNames: Object.keys(roleOf(input.RoleName).inlinePolicies),
          IsTruncated: false,
        }),
      },
      DeleteRolePolicy: {
        resources: onRole,
        run: (input) => {
          const role = roleOf(input.RoleName);
          inlineOf(role, input.PolicyName);
          const { [input.PolicyName!]: _gone, ...inlinePolicies } = role.inlinePolicies;
          update(role, { inlinePolicies });
          return {};
        },
      },
      AttachRolePolicy: {
        resources: onRole,
        run: (input) => {
          const role = roleOf(input.RoleName);
          const arn = input.PolicyArn ?? '';
          if (!isPolicy(arn)) {
            throw noSuchEntity(
              `Policy ${arn} does not exist or is not attachable: the local engine knows ${[...AWS_MANAGED_POLICIES.keys()].join(', ')} and the account's own policies.`,
            );
          }
          update(role, { attachedPolicyArns: attached(role, arn) });
          return {};
        },
      },
      DetachRolePolicy: {
        resources: onRole,
        run: (input) => {
          const role = roleOf(input.RoleName);
          update(role, {
            attachedPolicyArns: role.attachedPolicyArns.filter((arn) => arn !== input.PolicyArn),
          });
          return {};
        },
      },
      ListAttachedRolePolicies: {
        resources: onRole,
        run: (input) => ({
          AttachedPolicies: roleOf(input.RoleName).attachedPolicyArns.map((PolicyArn) => ({
            PolicyArn,
            PolicyName: PolicyArn.split('/').at(-1),
          })),
          IsTruncated: false,
        }),
      },
      PutRolePermissionsBoundary: {
        resources: onRole,
        run: (input) => {
          const role = roleOf(input.RoleName);
          update(role, { permissionsBoundary: boundaryOf(input.PermissionsBoundary) });
          return {};
        },
      },
      DeleteRolePermissionsBoundary: {
        resources: onRole,
        run: (input) => {
          const { permissionsBoundary, ...unbounded } = roleOf(input.RoleName);
          if (permissionsBoundary === undefined) {
            throw noSuchEntity(`The role with name ${input.RoleName} has no permissions boundary.`);
          }
          store.roles.put(unbounded.arn, unbounded);
          return {};
        },
      },
      CreatePolicy: {
        run: (input) => {
          const policyName = checkPolicyName(input.PolicyName);
          const arn = `arn:aws:iam::${engine.accountId}:policy${input.Path ?? '/'}${policyName}`;
          if (store.policies.has(arn)) {
            throw new AwsFault(
              'EntityAlreadyExists',
              `A policy called ${input.PolicyName} already exists.`,
              409,
            );
          }
          const policy = store.policies.put(arn, {
            policyName,
            policyId: `ANPA${engine.ids.suffix(17)}`,
            arn,
            document: documents.managed(input.PolicyDocument),
            createdAtMs: engine.clock.nowMs(),
            description: input.Description,
            tags: tagsOf(input.Tags),
          });
          // AWS shows the description in GetPolicy only.
          return { Policy: { ...shownPolicy(policy), Description: undefined } };
        },
      },
      CreatePolicyVersion: {
        resources: (input) => [input.PolicyArn ?? '*'],
        run: (input) => {
          const policy = policyOf(input.PolicyArn);
          if (!input.SetAsDefault) {
            throw new AwsFault(
              'NotImplemented',
              'the local engine keeps one version of a policy: set SetAsDefault, so that the new one replaces it',
              501,
            );
          }
          store.policies.put(policy.arn, { ...policy, document: documents.managed(input.PolicyDocument) });
          return { PolicyVersion: { VersionId: 'v1', IsDefaultVersion: true } };
        },
      },
      GetPolicy: {
        resources: (input) => [input.PolicyArn ?? '*'],
        run: (input) => ({ Policy: shownPolicy(policyOf(input.PolicyArn)) }),
      },
      GetPolicyVersion: {
        resources: (input) => [input.PolicyArn ?? '*'],
        run: (input) => {
          const { arn, document } = policyOf(input.PolicyArn);
          if (input.VersionId !== 'v1')
            throw noSuchEntity(
              `Policy ${arn} version ${input.VersionId} does not exist or is not attachable.`,
            );
          return {
            PolicyVersion: {
              VersionId: 'v1',
              IsDefaultVersion: true,
              Document: encodeURIComponent(document),
            },
          };
        },
      },
      DeletePolicy: {
        resources: (input) => [input.PolicyArn ?? '*'],
        run: (input) => {
          const { arn } = policyOf(input.PolicyArn);
          const uses = (role: Role) =>
            role.attachedPolicyArns.includes(arn) || role.permissionsBoundary === arn;
          if ([...store.roles.values()].some(uses)) {
            throw new AwsFault('DeleteConflict', 'Cannot delete a policy attached to entities.', 409);
          }
          store.policies.delete(arn);
          return {};
        },
      },
      TagRole: {
        resources: onRole,
        run: (input) => {
          const role = roleOf(input.RoleName);
          update(role, { tags: { ...role.tags, ...tagsOf(input.Tags) } });
          return {};
        },
      },
      UntagRole: {
        resources: onRole,
        run: (input) => {
          const role = roleOf(input.RoleName);
          const kept = Object.entries(role.tags).filter(([key]) => !input.TagKeys?.includes(key));
          update(role, { tags: Object.fromEntries(kept) });
          return {};
        },
      },
    },
  };
}

function noSuchEntity(message: string): AwsFault {
  return new AwsFault('NoSuchEntity', message, 404);
}
