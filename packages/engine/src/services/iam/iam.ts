import type { Engine, Service } from '../../dispatch/service.ts';
import type { PolicyAuthorizer } from '../../iam/policy-authorizer.ts';
import { directoryOf } from '../../iam/roles.ts';
import { Documents } from './documents.ts';
import { Entities } from './entities.ts';
import { policyOperations } from './policy-operations.ts';
import { roleOperations } from './role-operations.ts';
import { rolePolicyOperations } from './role-policy-operations.ts';

/** Identity and Access Management: roles, inline and managed policies. Users and groups do not exist here. */
export function createIam(engine: Engine, { store }: PolicyAuthorizer): Service<'iam'> {
  const entities = new Entities(store, engine.accountId);
  const documents = new Documents(directoryOf(engine));
  return {
    name: 'iam',
    resourceTags: (arn) => store.roles.get(arn)?.tags,
    operations: {
      ...roleOperations(engine, entities, documents),
      ...rolePolicyOperations(entities, documents),
      ...policyOperations(engine, entities, documents),
    },
  };
}
