import { AwsFault } from '../errors.ts';
import { defineResource, type ResourceContext, unlessMissing } from './resource-type.ts';
import { document, list, type Properties, required, text } from './schema.ts';

const properties = {
  PolicyName: required(text),
  PolicyDocument: required(document),
  Roles: list(text),
};
type Policy = Properties<typeof properties>;

async function put(context: ResourceContext, policy: Policy): Promise<void> {
  if (!policy.Roles || policy.Roles.length === 0) {
    throw new AwsFault(
      'ValidationError',
      'At least one of [Groups,Roles,Users] must be non-empty; the local engine knows roles only.',
    );
  }
  for (const RoleName of policy.Roles) {
    await context.call('iam', 'PutRolePolicy', {
      RoleName,
      PolicyName: policy.PolicyName,
      PolicyDocument: JSON.stringify(policy.PolicyDocument),
    });
  }
}

async function remove(context: ResourceContext, policy: Policy, kept: readonly string[] = []): Promise<void> {
  for (const RoleName of policy.Roles ?? []) {
    if (kept.includes(RoleName)) continue;
    await unlessMissing(() =>
      context.call('iam', 'DeleteRolePolicy', { RoleName, PolicyName: policy.PolicyName }),
    );
  }
}

/** An inline policy put on roles. Users and groups do not exist here and are refused as unknown keys. */
export const iamPolicy = defineResource('AWS::IAM::Policy', {
  properties,
  attributes: ['Id'],
  async create(context, policy) {
    await put(context, policy);
    const id = context.name({ longest: 128 });
    return { id, attributes: { Id: id } };
  },
  async update(context, policy, { properties: before }) {
    await put(context, policy);
    await remove(context, before, before.PolicyName === policy.PolicyName ? policy.Roles : []);
    return undefined;
  },
  delete: (context, { properties: policy }) => remove(context, policy),
});
