import { defineResource, type ResourceContext, unlessMissing } from './resource-type.ts';
import { document, list, type Properties, required, text } from './schema.ts';

const properties = {
  ManagedPolicyName: text,
  Description: text,
  Path: text,
  PolicyDocument: required(document),
  Roles: list(text),
};
type Policy = Properties<typeof properties>;

const nameOf = (context: ResourceContext, policy: Policy) =>
  policy.ManagedPolicyName ?? context.name({ longest: 128 });
const arnOf = (context: ResourceContext, policy: Policy) =>
  `arn:aws:iam::${context.accountId}:policy${policy.Path ?? '/'}${nameOf(context, policy)}`;

export const iamManagedPolicy = defineResource('AWS::IAM::ManagedPolicy', {
  properties,
  attributes: ['PolicyArn', 'PolicyId'],
  createOnly: ['ManagedPolicyName', 'Description', 'Path'],
  identify: arnOf,
  exists: async (context, PolicyArn) =>
    (await unlessMissing(() => context.call('iam', 'GetPolicy', { PolicyArn }))) !== undefined,
  async create(context, policy) {
    const { Policy } = await context.call('iam', 'CreatePolicy', {
      PolicyName: nameOf(context, policy),
      Path: policy.Path,
      Description: policy.Description,
      PolicyDocument: JSON.stringify(policy.PolicyDocument),
    });
    const PolicyArn = Policy!.Arn!;
    for (const RoleName of policy.Roles ?? []) {
      await context.call('iam', 'AttachRolePolicy', { RoleName, PolicyArn });
    }
    return { id: PolicyArn, attributes: { PolicyArn, PolicyId: Policy!.PolicyId! } };
  },
  async update(context, policy, { id: PolicyArn, properties: before }) {
    await context.call('iam', 'CreatePolicyVersion', {
      PolicyArn,
      PolicyDocument: JSON.stringify(policy.PolicyDocument),
      SetAsDefault: true,
    });
    for (const RoleName of policy.Roles ?? []) {
      await context.call('iam', 'AttachRolePolicy', { RoleName, PolicyArn });
    }
    for (const RoleName of before.Roles ?? []) {
      if (policy.Roles?.includes(RoleName)) continue;
      await unlessMissing(() => context.call('iam', 'DetachRolePolicy', { RoleName, PolicyArn }));
    }
    return undefined;
  },
  async delete(context, { id: PolicyArn, properties: policy }) {
    for (const RoleName of policy.Roles ?? []) {
      await unlessMissing(() => context.call('iam', 'DetachRolePolicy', { RoleName, PolicyArn }));
    }
    await unlessMissing(() => context.call('iam', 'DeletePolicy', { PolicyArn }));
  },
});
