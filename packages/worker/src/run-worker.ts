import type { Clock, Timer } from './clock.ts';
import { textOf, UserError } from './errors.ts';
import type { WorkerDefinition } from './settings.ts';
import { EcsAgentProtection, type TaskProtectionOptions } from './task-protection.ts';
import { type CredentialsProvider, defaultCredentials } from './transport/credentials.ts';
import { RawTransport } from './transport/raw-transport.ts';
import type { Transport } from './transport/transport.ts';
import { Worker } from './worker.ts';

const TIMEOUT_MS_MAX = 2_147_483_647;

/** Real time: the epoch at the start of the process, and from there on a clock that is never set back. */
export class SystemClock implements Clock {
  nowMs(): number {
    return performance.timeOrigin + performance.now();
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const handle = setTimeout(run, Math.min(Math.max(delayMs, 0), TIMEOUT_MS_MAX));
    return { cancel: () => clearTimeout(handle) };
  }
}

/** The options of a worker program; everything else is in its environment. */
export type RunWorkerOptions<T = string> = WorkerDefinition<T> & {
  /** Shown in the log alongside the revision. */
  readonly version?: string | undefined;
  /** @default - signed HTTP without the SDK */
  readonly transport?: Transport | undefined;
  /** @default - the AWS SDK's chain */
  readonly credentials?: CredentialsProvider | undefined;
  /**
   * Whether tasks with messages in work are protected from scale-in and deployments: on no track, on all but
   * the canary, or on all. A protected canary delays the removal of a bad version.
   * @default - the value of `PROTECT_TASKS`; `off` without it
   */
  readonly protectTasks?: 'off' | 'stable' | 'all' | undefined;
};

/**
 * Runs a worker until SIGTERM or SIGINT, drains it and exits with 0; the `main` of a worker program.
 *
 * Reads `QUEUE_URL`, `QC_APP`, `QC_TRACK`, `QC_REVISION`, `MAX_RECEIVE_COUNT`, `PROTECT_TASKS`,
 * `PROTECTED_MINUTES_MAX`, `AWS_REGION`, `AWS_ENDPOINT_URL_SQS` or `AWS_ENDPOINT_URL`, `ECS_AGENT_URI` and
 * `ECS_CONTAINER_METADATA_URI_V4`. When something that it needs is missing it names it, and exits with 1.
 */
export async function runWorker<T = string>(options: RunWorkerOptions<T>): Promise<Worker<T>> {
  try {
    const worker = await wire(options, process.env);
    let stopping = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      // A second signal changes nothing: SIGKILL comes soon enough.
      process.on(signal, () => {
        if (stopping) return;
        stopping = true;
        void worker.drain(signal).then(() => process.exit(0));
      });
    }
    worker.start();
    return worker;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

async function wire<T>(options: RunWorkerOptions<T>, env: Environment): Promise<Worker<T>> {
  const missing = ['QUEUE_URL', 'QC_APP', 'QC_TRACK', 'QC_REVISION'].filter((name) => !env[name]);
  if (missing.length > 0) {
    throw new UserError(
      'MissingEnvironment',
      `The worker cannot start: ${missing.map((name) => `${name} is not set`).join(', ')}.`,
    );
  }
  const queueUrl = env.QUEUE_URL ?? '';
  const track = env.QC_TRACK ?? '';
  const maxReceiveCount = wholeNumber('MAX_RECEIVE_COUNT', env);
  const clock = new SystemClock();
  const log = (line: string) => console.log(line);
  const transport =
    options.transport ??
    new RawTransport({
      queueUrl,
      clock,
      credentials: options.credentials ?? defaultCredentials(),
      region: env.AWS_REGION || env.AWS_DEFAULT_REGION || undefined,
      endpoint: env.AWS_ENDPOINT_URL_SQS || env.AWS_ENDPOINT_URL || undefined,
    });
  const { protectTasks = env.PROTECT_TASKS || 'off' } = options;
  if (!['off', 'stable', 'all'].includes(protectTasks)) {
    throw new UserError(
      'InvalidEnvironment',
      `The worker cannot start: PROTECT_TASKS must be off, stable or all, not "${protectTasks}".`,
    );
  }
  const protectedTrack = protectTasks === 'all' || (protectTasks === 'stable' && track !== 'canary');
  return new Worker<T>({
    ...options,
    queueUrl,
    identity: {
      app: env.QC_APP ?? '',
      track,
      revision: env.QC_REVISION ?? '',
      version: options.version,
      taskId: await taskIdOf(env.ECS_CONTAINER_METADATA_URI_V4, log),
    },
    transport,
    clock,
    random: Math.random,
    log,
    residentBytes: () => process.memoryUsage.rss(),
    maxReceiveCount,
    taskProtection: protectedTrack ? protectionOf(env) : undefined,
  });
}

function wholeNumber(name: string, env: Environment): number | undefined {
  const value = env[name] || undefined;
  if (value === undefined || /^\d+$/.test(value)) return value === undefined ? undefined : Number(value);
  throw new UserError(
    'InvalidEnvironment',
    `The worker cannot start: ${name} must be a whole number, not "${value}".`,
  );
}

function protectionOf(env: Environment): TaskProtectionOptions {
  const agentUri = env.ECS_AGENT_URI;
  if (!agentUri) {
    throw new UserError(
      'NoEcsAgent',
      'The worker cannot start: task protection is on, but ECS_AGENT_URI is not set. Outside ECS, turn it off.',
    );
  }
  return {
    endpoint: new EcsAgentProtection(agentUri),
    maximumMinutes: wholeNumber('PROTECTED_MINUTES_MAX', env),
  };
}

/** The task's id; without it the worker names itself. */
async function taskIdOf(
  metadataUri: string | undefined,
  log: (line: string) => void,
): Promise<string | undefined> {
  if (!metadataUri) return undefined;
  try {
    const response = await fetch(`${metadataUri}/task`, { signal: AbortSignal.timeout(1_000) });
    const { TaskARN } = (await response.json()) as { TaskARN?: string };
    return TaskARN?.split('/').at(-1);
  } catch (error) {
    log(JSON.stringify({ level: 'error', event: 'task id unknown', error: textOf(error) }));
    return undefined;
  }
}
