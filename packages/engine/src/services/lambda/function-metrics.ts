import type { StandardUnit } from '@aws-sdk/client-cloudwatch';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { servicePrincipal } from '../../iam/principal.ts';

type Values = Readonly<Record<string, number>>;

/**
 * Publishes `AWS/Lambda` metrics as things happen, with dimension `FunctionName` and once without, which on AWS
 * is the sum over all functions.
 */
export class FunctionMetrics {
  readonly #engine: Engine;
  readonly #publishing = new Set<Promise<void>>();
  #lastFailure: string | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Publishes one value for each metric. `Duration` is in milliseconds; everything else is a count. */
  publish(functionName: string, values: Values): void {
    const publishing = this.#publish(functionName, values).finally(() => this.#publishing.delete(publishing));
    this.#publishing.add(publishing);
  }

  async drain(): Promise<void> {
    await Promise.all(this.#publishing);
  }

  async #publish(functionName: string, values: Values): Promise<void> {
    const { clock, call } = this.#engine;
    const at = new Date(clock.nowMs());
    const MetricData = Object.entries(values).flatMap(([name, Value]) =>
      [[{ Name: 'FunctionName', Value: functionName }], []].map((Dimensions) => ({
        MetricName: name,
        Dimensions,
        Timestamp: at,
        Unit: (name === 'Duration' ? 'Milliseconds' : 'Count') satisfies StandardUnit as StandardUnit,
        Value,
      })),
    );
    try {
      await call(servicePrincipal(this.#engine, 'lambda.amazonaws.com'), 'cloudwatch', 'PutMetricData', {
        Namespace: 'AWS/Lambda',
        MetricData,
      });
      this.#lastFailure = undefined;
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      if (this.#lastFailure === error.message) return;
      this.#lastFailure = error.message;
      this.#engine.journal.append('lambda', 'metrics.refused', { code: error.code, message: error.message });
    }
  }
}
