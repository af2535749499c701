import {
  defineResource,
  listed,
  type ResourceContext,
  retag,
  tagList,
  unlessMissing,
} from './resource-type.ts';
import { document, list, number, object, type Properties, required, tags, text } from './schema.ts';

const properties = {
  RoleName: text,
  AssumeRolePolicyDocument: required(document),
  Description: text,
  ManagedPolicyArns: list(text),
  MaxSessionDuration: number,
  Path: text,
  PermissionsBoundary: text,
  Policies: list(object({ PolicyName: required(text), PolicyDocument: required(document) })),
  Tags: tags,
};
type Role = Properties<typeof properties>;

const nameOf = (context: ResourceContext, role: Role) => role.RoleName ?? context.name({ longest: 64 });

async function addPolicies(context: ResourceContext, RoleName: string, role: Role): Promise<void> {
  for (const PolicyArn of role.ManagedPolicyArns ?? []) {
    await context.call('iam', 'AttachRolePolicy', { RoleName, PolicyArn });
  }
  for (const { PolicyName, PolicyDocument } of role.Policies ?? []) {
    await context.call('iam', 'PutRolePolicy', {
      RoleName,
      PolicyName,
      PolicyDocument: JSON.stringify(PolicyDocument),
    });
  }
}

/** Takes away what `role` lists and `keeping` does not. */
async function removePolicies(
  context: ResourceContext,
  RoleName: string,
  role: Role,
  keeping?: Role,
): Promise<void> {
  for (const PolicyArn of role.ManagedPolicyArns ?? []) {
    if (keeping?.ManagedPolicyArns?.includes(PolicyArn)) continue;
    await unlessMissing(() => context.call('iam', 'DetachRolePolicy', { RoleName, PolicyArn }));
  }
  for (const { PolicyName } of role.Policies ?? []) {
    if (keeping?.Policies?.some((policy) => policy.PolicyName === PolicyName)) continue;
    await unlessMissing(() => context.call('iam', 'DeleteRolePolicy', { RoleName, PolicyName }));
  }
}

export const iamRole = defineResource('AWS::IAM::Role', {
  properties,
  attributes: ['Arn', 'RoleId'],
  createOnly: ['RoleName', 'Path'],
  identify: nameOf,
  exists: async (context, RoleName) =>
    (await unlessMissing(() => context.call('iam', 'GetRole', { RoleName }))) !== undefined,
  async create(context, role) {
    const RoleName = nameOf(context, role);
    const { Role } = await context.call('iam', 'CreateRole', {
      RoleName,
      AssumeRolePolicyDocument: JSON.stringify(role.AssumeRolePolicyDocument),
      Description: role.Description,
      MaxSessionDuration: role.MaxSessionDuration,
      Path: role.Path,
      PermissionsBoundary: role.PermissionsBoundary,
      Tags: tagList(context, role.Tags),
    });
    await addPolicies(context, RoleName, role);
    return { id: RoleName, attributes: { Arn: Role!.Arn!, RoleId: Role!.RoleId! } };
  },
  async update(context, role, existing) {
    const { id, properties: before } = existing;
    await context.call('iam', 'UpdateAssumeRolePolicy', {
      RoleName: id,
      PolicyDocument: JSON.stringify(role.AssumeRolePolicyDocument),
    });
    await context.call('iam', 'UpdateRole', {
      RoleName: id,
      Description: role.Description ?? '',
      MaxSessionDuration: role.MaxSessionDuration ?? 3600,
    });
    if (role.PermissionsBoundary !== before.PermissionsBoundary) {
      if (role.PermissionsBoundary === undefined) {
        await context.call('iam', 'DeleteRolePermissionsBoundary', { RoleName: id });
      } else {
        await context.call('iam', 'PutRolePermissionsBoundary', {
          RoleName: id,
          PermissionsBoundary: role.PermissionsBoundary,
        });
      }
    }
    await addPolicies(context, id, role);
    await removePolicies(context, id, before, role);
    await retag(context, role.Tags, existing, {
      set: (tags) => context.call('iam', 'TagRole', { RoleName: id, Tags: listed(tags) }),
      remove: (TagKeys) => context.call('iam', 'UntagRole', { RoleName: id, TagKeys }),
    });
    return undefined;
  },
  async delete(context, { id, properties: role }) {
    await removePolicies(context, id, role);
    await unlessMissing(() => context.call('iam', 'DeleteRole', { RoleName: id }));
  },
});
