import { describe, expect, test } from 'vitest';
import { type AlarmCondition, type AlarmStateValue, type DataPoint, decide } from './alarm-evaluation.ts';

const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 1);

/** `0` does not breach, `X` does, `-` is missing; the newest is on the right. */
function points(drawn: string): DataPoint[] {
  return drawn.split(' ').map((mark, index) => ({
    atMs: START + index * MINUTE,
    value: mark === '-' ? undefined : mark === 'X' ? 5 : 0,
  }));
}

function condition(over: Partial<AlarmCondition> = {}): AlarmCondition {
  return {
    comparison: 'GreaterThanThreshold',
    threshold: 1,
    evaluationPeriods: 3,
    datapointsToAlarm: 3,
    treatMissingData: 'missing',
    ...over,
  };
}

const STATES: AlarmStateValue[] = ['OK', 'ALARM', 'INSUFFICIENT_DATA'];
const TREATMENTS = ['missing', 'ignore', 'breaching', 'notBreaching'] as const;

describe.each([
  // Both tables of AWS's documentation of missing data, row by row.
  [3, '0 - X - X', ['OK', 'OK', 'OK', 'OK']],
  [3, '0 - - - -', ['OK', 'OK', 'OK', 'OK']],
  [3, '- - - - -', ['INSUFFICIENT_DATA', 'same', 'ALARM', 'OK']],
  [3, '0 X X - X', ['ALARM', 'ALARM', 'ALARM', 'ALARM']],
  [3, '- - X - -', ['ALARM', 'same', 'ALARM', 'OK']],
  [2, '0 - X - X', ['ALARM', 'ALARM', 'ALARM', 'ALARM']],
  [2, '0 0 X 0 X', ['ALARM', 'ALARM', 'ALARM', 'ALARM']],
  [2, '0 - X - -', ['OK', 'OK', 'ALARM', 'OK']],
  [2, '- - - - 0', ['OK', 'OK', 'ALARM', 'OK']],
  [2, '- - - X -', ['ALARM', 'same', 'ALARM', 'OK']],
] as const)('%i of 3 over %s', (datapointsToAlarm, drawn, expected) => {
  test.each(TREATMENTS.map((treatment, index) => [treatment, expected[index]!] as const))(
    'with missing data as %s is %s',
    (treatMissingData, state) => {
      for (const current of STATES) {
        const decision = decide(condition({ datapointsToAlarm, treatMissingData }), points(drawn), current);
        expect(decision.state).toBe(state === 'same' ? current : state);
      }
    },
  );
});

describe('data that is only beginning to breach', () => {
  test.each(['- - - - X', '- - - X -'])('%s leaves the state of a 3 of 3 alarm as it is', (drawn) => {
    for (const current of STATES) {
      expect(decide(condition(), points(drawn), current).state).toBe(current);
    }
  });
});

test('a silent metric keeps a single-period alarm for two more periods', () => {
  const single = condition({ evaluationPeriods: 1, datapointsToAlarm: 1, treatMissingData: 'notBreaching' });
  const states = ['- - X', '- X -', 'X - -', '- - -'].map(
    (drawn) => decide(single, points(drawn), 'OK').state,
  );
  expect(states).toEqual(['ALARM', 'ALARM', 'ALARM', 'OK']);
});

describe('the reason', () => {
  test('names the breaching data points with their times', () => {
    const decision = decide(condition({ datapointsToAlarm: 2 }), points('0 0 X 0 X'), 'OK');
    expect(decision.reason).toBe(
      'Threshold Crossed: 2 out of the last 3 datapoints [5.0 (01/01/26 00:04:00), 5.0 (01/01/26 00:02:00)] were greater than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition).',
    );
  });

  test('of a recovery counts what no longer breaches', () => {
    const single = condition({ evaluationPeriods: 1, datapointsToAlarm: 1 });
    expect(decide(single, points('X X 0'), 'ALARM').reason).toBe(
      'Threshold Crossed: 1 out of the last 1 datapoints [0.0 (01/01/26 00:02:00)] was not greater than the threshold (1.0) (minimum 1 datapoint for ALARM -> OK transition).',
    );
  });

  test('says how missing data was treated', () => {
    const single = { evaluationPeriods: 1, datapointsToAlarm: 1 } as const;
    const reason = (treatMissingData: AlarmCondition['treatMissingData']) =>
      decide(condition({ ...single, treatMissingData }), points('- - -'), 'OK').reason;
    expect(reason('notBreaching')).toBe(
      'Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching].',
    );
    expect(reason('missing')).toBe('Insufficient Data: 1 datapoint was unknown.');
  });
});

test.each([
  ['GreaterThanThreshold', [false, false, true]],
  ['GreaterThanOrEqualToThreshold', [false, true, true]],
  ['LessThanThreshold', [true, false, false]],
  ['LessThanOrEqualToThreshold', [true, true, false]],
] as const)('%s compares 0, 1 and 2 with 1', (comparison, expected) => {
  const single = condition({ comparison, evaluationPeriods: 1, datapointsToAlarm: 1 });
  const states = [0, 1, 2].map((value) => decide(single, [{ atMs: START, value }], 'OK').state === 'ALARM');
  expect(states).toEqual(expected);
});
