import { bootstrap } from '../../cloudformation/bootstrap.ts';
import { StackManager } from '../../cloudformation/stack-manager.ts';
import { StackStore } from '../../cloudformation/stack-store.ts';
import { type Engine, type Service, servicePrincipal } from '../../dispatch/service.ts';
import { resourceTypeOf } from '../../resources/catalogue.ts';
import { changeSetOperations } from './change-set-operations.ts';
import { stackOperations } from './stack-operations.ts';
import { stackReads } from './stack-reads.ts';
import { templateOperations } from './template-operations.ts';

/**
 * CloudFormation: stacks and change sets over the resource types in `resources/`. Nested stacks, stack sets,
 * imports, drift detection, macros and custom resources are not there; what asks for them is refused.
 */
export function createCloudFormation(engine: Engine): Service<'cloudformation'> {
  const manager = new StackManager(engine, new StackStore(engine.state), resourceTypeOf);
  return {
    name: 'cloudformation',
    operations: {
      ...stackOperations(engine, manager),
      ...changeSetOperations(engine, manager),
      ...stackReads(manager),
      ...templateOperations(engine, manager),
    },
    async start() {
      manager.resume();
      await bootstrap(manager, servicePrincipal(engine, 'cloudformation.amazonaws.com'));
    },
    stop: () => manager.stop(),
  };
}
