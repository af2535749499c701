/** `new` until started, `draining` from the first call of drain, then `stopped`. */
export type WorkerState = 'new' | 'running' | 'draining' | 'stopped';

/** Whether a worker does its work; the answer for a container's health check. */
export interface Health {
  readonly state: WorkerState;
  readonly healthy: boolean;
  /** Why it is not healthy. */
  readonly problems: readonly string[];
  /** Messages received and not yet deleted, given back or lost. */
  readonly inFlight: number;
  /** Handlers that ignored their abort signal and still run. */
  readonly handlersStuck: number;
  readonly receiveFaultsInARow: number;
  /** When SQS last answered a receive, on the worker's clock. */
  readonly lastReceiveAtMs: number | undefined;
  /** Longest time for which the event loop was blocked, of the last few seconds. */
  readonly loopLagMs: number;
}

/** From so many failed receives in a row, a worker is unhealthy. */
const RECEIVE_FAULTS_MIN = 5;

/** Health by a worker's figures; a worker all of whose handlers are stuck is unhealthy. */
export function healthOf(figures: Omit<Health, 'healthy' | 'problems'>, concurrency: number): Health {
  const { state, handlersStuck, receiveFaultsInARow } = figures;
  const problems: string[] = [];
  if (state === 'new') problems.push('not started');
  if (state === 'stopped') problems.push('stopped');
  if (receiveFaultsInARow >= RECEIVE_FAULTS_MIN) {
    problems.push(`${receiveFaultsInARow} receives failed in a row`);
  }
  if (handlersStuck >= concurrency) {
    problems.push(`${handlersStuck} handlers ignored their abort signal and still run`);
  }
  return { ...figures, healthy: problems.length === 0, problems };
}
