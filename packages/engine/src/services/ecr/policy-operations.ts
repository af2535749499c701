import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { parseBoundedJson } from '../../document-bounds.ts';
import { AwsFault } from '../../errors.ts';
import { parsePolicy } from '../../iam/policy-grammar.ts';
import { directoryOf } from '../../iam/roles.ts';
import type { Repositories } from './repositories.ts';

/** A repository's own policy, and its lifecycle policy. */
export function policyOperations(engine: Engine, repositories: Repositories) {
  const own = (input: { repositoryName?: string | undefined }) => [repositories.arn(input.repositoryName)];
  const registryId = engine.accountId;
  const missing = (code: string, what: string, name: string) =>
    new AwsFault(
      code,
      `${what} does not exist for the repository with name '${name}' in the registry with id '${registryId}'`,
    );
  const noPolicy = (name: string) => missing('RepositoryPolicyNotFoundException', 'Repository policy', name);
  const noLifecycle = (name: string) => missing('LifecyclePolicyNotFoundException', 'Lifecycle policy', name);

  return {
    SetRepositoryPolicy: {
      resources: own,
      run: (input) => {
        const { name } = repositories.get(input.repositoryName, input.registryId);
        const policy = input.policyText ?? '';
        const parsed = parsePolicy(policy, 'ecr', directoryOf(engine));
        if ('error' in parsed) throw new AwsFault('InvalidParameterException', parsed.error);
        repositories.change(name, { policy });
        return { registryId, repositoryName: name, policyText: policy };
      },
    },
    GetRepositoryPolicy: {
      resources: own,
      run: (input) => {
        const { name, policy } = repositories.get(input.repositoryName, input.registryId);
        if (policy === undefined) throw noPolicy(name);
        return { registryId, repositoryName: name, policyText: policy };
      },
    },
    DeleteRepositoryPolicy: {
      resources: own,
      run: (input) => {
        const { policy, ...rest } = repositories.get(input.repositoryName, input.registryId);
        if (policy === undefined) throw noPolicy(rest.name);
        repositories.replace(rest);
        return { registryId, repositoryName: rest.name, policyText: policy };
      },
    },
    PutLifecyclePolicy: {
      resources: own,
      run: (input) => {
        const { name } = repositories.get(input.repositoryName, input.registryId);
        const lifecyclePolicy = input.lifecyclePolicyText ?? '';
        if (!isLifecyclePolicy(lifecyclePolicy)) {
          throw new AwsFault(
            'InvalidParameterException',
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: it must be JSON with a list of rules'",
          );
        }
        repositories.change(name, { lifecyclePolicy });
        engine.journal.append('ecr', 'lifecycle-policy.recorded', {
          repository: name,
          note: 'kept and shown; the local engine expires no images',
        });
        return { registryId, repositoryName: name, lifecyclePolicyText: lifecyclePolicy };
      },
    },
    GetLifecyclePolicy: {
      resources: own,
      run: (input) => {
        const { name, lifecyclePolicy } = repositories.get(input.repositoryName, input.registryId);
        if (lifecyclePolicy === undefined) throw noLifecycle(name);
        return { registryId, repositoryName: name, lifecyclePolicyText: lifecyclePolicy };
      },
    },
    DeleteLifecyclePolicy: {
      resources: own,
      run: (input) => {
        const { lifecyclePolicy, ...rest } = repositories.get(input.repositoryName, input.registryId);
        if (lifecyclePolicy === undefined) throw noLifecycle(rest.name);
        repositories.replace(rest);
        return { registryId, repositoryName: rest.name, lifecyclePolicyText: lifecyclePolicy };
      },
    },
  } satisfies OperationTable<'ecr'>;
}

function isLifecyclePolicy(text: string): boolean {
  try {
    return Array.isArray((parseBoundedJson(text) as { rules?: unknown }).rules);
  } catch {
    return false;
  }
}
