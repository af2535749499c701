import type { Engine, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { namedPrincipals, parsePolicy } from '../../iam/policy.ts';
import type { PolicyAuthorizer } from '../../iam/policy-authorizer.ts';
import { AWS_MANAGED_POLICIES, type Role } from '../../iam/roles.ts';

/** Identity and Access Management: roles, inline and managed policies. Users and groups do not exist here. */
export function createIam(engine: Engine, authorizer: PolicyAuthorizer): Service<'iam'> {
  const { store } = authorizer;
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
  const isPolicy = (arn: string) => store.policies.has(arn) || arn in AWS_MANAGED_POLICIES;
  /** A bound that nobody knows would be none at all. */
  const boundaryOf = (arn: string | undefined): string => {
    if (arn === undefined || !isPolicy(arn)) {
      throw noSuchEntity(`Scope ARN: ${arn} does not exist or is not attachable.`);
    }
    return arn;
  };
  const parsed = (document: string | undefined) => {
    const policy = parsePolicy(document ?? '');
    if ('error' in policy) throw new AwsFault('MalformedPolicyDocument', policy.error);
    return policy;
  };
  const checked = (document: string | undefined): string => {
    parsed(document);
    return document!;
  };
  /** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html: a role that is named must exist. */
  const checkedTrust = (document: string | undefined): string => {
    const absent = namedPrincipals(parsed(document)).find(
      (arn) => arn.startsWith(`arn:aws:iam::${engine.accountId}:role/`) && !store.roles.has(arn),
    );
    if (absent !== undefined) {
      throw new AwsFault('MalformedPolicyDocument', `Invalid principal in policy: "AWS":"${absent}"`);
    }
    return document!;
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

  return {
    name: 'iam',
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
            trustPolicy: checkedTrust(input.AssumeRolePolicyDocument),
            inlinePolicies: {},
            attachedPolicyArns: [],
            description: input.Description,
            maxSessionSeconds: input.MaxSessionDuration ?? 3600,
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
            maxSessionSeconds: input.MaxSessionDuration ?? role.maxSessionSeconds,
          });
          return {};
        },
      },
      UpdateAssumeRolePolicy: {
        resources: onRole,
        run: (input) => {
          update(roleOf(input.RoleName), { trustPolicy: checkedTrust(input.PolicyDocument) });
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
          const document = checked(input.PolicyDocument);
          update(role, { inlinePolicies: { ...role.inlinePolicies, [input.PolicyName ?? '']: document } });
          return {};
        },
      },
      GetRolePolicy: {
        resources: onRole,
        run: (input) => {
          const document = roleOf(input.RoleName).inlinePolicies[input.PolicyName ?? ''];
          if (document === undefined)
            throw noSuchEntity(`The role policy with name ${input.PolicyName} cannot be found.`);
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
          const { [input.PolicyName ?? '']: gone, ...inlinePolicies } = role.inlinePolicies;
          if (gone === undefined)
            throw noSuchEntity(`The role policy with name ${input.PolicyName} cannot be found.`);
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
              `Policy ${arn} does not exist or is not attachable: the local engine knows ${Object.keys(AWS_MANAGED_POLICIES).join(', ')} and the account's own policies.`,
            );
          }
          if (!role.attachedPolicyArns.includes(arn)) {
            update(role, { attachedPolicyArns: [...role.attachedPolicyArns, arn] });
          }
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
          const arn = `arn:aws:iam::${engine.accountId}:policy${input.Path ?? '/'}${input.PolicyName}`;
          if (store.policies.has(arn)) {
            throw new AwsFault(
              'EntityAlreadyExists',
              `A policy called ${input.PolicyName} already exists.`,
              409,
            );
          }
          const policy = store.policies.put(arn, {
            policyName: input.PolicyName ?? '',
            policyId: `ANPA${engine.ids.suffix(17)}`,
            arn,
            document: checked(input.PolicyDocument),
            createdAtMs: engine.clock.nowMs(),
          });
          return {
            Policy: {
              Arn: arn,
              PolicyName: policy.policyName,
              PolicyId: policy.policyId,
              DefaultVersionId: 'v1',
            },
          };
        },
      },
      CreatePolicyVersion: {
        resources: (input) => [input.PolicyArn ?? '*'],
        run: (input) => {
          const policy = policyOf(input.PolicyArn);
          store.policies.put(policy.arn, { ...policy, document: checked(input.PolicyDocument) });
          return { PolicyVersion: { VersionId: 'v1', IsDefaultVersion: true } };
        },
      },
      GetPolicy: {
        resources: (input) => [input.PolicyArn ?? '*'],
        run: (input) => {
          const policy = policyOf(input.PolicyArn);
          return {
            Policy: {
              Arn: policy.arn,
              PolicyName: policy.policyName,
              PolicyId: policy.policyId,
              DefaultVersionId: 'v1',
            },
          };
        },
      },
      GetPolicyVersion: {
        resources: (input) => [input.PolicyArn ?? '*'],
        run: (input) => ({
          PolicyVersion: {
            VersionId: 'v1',
            IsDefaultVersion: true,
            Document: encodeURIComponent(policyOf(input.PolicyArn).document),
          },
        }),
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
