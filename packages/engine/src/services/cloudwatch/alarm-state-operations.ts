import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { parseBoundedJson } from '../../document-bounds.ts';
import { AwsFault } from '../../errors.ts';
import { alarmArn } from './alarm-arn.ts';
import type { AlarmHistory } from './alarm-history.ts';
import type { Alarms } from './alarms.ts';

const PAGE = 100;

/** An alarm's state, the reason for it, and whether the alarm acts on a change. */
export function alarmStateOperations(engine: Engine, alarms: Alarms, history: AlarmHistory) {
  const arnOf = (name: string) => alarmArn(engine, name);
  const switchActions = (names: readonly string[] | undefined, enabled: boolean) => {
    for (const name of names ?? []) alarms.enableActions(name, enabled);
    return {};
  };

  return {
    SetAlarmState: {
      resources: (input) => [arnOf(input.AlarmName ?? '')],
      run: (input) => {
        const value = input.StateValue;
        if (value !== 'OK' && value !== 'ALARM' && value !== 'INSUFFICIENT_DATA') {
          throw new AwsFault(
            'ValidationError',
            `StateValue must be OK, ALARM or INSUFFICIENT_DATA, not ${value}.`,
          );
        }
        if (input.StateReasonData !== undefined) {
          try {
            parseBoundedJson(input.StateReasonData);
          } catch {
            throw new AwsFault('InvalidFormatFault', 'The StateReasonData must be valid JSON.');
          }
        }
        alarms.setState(input.AlarmName ?? '', value, input.StateReason ?? '', input.StateReasonData);
        return {};
      },
    },
    EnableAlarmActions: {
      resources: (input) => (input.AlarmNames ?? []).map(arnOf),
      run: (input) => switchActions(input.AlarmNames, true),
    },
    DisableAlarmActions: {
      resources: (input) => (input.AlarmNames ?? []).map(arnOf),
      run: (input) => switchActions(input.AlarmNames, false),
    },
    DescribeAlarmHistory: {
      resources: (input) => [arnOf(input.AlarmName ?? '*')],
      run: (input) => {
        const items = history
          .between(input.StartDate?.getTime() ?? 0, input.EndDate?.getTime() ?? engine.clock.nowMs())
          .filter(
            ({ alarmName, type }) =>
              (input.AlarmName === undefined || alarmName === input.AlarmName) &&
              (input.HistoryItemType === undefined || type === input.HistoryItemType),
          );
        if (input.ScanBy === 'TimestampAscending') items.reverse();
        const { items: shownItems, next } = page(
          items,
          input.NextToken,
          input.MaxRecords ?? PAGE,
          () => new AwsFault('InvalidNextToken', 'The next token is invalid.'),
        );
        return {
          AlarmHistoryItems: shownItems.map(({ alarmName, atMs, type, summary, data }) => ({
            AlarmName: alarmName,
            AlarmType: 'MetricAlarm' as const,
            Timestamp: new Date(atMs),
            HistoryItemType: type,
            HistorySummary: summary,
            HistoryData: data,
          })),
          NextToken: next,
        };
      },
    },
  } satisfies OperationTable<'cloudwatch'>;
}
