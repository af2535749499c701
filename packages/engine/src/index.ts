import type { EngineOptions, RunningEngine } from './engine.ts';

export type { Clock, Timer } from './clock/clock.ts';
export { SystemClock, sleep } from './clock/clock.ts';
export { AWS_LATENCIES } from './clock/pace.ts';
export { VirtualClock } from './clock/virtual-clock.ts';
export { type Access, type GrantUse, type RoleAccess, readAccess } from './cloudformation/read-access.ts';
export type { EngineOptions, RunningEngine } from './engine.ts';
export { AwsFault, UserError } from './errors.ts';
export type { Denial } from './iam/access-record.ts';
export { NO_WAY_TO_AWS } from './iam/no-way-to-aws.ts';
export { ByteIds } from './ids.ts';
export type { JournalEntry } from './journal/journal.ts';
export { type AwsClient, servicesMissed } from './runtime/aws-clients.ts';
export type { BuildRunner } from './runtime/build/build-runner.ts';
export type {
  FunctionEnvironment,
  FunctionProcessOptions,
  Outcome,
} from './runtime/lambda/function-process.ts';
export type { RunningTask, TaskExit, TaskRunner, TaskSpec } from './runtime/task-runner.ts';
export type { ClientCall, Programs, Surroundings } from './services/catalogue.ts';

/**
 * Opens the state directory, restores every service, listens, and starts background behaviour. The services are loaded
 * here: whoever only talks to an engine does not need them.
 */
export async function startEngine(options: EngineOptions): Promise<RunningEngine> {
  const engine = await import('./engine.ts');
  return engine.startEngine(options);
}
