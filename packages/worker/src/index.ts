export type { Clock, Timer } from './clock.ts';
export type { DrainReport } from './drain.ts';
export { InvariantError, UserError } from './errors.ts';
export type { Health, WorkerState } from './health.ts';
export type {
  AbortCause,
  BatchHandler,
  Decode,
  Handler,
  HandlerContext,
  Item,
  MessageType,
  Outcome,
} from './message/handler.ts';
export { HandlerAborted } from './message/handler.ts';
export type { Message } from './message/message.ts';
export type { Identity } from './reporting/identity.ts';
export { REPORT_MS, REPORTS_EACH_SECOND_MS } from './reporting/rhythm.ts';
export { type RunWorkerOptions, runWorker, SystemClock } from './run-worker.ts';
export type {
  Parking,
  WorkerDefinition,
  WorkerOptions,
  WorkerTuning,
} from './settings.ts';
export {
  EcsAgentProtection,
  type ProtectionEndpoint,
  type TaskProtectionOptions,
} from './task-protection.ts';
export type { Credentials, CredentialsProvider } from './transport/credentials.ts';
export { defaultCredentials } from './transport/credentials.ts';
export { InProcessTransport, type SqsOperations } from './transport/in-process-transport.ts';
export { RawTransport, type RawTransportOptions } from './transport/raw-transport.ts';
export * from './transport/transport.ts';
export { Worker } from './worker.ts';
