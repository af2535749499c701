import { type CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import type { AlarmState } from '@queue-canary/core';
import type { AlarmGateway } from '../gateways.ts';
import type { Names } from '../names.ts';
import { UserError } from '../user-error.ts';

/** The release's alarms, metric and composite, through CloudWatch's API. */
export class AwsAlarmGateway implements AlarmGateway {
  readonly #client: CloudWatchClient;
  readonly #names: readonly string[];
  readonly #stopping: ReadonlySet<string>;

  constructor(client: CloudWatchClient, { alarms, stopAlarms }: Pick<Names, 'alarms' | 'stopAlarms'>) {
    this.#client = client;
    this.#names = [...new Set([...alarms, ...stopAlarms])];
    this.#stopping = new Set(stopAlarms);
  }

  async read(): Promise<readonly AlarmState[]> {
    // Without names DescribeAlarms returns every alarm of the account.
    if (this.#names.length === 0) return [];
    const alarms: AlarmState[] = [];
    let nextToken: string | undefined;
    do {
      const output = await this.#client.send(
        new DescribeAlarmsCommand({
          AlarmNames: [...this.#names],
          AlarmTypes: ['MetricAlarm', 'CompositeAlarm'],
          MaxRecords: 100,
          ...(nextToken !== undefined && { NextToken: nextToken }),
        }),
      );
      for (const alarm of [...(output.MetricAlarms ?? []), ...(output.CompositeAlarms ?? [])]) {
        const { AlarmName: name, StateValue: value } = alarm;
        const at = alarm.StateTransitionedTimestamp ?? alarm.StateUpdatedTimestamp;
        if (name === undefined || value === undefined || at === undefined) continue;
        alarms.push({
          name,
          value,
          transitionedAt: at.getTime(),
          ...(this.#stopping.has(name) && { endsRelease: true }),
          ...(alarm.StateReason !== undefined && { reason: alarm.StateReason }),
        });
      }
      nextToken = output.NextToken;
    } while (nextToken !== undefined);
    const missing = this.#names.filter((name) => !alarms.some((alarm) => alarm.name === name));
    if (missing.length > 0) {
      throw new UserError(
        'AlarmNotFound',
        `there is no alarm ${missing.join(', ')}; deploy the pipeline stack again, or take it off the controller's list`,
      );
    }
    return alarms;
  }
}
