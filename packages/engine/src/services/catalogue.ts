import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { Engine, Service } from '../dispatch/service.ts';
import type { Identity } from '../iam/identity.ts';
import type { PolicyAuthorizer } from '../iam/policy-authorizer.ts';
import type { HttpHandler } from '../wire/server.ts';
import { createCloudFormation } from './cloudformation/cloudformation.ts';
import { createCloudWatch } from './cloudwatch/cloudwatch.ts';
import { createCodeCommit } from './codecommit/codecommit.ts';
import { createIam } from './iam/iam.ts';
import { createS3 } from './s3/s3.ts';
import { createSqs } from './sqs/sqs.ts';
import { createSsm } from './ssm/ssm.ts';
import { createSts } from './sts/sts.ts';

/** Parts of the engine that only a few services need. */
export interface EngineParts {
  readonly identity: Identity;
  readonly authorizer: PolicyAuthorizer;
  readonly dispatcher: Dispatcher;
  /** Adds a handler for HTTP requests that are not AWS API calls. */
  readonly handle: (handler: HttpHandler) => void;
}

/** Every service of the engine, in the order in which they start; they stop in reverse. */
export function createServices(engine: Engine, parts: EngineParts): Service[] {
  // The machine's own programs (git, the shells and tools of a build) are found as the engine was started.
  const hostPath = process.env.PATH ?? '';
  const codecommit = createCodeCommit(engine, { ...parts, hostPath });
  return [
    createSts(engine, parts.identity, parts.authorizer),
    createIam(engine, parts.authorizer),
    createSsm(engine),
    createSqs(engine),
    createS3(engine),
    createCloudWatch(engine),
    codecommit.service,
    createCloudFormation(engine),
  ] as Service[];
}
