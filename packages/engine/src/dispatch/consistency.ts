import type { Clock } from '../clock/clock.ts';
import type { Pace } from '../clock/pace.ts';
import type { Ids } from '../ids.ts';
import type { ServiceName } from '../sdk/services.ts';
import type { State } from '../state/state.ts';

/** Reads that may answer what was true a moment ago. They run in one go, over tables whose names begin with the service's. */
const EVENTUALLY_CONSISTENT: Partial<Record<ServiceName, readonly string[]>> = {
  codepipeline: ['GetPipelineState', 'ListPipelineExecutions', 'ListActionExecutions'],
  ecs: ['DescribeServices', 'ListServices', 'DescribeTasks', 'ListTasks'],
  ssm: ['GetParameter', 'GetParameters'],
};

/**
 * Eventual consistency: each answer to a client is as old as that time's draw, so a later one can be older, and none is
 * sure to show what its own caller has just changed. What AWS's services ask each other is consistent: they wait for it.
 */
export class Consistency {
  readonly #state: State;
  readonly #clock: Clock;
  readonly #pace: Pace;
  readonly #ids: Pick<Ids, 'random'>;

  constructor(parts: { state: State; clock: Clock; pace: Pace; ids: Pick<Ids, 'random'> }) {
    this.#state = parts.state;
    this.#clock = parts.clock;
    this.#pace = parts.pace;
    this.#ids = parts.ids;
    this.#state.remember({
      nowMs: () => this.#clock.uptimeMs(),
      forMs: this.#pace.worstMs('api-consistency'),
      tables: (name) => name.slice(0, name.indexOf('.')) in EVENTUALLY_CONSISTENT,
    });
  }

  /** The operation's answer to a client. */
  answer<R>(service: ServiceName, operation: string, run: () => R): R {
    if (!EVENTUALLY_CONSISTENT[service]?.includes(operation)) return run();
    const ageMs = this.#pace.drawMs('api-consistency', this.#ids);
    return this.#state.asOf(this.#clock.uptimeMs() - ageMs, run);
  }
}
