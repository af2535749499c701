import { join } from 'node:path';
import type { Engine, Service } from '../../dispatch/service.ts';
import type { Runtimes } from '../../runtime/lambda/runtimes.ts';
import { aliasOperations } from './alias-operations.ts';
import { AsyncEvents } from './async-events.ts';
import { CodeStore } from './code-store.ts';
import { Destinations } from './destinations.ts';
import { FunctionLogs } from './function-logs.ts';
import { FunctionMetrics } from './function-metrics.ts';
import { functionOperations } from './function-operations.ts';
import { Functions } from './functions.ts';
import { invocationOperations } from './invocation-operations.ts';
import { type FunctionRunner, Invoker } from './invoker.ts';
import { permissionOperations, policyDocument } from './permission-operations.ts';
import { RoleSessions } from './role-sessions.ts';
import { LambdaStore } from './store.ts';
import { tagOperations } from './tag-operations.ts';
import { versionOperations } from './version-operations.ts';

/**
 * Lambda for Node and Python functions: they run as processes of this machine with their execution roles, answer calls, and
 * take events from a durable queue. Layers, images, function URLs and event source mappings are refused.
 */
export function createLambda(
  engine: Engine,
  {
    runner,
    runtimes,
    concurrencyMax,
  }: { runner: FunctionRunner; runtimes: Pick<Runtimes, 'refusal'>; concurrencyMax: number },
): Service<'lambda'> {
  const store = new LambdaStore(engine);
  const code = new CodeStore({ directory: join(engine.directory, 'lambda'), ids: engine.ids });
  const sessions = new RoleSessions(engine);
  const logs = new FunctionLogs(engine);
  const metrics = new FunctionMetrics(engine);
  const invoker = new Invoker(engine, { store, runner, concurrencyMax, code, sessions, logs, metrics });
  const destinations = new Destinations(engine, { store, sessions, metrics });
  const events = new AsyncEvents(engine, { store, invoker, destinations });
  const functions = new Functions(engine, { store, code, runner, invoker, sessions });

  return {
    name: 'lambda',
    operations: {
      ...functionOperations(engine, { store, functions, code, runtimes }),
      ...versionOperations(engine, { store, functions }),
      ...tagOperations(engine, functions),
      ...aliasOperations(engine, { store, functions }),
      ...permissionOperations(engine, { store, functions }),
      ...invocationOperations(engine, { store, functions, invoker, events }),
    },
    resourcePolicy: (arn) => {
      const policy = store.policies.get(arn.split(':function:')[1] ?? '');
      return policy && policyDocument(policy);
    },
    resourceTags: (arn) => store.extras.get(arn.split(':function:')[1]?.split(':')[0] ?? '')?.tags,
    start: () => {
      functions.sweep();
      events.start();
    },
    stop: async () => {
      await invoker.stop();
      await events.stop();
      await Promise.all([logs.drain(), metrics.drain()]);
    },
  };
}
