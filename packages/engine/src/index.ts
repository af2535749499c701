export type { Clock, Timer } from './clock/clock.ts';
export { SystemClock, sleep } from './clock/clock.ts';
export { AWS_LATENCIES } from './clock/pace.ts';
export type { EngineOptions, RunningEngine } from './engine.ts';
export { startEngine } from './engine.ts';
export { AwsFault, UserError } from './errors.ts';
export { ByteIds } from './ids.ts';
export type { JournalEntry } from './journal/journal.ts';
