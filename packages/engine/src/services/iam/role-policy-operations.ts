import type { OperationTable } from '../../dispatch/service.ts';
import { AWS_MANAGED_POLICIES } from '../../iam/aws-managed-policies.ts';
import type { Role } from '../../iam/roles.ts';
import { attached, checkPolicyName, type Documents } from './documents.ts';
import { type Entities, noSuchEntity } from './entities.ts';

/** A role's policies: inline ones, and managed ones that are attached. */
export function rolePolicyOperations(entities: Entities, documents: Documents) {
  const onRole = (input: { RoleName?: string | undefined }) => [entities.roleArn(input.RoleName)];

  return {
    PutRolePolicy: {
      resources: onRole,
      run: (input) => {
        const role = entities.role(input.RoleName);
        const name = checkPolicyName(input.PolicyName);
        entities.update(role, { inlinePolicies: documents.inline(role, name, input.PolicyDocument) });
        return {};
      },
    },
    GetRolePolicy: {
      resources: onRole,
      run: (input) => {
        const document = inlinePolicy(entities.role(input.RoleName), input.PolicyName);
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
        PolicyNames: Object.keys(entities.role(input.RoleName).inlinePolicies),
        IsTruncated: false,
      }),
    },
    DeleteRolePolicy: {
      resources: onRole,
      run: (input) => {
        const role = entities.role(input.RoleName);
        inlinePolicy(role, input.PolicyName);
        const { [input.PolicyName!]: _gone, ...inlinePolicies } = role.inlinePolicies;
        entities.update(role, { inlinePolicies });
        return {};
      },
    },
    AttachRolePolicy: {
      resources: onRole,
      run: (input) => {
        const role = entities.role(input.RoleName);
        const arn = input.PolicyArn ?? '';
        if (!entities.isPolicy(arn)) {
          throw noSuchEntity(
            `Policy ${arn} does not exist or is not attachable: the local engine knows ${[...AWS_MANAGED_POLICIES.keys()].join(', ')} and the account's own policies.`,
          );
        }
        entities.update(role, { attachedPolicyArns: attached(role, arn) });
        return {};
      },
    },
    DetachRolePolicy: {
      resources: onRole,
      run: (input) => {
        const role = entities.role(input.RoleName);
        entities.update(role, {
          attachedPolicyArns: role.attachedPolicyArns.filter((arn) => arn !== input.PolicyArn),
        });
        return {};
      },
    },
    ListAttachedRolePolicies: {
      resources: onRole,
      run: (input) => ({
        AttachedPolicies: entities.role(input.RoleName).attachedPolicyArns.map((PolicyArn) => ({
          PolicyArn,
          PolicyName: PolicyArn.split('/').at(-1),
        })),
        IsTruncated: false,
      }),
    },
  } satisfies OperationTable<'iam'>;
}

function inlinePolicy(role: Role, name: string | undefined): string {
  const document = Object.hasOwn(role.inlinePolicies, name ?? '') ? role.inlinePolicies[name!] : undefined;
  if (document === undefined) throw noSuchEntity(`The role policy with name ${name} cannot be found.`);
  return document;
}
