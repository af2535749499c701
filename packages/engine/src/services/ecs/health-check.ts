import type { HealthCheck } from '@aws-sdk/client-ecs';
import type { Clock, Timer } from '../../clock/clock.ts';
import type { TaskRunner, TaskSpec } from '../../runtime/task-runner.ts';
import type { HealthStatus } from './model.ts';

const DEFAULTS = { intervalSeconds: 30, timeoutSeconds: 5, retries: 3, startPeriodSeconds: 0 };

/**
 * A container's health check: its command, run again and again in the container's image and environment.
 *
 * A process of this machine cannot be entered like a container, so the command runs alongside the task, sharing
 * its files and network but not its temporary directory. As on ECS, `retries` failures in a row make the
 * container UNHEALTHY, failures within the start period do not count, and one success makes it HEALTHY.
 * The intervals are the task definition's own and are not scaled by the engine's pace.
 */
export class HealthMonitor {
  readonly #clock: Clock;
  readonly #runner: TaskRunner;
  readonly #spec: TaskSpec;
  readonly #check: HealthCheck;
  readonly #onChange: (status: HealthStatus) => void;
  readonly #startedAtMs: number;
  #status: HealthStatus = 'UNKNOWN';
  #failures = 0;
  #runs = 0;
  #timer: Timer | undefined;
  #stop: (() => Promise<unknown>) | undefined;
  #ended = false;

  constructor(parts: {
    clock: Clock;
    runner: TaskRunner;
    spec: TaskSpec;
    check: HealthCheck;
    onChange: (status: HealthStatus) => void;
  }) {
    this.#clock = parts.clock;
    this.#runner = parts.runner;
    this.#spec = parts.spec;
    this.#check = parts.check;
    this.#onChange = parts.onChange;
    this.#startedAtMs = parts.clock.nowMs();
    this.#arm();
  }

  /** Ends the checks; resolves when none is running any more. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#timer?.cancel();
    await this.#stop?.();
  }

  #arm(): void {
    const intervalMs = (this.#check.interval ?? DEFAULTS.intervalSeconds) * 1000;
    this.#timer = this.#clock.setTimer(intervalMs, () => void this.#run());
  }

  async #run(): Promise<void> {
    const passed = await this.#probe();
    if (this.#ended) return;
    this.#judge(passed);
    this.#arm();
  }

  async #probe(): Promise<boolean> {
    const [kind, ...command] = this.#check.command ?? [];
    const { cpuUnits: _cpu, memoryMiB: _memory, ...spec } = this.#spec;
    const probe = this.#runner.run({
      ...spec,
      id: `${spec.id}-health-${++this.#runs}`,
      entryPoint: kind === 'CMD-SHELL' ? ['/bin/sh', '-c', command.join(' ')] : command,
      command: [],
      stopTimeoutMs: 0,
      onLog: () => undefined,
    });
    let timedOut = false;
    const timeoutMs = (this.#check.timeout ?? DEFAULTS.timeoutSeconds) * 1000;
    const timer = this.#clock.setTimer(timeoutMs, () => {
      timedOut = true;
      void probe.stop();
    });
    this.#stop = () => probe.stop();
    const exit = await probe.exited;
    timer.cancel();
    this.#stop = undefined;
    return !timedOut && exit.exitCode === 0;
  }

  #judge(passed: boolean): void {
    const startPeriodMs = (this.#check.startPeriod ?? DEFAULTS.startPeriodSeconds) * 1000;
    if (passed) {
      this.#failures = 0;
      this.#set('HEALTHY');
      return;
    }
    if (this.#status === 'UNKNOWN' && this.#clock.nowMs() < this.#startedAtMs + startPeriodMs) return;
    this.#failures++;
    if (this.#failures >= (this.#check.retries ?? DEFAULTS.retries)) this.#set('UNHEALTHY');
  }

  #set(status: HealthStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#onChange(status);
  }
}
