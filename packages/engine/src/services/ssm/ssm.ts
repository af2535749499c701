import type { Engine, Service } from '../../dispatch/service.ts';
import { parameterOperations } from './parameter-operations.ts';
import { ParameterStore } from './parameter-store.ts';
import { tagOperations } from './tag-operations.ts';

/** Systems Manager Parameter Store: plain parameters with versions, without labels. */
export function createSsm(engine: Engine): Service<'ssm'> {
  const store = new ParameterStore(engine);

  return {
    name: 'ssm',
    operations: { ...parameterOperations(engine, store), ...tagOperations(store) },
  };
}
