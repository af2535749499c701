import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { ManagedPolicy, Role } from '../../iam/roles.ts';
import { tagMap } from '../../iam/tags.ts';
import { checkPolicyName, type Documents } from './documents.ts';
import { type Entities, noSuchEntity } from './entities.ts';
import { tagList } from './tags.ts';

/** Managed policies of the account. Each has one version, `v1`. */
export function policyOperations(engine: Engine, entities: Entities, documents: Documents) {
  const { store } = entities;
  const arnOf = (path = '/', name = '*') => `arn:aws:iam::${engine.accountId}:policy${path}${name}`;

  return {
    CreatePolicy: {
      resources: ({ Path, PolicyName }) => [arnOf(Path, PolicyName)],
      run: (input) => {
        const policyName = checkPolicyName(input.PolicyName);
        const arn = arnOf(input.Path, policyName);
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
          tags: tagMap(input.Tags),
        });
        // AWS shows the description in GetPolicy only.
        return { Policy: { ...shown(policy), Description: undefined } };
      },
    },
    CreatePolicyVersion: {
      resources: (input) => [input.PolicyArn ?? '*'],
      run: (input) => {
        const policy = entities.policy(input.PolicyArn);
        const document = documents.managed(input.PolicyDocument);
        if (!input.SetAsDefault) {
          throw new AwsFault(
            'NotImplemented',
            'the local engine keeps one version of a policy: set SetAsDefault, so that the new one replaces it',
            501,
          );
        }
        store.policies.put(policy.arn, { ...policy, document });
        return { PolicyVersion: { VersionId: 'v1', IsDefaultVersion: true } };
      },
    },
    GetPolicy: {
      resources: (input) => [input.PolicyArn ?? '*'],
      run: (input) => ({ Policy: shown(entities.policy(input.PolicyArn)) }),
    },
    GetPolicyVersion: {
      resources: (input) => [input.PolicyArn ?? '*'],
      run: (input) => {
        const { arn, document } = entities.policy(input.PolicyArn);
        if (input.VersionId !== 'v1') {
          throw noSuchEntity(`Policy ${arn} version ${input.VersionId} does not exist or is not attachable.`);
        }
        return {
          PolicyVersion: { VersionId: 'v1', IsDefaultVersion: true, Document: encodeURIComponent(document) },
        };
      },
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

function shown(policy: ManagedPolicy) {
  return {
    Arn: policy.arn,
    PolicyName: policy.policyName,
    PolicyId: policy.policyId,
    DefaultVersionId: 'v1',
    Description: policy.description,
    CreateDate: new Date(policy.createdAtMs),
    Tags: tagList(policy.tags),
  };
}
