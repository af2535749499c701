import { join } from 'node:path';
import type { Clock } from '../clock/clock.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { Engine, Service } from '../dispatch/service.ts';
import type { Identity } from '../iam/identity.ts';
import type { PolicyAuthorizer } from '../iam/policy-authorizer.ts';
import type { Principal } from '../iam/principal.ts';
import { type BuildRunner, runBuild } from '../runtime/build/build-runner.ts';
import { LambdaRunner, type StartFunction } from '../runtime/lambda/lambda-runner.ts';
import { Runtimes } from '../runtime/lambda/runtimes.ts';
import { ImageStore } from '../runtime/oci/image-store.ts';
import { RootfsCache } from '../runtime/oci/rootfs-cache.ts';
import { ProcessRunner } from '../runtime/process-runner.ts';
import { reapOrphans } from '../runtime/processes/process-ledger.ts';
import type { TaskRunner } from '../runtime/task-runner.ts';
import type { Input, OperationName, Output, ServiceName } from '../sdk/services.ts';
import type { HttpHandler } from '../wire/server.ts';
import { createApplicationAutoScaling } from './application-auto-scaling/application-auto-scaling.ts';
import { createCloudFormation } from './cloudformation/cloudformation.ts';
import { createCloudWatch } from './cloudwatch/cloudwatch.ts';
import { type BuildMachine, prepareBuildMachine } from './codebuild/build-machine.ts';
import { createCodeBuild } from './codebuild/codebuild.ts';
import { createCodeCommit } from './codecommit/codecommit.ts';
import { createCodePipeline } from './codepipeline/codepipeline.ts';
import { createEc2 } from './ec2/ec2.ts';
import { createEcr } from './ecr/ecr.ts';
import { createEcs } from './ecs/ecs.ts';
import { createEvents } from './events/events.ts';
import { createIam } from './iam/iam.ts';
import { createLambda } from './lambda/lambda.ts';
import { createLogs } from './logs/logs.ts';
import { createS3 } from './s3/s3.ts';
import { createSecretsManager } from './secretsmanager/secretsmanager.ts';
import { createSns } from './sns/sns.ts';
import { createSqs } from './sqs/sqs.ts';
import { createSsm } from './ssm/ssm.ts';
import { createSts } from './sts/sts.ts';

/** A call as a client makes it: authorised, within the rate limits, and on the state of a moment ago where AWS's is. */
export type ClientCall = <S extends ServiceName, O extends OperationName<S> & string>(
  principal: Principal,
  service: S,
  operation: O,
  input: Input<S, O>,
  signal?: AbortSignal,
) => Promise<Output<S, O>>;

/** What programs that run inside the engine's own process have of it. */
export interface Surroundings {
  readonly clock: Clock;
  readonly call: ClientCall;
}

/** How the programs of containers, functions and builds run. */
export interface Programs {
  readonly tasks: TaskRunner;
  readonly functions: StartFunction;
  readonly builds: BuildRunner;
}

/** Parts of the engine that only a few services need. */
export interface EngineParts {
  readonly identity: Identity;
  readonly authorizer: PolicyAuthorizer;
  readonly dispatcher: Dispatcher;
  /** @default - all as processes of this machine */
  readonly programs?: Programs | undefined;
  /** Adds a handler for HTTP requests that are not AWS API calls. */
  readonly handle: (handler: HttpHandler) => void;
}

/** Processes of one Lambda function at a time: a laptop's worth, where AWS allows a thousand. */
const FUNCTION_PROCESSES_MAX = 20;

/** What builds get that start no program. */
const NO_MACHINE: BuildMachine = {
  path: '',
  environment: {},
  find: (program) => `/bin/${program}`,
  nodeVersion: process.versions.node,
  notice: 'This build runs inside the engine: no command of its buildspec does.',
};

/** Every service of the engine, in the order in which they start; they stop in reverse. */
export function createServices(engine: Engine, parts: EngineParts): Service[] {
  // The machine's own programs (git, the shells and tools of a build) are found as the engine was started.
  const hostPath = process.env.PATH ?? '';
  const compileCache = process.env.NODE_COMPILE_CACHE ?? join(engine.directory, 'compiled');
  for (const orphan of reapOrphans(engine.directory)) {
    engine.journal.append('engine', 'process.reaped', { ...orphan });
  }
  const images = new ImageStore({
    directory: join(engine.directory, 'images'),
    clock: engine.clock,
    ids: engine.ids,
  });
  const rootfs = new RootfsCache({ directory: join(engine.directory, 'rootfs'), ids: engine.ids });
  const { programs } = parts;
  const runner =
    programs?.tasks ??
    new ProcessRunner({
      clock: engine.clock,
      images,
      rootfs,
      stateDirectory: engine.directory,
      nodePath: process.execPath,
      hostPath,
      instance: `queue-canary-${engine.ids.hex(8)}`,
    });
  const runtimes = new Runtimes({ nodePath: process.execPath, hostPath, compileCache });
  const functions = new LambdaRunner({
    clock: engine.clock,
    ids: engine.ids,
    runtimes,
    ...(programs && { start: programs.functions }),
    maxConcurrency: FUNCTION_PROCESSES_MAX,
  });
  const codecommit = createCodeCommit(engine, { ...parts, hostPath });
  return [
    createSts(engine, parts.identity, parts.authorizer),
    createIam(engine, parts.authorizer),
    createSsm(engine),
    createSecretsManager(engine),
    createSqs(engine),
    createS3(engine),
    createCloudWatch(engine),
    createLogs(engine),
    createLambda(engine, { runner: functions, runtimes, concurrencyMax: FUNCTION_PROCESSES_MAX }),
    createSns(engine),
    createEvents(engine),
    createEc2(engine),
    createEcr(engine, { ...parts, images }),
    createEcs(engine, { ...parts, runner }),
    createApplicationAutoScaling(engine),
    // After what they call and what hears of their events: so they stop first, and undecided.
    codecommit.service,
    createCodeBuild(engine, {
      runBuild: programs?.builds ?? runBuild,
      checkouts: codecommit.sources,
      machine: async () => (programs ? NO_MACHINE : prepareBuildMachine(engine, process.env, compileCache)),
    }),
    createCodePipeline(engine, { ...parts, archives: codecommit.sources }),
    createCloudFormation(engine, parts),
  ] as Service[];
}
