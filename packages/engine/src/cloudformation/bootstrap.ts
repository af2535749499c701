import type { Principal } from '../iam/principal.ts';
import { BOOTSTRAP_STACK, BOOTSTRAP_TEMPLATE } from './bootstrap-template.ts';
import type { StackManager } from './stack-manager.ts';

/**
 * Deploys the stack of `cdk bootstrap` into an account that never had it, so that a new engine is ready for the CDK.
 * One that was deleted stays deleted.
 */
export async function bootstrap(manager: StackManager, owner: Principal): Promise<void> {
  if ([...manager.store.stacks.values()].some(({ name }) => name === BOOTSTRAP_STACK)) return;
  const id = manager.newStackId(BOOTSTRAP_STACK);
  const request = {
    stackName: BOOTSTRAP_STACK,
    template: JSON.stringify(BOOTSTRAP_TEMPLATE),
    parameters: [],
    tags: {},
    capabilities: ['CAPABILITY_NAMED_IAM'],
    roleArn: undefined,
  };
  const prepared = await manager.prepare(request, undefined, id, owner);
  manager.record(BOOTSTRAP_STACK, id, 'CREATE_IN_PROGRESS', prepared.input);
  await manager.beginCreate(id, prepared, {
    principal: owner,
    onFailure: 'DO_NOTHING',
    clientRequestToken: undefined,
  });
}
