import { type Connection, createAwsGateways } from './gateways/aws.ts';
import type { Names } from './names.ts';
import { type Observer, observerOver } from './observe.ts';

export { type Configuration, readEnvironment } from './environment.ts';
export type { EffectReport } from './execute.ts';
export { type Connection, createAwsGateways } from './gateways/aws.ts';
export type * from './gateways.ts';
export { type Answer, type ControllerOptions, createHandler, type LogLine } from './handler.ts';
export type { Names } from './names.ts';
export { type Observer, observerOver } from './observe.ts';
export { UserError } from './user-error.ts';

/** An observer of one application, in AWS or in a local engine; it reads and never changes anything. */
export function createObserver(options: {
  readonly names: Names;
  readonly connection?: Connection;
}): Observer {
  const { names, connection = {} } = options;
  // Only a write waits for anything.
  const sleep = () => Promise.reject(new Error('who only looks does not wait'));
  return observerOver(createAwsGateways(names, connection, sleep));
}
