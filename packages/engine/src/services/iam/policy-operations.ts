import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { ManagedPolicy, Role } from '../../iam/roles.ts';
import { checkPolicyName, type Documents } from './documents.ts';
import type { Entities } from './entities.ts';

/** Managed policies of the account. Each has one version, `v1`. */
export function policyOperations(engine: Engine, entities: Entities, documents: Documents) {
  const { store } = entities;

  return {
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
        });
        return { Policy: shown(policy) };
      },
    },
    CreatePolicyVersion: {
      resources: (input) => [input.PolicyArn ?? '*'],
      run: (input) => {
        const policy = entities.policy(input.PolicyArn);
        store.policies.put(policy.arn, { ...policy, document: documents.managed(input.PolicyDocument) });
        return { PolicyVersion: { VersionId: 'v1', IsDefaultVersion: true } };
      },
    },
    GetPolicy: {
      resources: (input) => [input.PolicyArn ?? '*'],
      run: (input) => ({ Policy: shown(entities.policy(input.PolicyArn)) }),
    },
    GetPolicyVersion: {
      resources: (input) => [input.PolicyArn ?? '*'],
      run: (input) => ({
        PolicyVersion: {
          VersionId: 'v1',
          IsDefaultVersion: true,
          Document: encodeURIComponent(entities.policy(input.PolicyArn).document),
        },
      }),
    },
    DeletePolicy: {
      resources: (input) => [input.PolicyArn ?? '*'],
      run: (input) => {
        const { arn } = entities.policy(input.PolicyArn);
        const uses = (role: Role) =>
          role.attachedPolicyArns.includes(arn) || role.permissionsBoundary === arn;
        if ([...store.roles.values()].some(uses)) {
          throw new AwsFault('DeleteConflict', 'Cannot delete a policy attached to entities.', 409);
        }
        store.policies.delete(arn);
        return {};
      },
    },
  } satisfies OperationTable<'iam'>;
}

function shown({ arn, policyName, policyId }: ManagedPolicy) {
  return { Arn: arn, PolicyName: policyName, PolicyId: policyId, DefaultVersionId: 'v1' };
}
