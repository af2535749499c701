import { bootstrap } from '../../cloudformation/bootstrap.ts';
import { CustomResourceRequests } from '../../cloudformation/custom-resource-requests.ts';
import { StackManager } from '../../cloudformation/stack-manager.ts';
import { StackStore } from '../../cloudformation/stack-store.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { servicePrincipal } from '../../iam/principal.ts';
import { resourceTypeOf } from '../../resources/catalogue.ts';
import type { HttpHandler } from '../../wire/server.ts';
import { changeSetOperations } from './change-set-operations.ts';
import { exportOperations } from './export-operations.ts';
import { stackDescriptionOperations } from './stack-description-operations.ts';
import { stackOperations } from './stack-operations.ts';
import { stackResourceOperations } from './stack-resource-operations.ts';
import { templateOperations } from './template-operations.ts';

/**
 * CloudFormation: stacks and change sets over the resource types in `resources/`. Nested stacks, stack sets,
 * imports, drift detection and macros are not there; what asks for them is refused.
 */
export function createCloudFormation(
  engine: Engine,
  parts: { readonly handle: (handler: HttpHandler) => void },
): Service<'cloudformation'> {
  const customResources = new CustomResourceRequests(engine);
  parts.handle((request, response) => customResources.handle(request, response));
  const manager = new StackManager(engine, new StackStore(engine.state), resourceTypeOf, customResources);
  return {
    name: 'cloudformation',
    operations: {
      ...stackOperations(engine, manager),
      ...changeSetOperations(engine, manager),
      ...stackDescriptionOperations(manager),
      ...stackResourceOperations(manager),
      ...exportOperations(manager.store),
      ...templateOperations(engine, manager),
    },
    async start() {
      manager.resume();
      await bootstrap(manager, servicePrincipal(engine, 'cloudformation.amazonaws.com'));
    },
    stop: () => manager.stop(),
  };
}
