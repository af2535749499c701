import { request } from 'node:http';
import type { Random } from './backoff.ts';
import type { Clock, Timer } from './clock.ts';
import { textOf } from './errors.ts';

/** Sets whether ECS may stop the task for scale-in and deployments. */
export interface ProtectionEndpoint {
  set(enabled: boolean, expiresInMinutes: number): Promise<void>;
}

const PATH = '/task-protection/v1/state';
const SILENCE_MS = 2_000;

/** The ECS agent's endpoint, whose address is in `ECS_AGENT_URI`. */
export class EcsAgentProtection implements ProtectionEndpoint {
  readonly #url: string;

  constructor(agentUri: string) {
    this.#url = `${agentUri.replace(/\/$/, '')}${PATH}`;
  }

  set(enabled: boolean, expiresInMinutes: number): Promise<void> {
    const body = JSON.stringify({
      ProtectionEnabled: enabled,
      ...(enabled ? { ExpiresInMinutes: expiresInMinutes } : {}),
    });
    return new Promise((resolve, reject) => {
      const call = request(this.#url, {
        method: 'PUT',
        timeout: SILENCE_MS,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      });
      call.on('timeout', () => call.destroy(new Error(`the ECS agent was silent for ${SILENCE_MS} ms`)));
      call.on('error', reject);
      call.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode === 200) resolve();
          else {
            const answer = Buffer.concat(chunks).toString('utf8').slice(0, 200);
            reject(new Error(`the ECS agent answered ${response.statusCode}: ${answer}`));
          }
        });
      });
      call.end(body);
    });
  }
}

/** How long a task that was protected for its time stays unprotected, for ECS to stop it if it wants to. */
const REST_MS = 30_000;

/** How long a task is protected without a break unless its options say otherwise, and at most. */
export const PROTECTED_MINUTES = 15;
export const PROTECTED_MINUTES_MAX = 2_880;

export interface TaskProtectionOptions {
  readonly endpoint: ProtectionEndpoint;
  /**
   * How long the task may be protected without a break, 1 to 2,880 and at least as long as a handler may take. Then it
   * takes no messages until those in work are done and it has been unprotected for half a minute. A deployment waits
   * for protected tasks, so one and a half times this must be less than its timeout.
   * @default 15
   */
  readonly maximumMinutes?: number | undefined;
  /** Protection is dropped after so long without work. @default 30000 */
  readonly idleMs?: number | undefined;
}

/** The protection that a worker is configured with, if any. */
export function protectionOf(
  {
    clock,
    random,
    taskProtection,
  }: {
    readonly clock: Clock;
    readonly random: Random;
    readonly taskProtection?: TaskProtectionOptions | undefined;
  },
  onError: (text: string) => void,
): TaskProtection | undefined {
  if (taskProtection === undefined) return undefined;
  const { endpoint, maximumMinutes = PROTECTED_MINUTES, idleMs = 30_000 } = taskProtection;
  return new TaskProtection({
    clock,
    random,
    endpoint,
    idleMs,
    onError,
    maximumMs: maximumMinutes * 60_000,
    restMs: REST_MS,
  });
}

export interface TaskProtectionParts {
  readonly endpoint: ProtectionEndpoint;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * How long a task may be protected without a break: after half of it at the earliest, at random, it rests. It is
   * also the time after which protection that is not renewed ends by itself, should the task hang.
   */
  readonly maximumMs: number;
  /** How long a resting task stays unprotected, in which ECS may stop it. */
  readonly restMs: number;
  /** Protection is dropped when there was no work for so long, rather than after each message. */
  readonly idleMs: number;
  readonly onError: (text: string) => void;
}

/**
 * Protects the task while it has messages in work. Calls are made one after the other, in order.
 *
 * Work that never ceases would protect it for ever, and a deployment waits for protected tasks. So after its time the
 * task asks to be given no more work, lets go when there is none, and rests before it goes on.
 */
export class TaskProtection {
  readonly #parts: TaskProtectionParts;
  #protected = false;
  #renewal: Timer | undefined;
  #limit: Timer | undefined;
  #idle: Timer | undefined;
  #rest: PromiseWithResolvers<void> | undefined;
  #calls: Promise<void> = Promise.resolve();

  constructor(parts: TaskProtectionParts) {
    this.#parts = parts;
  }

  /** There is work. */
  busy(): void {
    this.#idle?.cancel();
    this.#idle = undefined;
    if (this.#protected) return;
    this.#protect();
    const { clock, maximumMs, random } = this.#parts;
    // Tasks of one deployment begin together.
    if (this.#rest === undefined) {
      this.#limit = clock.setTimer((maximumMs * (1 + random())) / 2, () => this.#tire());
    }
  }

  /** There is none, for now. */
  idle(): void {
    if (!this.#protected) return;
    this.#idle ??= this.#parts.clock.setTimer(this.#parts.idleMs, () => void this.drop());
  }

  /** The end of the rest, before which no new work may be taken; nothing while the task need not rest. */
  rest(): Promise<void> | undefined {
    return this.#rest?.promise;
  }

  /** Drops the protection; resolves when the agent has answered. */
  drop(): Promise<void> {
    this.#idle?.cancel();
    this.#idle = undefined;
    this.#renewal?.cancel();
    this.#limit?.cancel();
    if (this.#protected) {
      this.#protected = false;
      this.#call(false);
      if (this.#rest !== undefined) this.#parts.clock.setTimer(this.#parts.restMs, () => this.#goOn());
    }
    return this.#calls;
  }

  #protect(): void {
    this.#protected = true;
    this.#call(true);
    if (this.#rest === undefined) {
      this.#renewal = this.#parts.clock.setTimer(this.#parts.maximumMs / 2, () => this.#protect());
    }
  }

  /** From here on protection is not renewed, so that it ends even if the work does not. */
  #tire(): void {
    this.#renewal?.cancel();
    this.#rest = Promise.withResolvers();
  }

  #goOn(): void {
    this.#rest?.resolve();
    this.#rest = undefined;
  }

  #call(enabled: boolean): void {
    const expiresInMinutes = Math.ceil(this.#parts.maximumMs / 60_000);
    this.#calls = this.#calls
      .then(() => this.#parts.endpoint.set(enabled, expiresInMinutes))
      .catch((error: unknown) => this.#parts.onError(textOf(error)));
  }
}
