export type { Clock, Timer } from './clock.ts';
export type { Credentials, CredentialsProvider } from './credentials.ts';
export { defaultCredentials } from './credentials.ts';
export type { DrainReport } from './drain.ts';
export { InvariantError, UserError } from './errors.ts';
export type {
  AbortCause,
  BatchHandler,
  Decode,
  Handler,
  HandlerContext,
  Item,
  MessageType,
  Outcome,
} from './handler.ts';
export { HandlerAborted } from './handler.ts';
export type { Health, WorkerState } from './health.ts';
export type { Identity } from './identity.ts';
export { InProcessTransport, type SqsOperations } from './in-process-transport.ts';
export type { Message } from './message.ts';
export { RawTransport, type RawTransportOptions } from './raw-transport.ts';
export { REPORT_MS, REPORTS_EACH_SECOND_MS } from './rhythm.ts';
export { type RunWorkerOptions, runWorker, SystemClock } from './run-worker.ts';
export type {
  Parking,
  TaskProtectionOptions,
  WorkerDefinition,
  WorkerOptions,
  WorkerTuning,
} from './settings.ts';
export { EcsAgentProtection, type ProtectionEndpoint } from './task-protection.ts';
export * from './transport.ts';
export { Worker } from './worker.ts';
