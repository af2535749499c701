import { request } from 'node:http';
import type { Clock, Timer } from './clock.ts';
import { textOf } from './errors.ts';

/** Tells ECS whether the task may be stopped by scale-in and deployments. */
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

export interface TaskProtectionParts {
  readonly endpoint: ProtectionEndpoint;
  readonly clock: Clock;
  /** Protection ends by itself after so long, should the task hang; it is renewed at half of it. */
  readonly expiresInMinutes: number;
  /** Protection is dropped when there was no work for so long, rather than after each message. */
  readonly idleMs: number;
  readonly onError: (text: string) => void;
}

/** Protects the task while it has messages in work. Calls are made one after the other, in order. */
export class TaskProtection {
  readonly #parts: TaskProtectionParts;
  #protected = false;
  #renewal: Timer | undefined;
  #idle: Timer | undefined;
  #calls: Promise<void> = Promise.resolve();

  constructor(parts: TaskProtectionParts) {
    this.#parts = parts;
  }

  /** There is work. */
  busy(): void {
    this.#idle?.cancel();
    this.#idle = undefined;
    if (!this.#protected) this.#protect();
  }

  /** There is none, for now. */
  idle(): void {
    if (!this.#protected) return;
    this.#idle ??= this.#parts.clock.setTimer(this.#parts.idleMs, () => void this.drop());
  }

  /** Drops the protection; resolves when the agent has answered. */
  drop(): Promise<void> {
    this.#idle?.cancel();
    this.#idle = undefined;
    this.#renewal?.cancel();
    if (this.#protected) {
      this.#protected = false;
      this.#call(false);
    }
    return this.#calls;
  }

  #protect(): void {
    this.#protected = true;
    this.#call(true);
    const renewInMs = (this.#parts.expiresInMinutes * 60_000) / 2;
    this.#renewal = this.#parts.clock.setTimer(renewInMs, () => this.#protect());
  }

  #call(enabled: boolean): void {
    this.#calls = this.#calls
      .then(() => this.#parts.endpoint.set(enabled, this.#parts.expiresInMinutes))
      .catch((error: unknown) => this.#parts.onError(textOf(error)));
  }
}
