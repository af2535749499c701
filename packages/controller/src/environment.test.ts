import { describe, expect, test } from 'vitest';
import { readEnvironment } from './environment.ts';

const complete = {
  QC_APP: 'Orders',
  QC_PIPELINE_NAME: 'p',
  QC_CLUSTER: 'c',
  QC_CANARY_SERVICE: 'canary',
  QC_STABLE_SERVICE: 'stable',
  QC_CANARY_TASKS: '1',
  QC_STABLE_TASKS_MIN: '0',
  QC_STABLE_TASKS_MAX: '10',
  QC_CONTAINER_NAME: 'worker',
  QC_RELEASE_PARAMETER: '/release',
  QC_ROLLBACK_PARAMETER: '/rollback',
  QC_IMAGE_PARAMETER: '/image',
  QC_IMAGE_REPOSITORY: 'registry/worker',
  QC_ALARM_NAMES: 'one\ntwo, or so\n',
  QC_STOP_ALARM_NAMES: 'latency',
  QC_DLQ_NAME: 'dlq',
  QC_TOPIC_ARN: 'arn:aws:sns:us-east-1:123456789012:t',
  QC_POLICY: '{"bakeMs":300000}',
};

describe('readEnvironment', () => {
  test('reads names and policy', () => {
    expect(readEnvironment(complete)).toMatchObject({
      names: {
        app: 'Orders',
        alarms: ['one', 'two, or so'],
        stopAlarms: ['latency'],
        deadLetterQueue: 'dlq',
        tasks: { canary: 1, stableMin: 0, stableMax: 10 },
      },
      policy: { bakeMs: 300_000, judge: { bakeMsMin: 300_000 } },
    });
  });

  test('needs neither alarms nor a dead-letter queue', () => {
    const { QC_ALARM_NAMES: _, QC_STOP_ALARM_NAMES: __, QC_DLQ_NAME: ___, ...without } = complete;
    const { names } = readEnvironment(without);
    expect(names).toMatchObject({ alarms: [], stopAlarms: [] });
    expect(names).not.toHaveProperty('deadLetterQueue');
  });

  test('lists everything that is wrong at once', () => {
    const broken = { ...complete, QC_CLUSTER: '', QC_TOPIC_ARN: undefined, QC_POLICY: '{"bakeMs":-1}' };
    expect(() => readEnvironment(broken)).toThrow(
      /QC_CLUSTER is not set; QC_TOPIC_ARN is not set; QC_POLICY: "bakeMs" must be between 0 and/,
    );
    expect(() => readEnvironment({ ...complete, QC_CANARY_TASKS: 'one' })).toThrow(
      'QC_CANARY_TASKS must be a whole number, not one',
    );
    expect(() => readEnvironment({ ...complete, QC_POLICY: '{' })).toThrow('QC_POLICY is not JSON');
  });
});
