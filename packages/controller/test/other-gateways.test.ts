import { describe, expect, test } from 'vitest';
import { createObserver } from '../src/index.ts';
import { ScriptedAws } from './scripted-aws.ts';
import { at, names, talking } from './talking.ts';

describe('the alarm gateway', () => {
  test('reads metric and composite alarms by name, and since when each is in its state', async () => {
    await talking(
      () => ({
        MetricAlarms: [
          {
            AlarmName: 'dead-letters',
            StateValue: 'ALARM',
            StateReason: 'threshold crossed',
            StateUpdatedTimestamp: at(90),
            StateTransitionedTimestamp: at(30),
          },
        ],
        CompositeAlarms: [{ AlarmName: 'latency', StateValue: 'OK', StateUpdatedTimestamp: at(60) }],
      }),
      async ({ alarms }, calls) => {
        expect(await alarms.read()).toEqual([
          {
            name: 'dead-letters',
            value: 'ALARM',
            transitionedAt: at(30) * 1000,
            reason: 'threshold crossed',
          },
          { name: 'latency', endsRelease: true, value: 'OK', transitionedAt: at(60) * 1000 },
        ]);
        expect(calls[0]?.input).toMatchObject({ AlarmNames: ['dead-letters', 'latency'] });
      },
    );
  });

  test('never takes a missing alarm for a quiet one', async () => {
    await talking(
      () => ({
        MetricAlarms: [{ AlarmName: 'latency', StateValue: 'OK', StateUpdatedTimestamp: at(60) }],
      }),
      async ({ alarms }) => {
        await expect(alarms.read()).rejects.toThrow('there is no alarm dead-letters');
      },
    );
  });
});

describe('the dead-letter gateway', () => {
  test('counts visible, hidden and delayed messages, and looks its queue up once', async () => {
    await talking(
      ({ operation }) =>
        operation === 'GetQueueUrl'
          ? { QueueUrl: 'https://queue/dlq' }
          : {
              Attributes: {
                ApproximateNumberOfMessages: '4',
                ApproximateNumberOfMessagesNotVisible: '2',
                ApproximateNumberOfMessagesDelayed: '1',
              },
            },
      async ({ deadLetters }, calls) => {
        expect(await deadLetters.depth()).toEqual({ visible: 4, hidden: 3 });
        await deadLetters.depth();
        expect(calls.map(({ operation }) => operation)).toEqual([
          'GetQueueUrl',
          'GetQueueAttributes',
          'GetQueueAttributes',
        ]);
      },
    );
  });
});

describe('the notification gateway', () => {
  test('publishes with a subject that SNS accepts', async () => {
    await talking(
      () => ({}),
      async ({ notifications }, calls) => {
        await notifications.publish(`Release é${'x'.repeat(200)}`, 'both services\nrestored');
        expect(calls).toEqual([
          {
            operation: 'Publish',
            input: {
              TopicArn: names.topicArn,
              Subject: `Release  ${'x'.repeat(91)}`,
              Message: 'both services\nrestored',
            },
          },
        ]);
      },
    );
  });
});

describe('what the observer sees', () => {
  test('is unknown with its cause where AWS refuses, and never an empty world', async () => {
    await using aws = await ScriptedAws.start(() => ({ error: 'AccessDeniedException', message: 'no' }));
    const observed = await createObserver({
      names,
      connection: aws.connection,
    })(at(0) * 1000);
    expect(observed.pipeline).toEqual({ known: false, problem: 'the pipeline cannot be read: no' });
    expect(observed.record).toEqual({ known: false, problem: 'the release record cannot be read: no' });
    expect(observed.alarms).toEqual({ known: false, problem: 'the alarms cannot be read: no' });
  });
});
