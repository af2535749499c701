import { expect, test } from 'vitest';
import { createCloudWatch } from '../services/cloudwatch/cloudwatch.ts';
import { createEvents } from '../services/events/events.ts';
import { createLogs } from '../services/logs/logs.ts';
import { createSns } from '../services/sns/sns.ts';
import { createSsm } from '../services/ssm/ssm.ts';
import { MemoryEngine } from '../services/test/memory-engine.ts';

async function world() {
  const engine = new MemoryEngine();
  await engine.add(createCloudWatch);
  await engine.add(createSsm);
  await engine.add(createLogs);
  await engine.add(createSns);
  await engine.add(createEvents);
  return engine;
}

test.each<[string, string, object, string, RegExp]>([
  [
    'ssm',
    'PutParameter',
    { Name: '/a', Value: '1', Type: 'Bogus' },
    'ValidationException',
    /'Bogus' at 'Type' .* \[SecureString, String, StringList\]/,
  ],
  [
    'cloudwatch',
    'PutMetricData',
    { Namespace: 'A', MetricData: [{ MetricName: 'm', Value: 1, Unit: 'Bogus' }] },
    'ValidationException',
    /'Bogus' at 'MetricData.1.member.Unit'/,
  ],
  [
    'logs',
    'DescribeLogStreams',
    { logGroupName: 'a', orderBy: 'sth' },
    'InvalidParameterException',
    /'sth' at 'orderBy'/,
  ],
  [
    'events',
    'PutRule',
    { Name: 'a', ScheduleExpression: 'rate(1 hour)', State: 'ON' },
    'ValidationException',
    /'ON' at 'State'/,
  ],
  [
    'ssm',
    'DescribeParameters',
    { Filters: [{ Key: 'Colour', Values: ['red'] }] },
    'ValidationException',
    /'Colour' at 'Filters.1.member.Key'/,
  ],
])('%s:%s refuses %j, which is not of its enumeration', async (service, operation, input, code, message) => {
  const engine = await world();
  await expect(engine.call(service as never, operation as never, input as never)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
});

test('values of an enumeration pass', async () => {
  const engine = await world();
  await engine.call('cloudwatch', 'PutMetricData', {
    Namespace: 'A',
    MetricData: [{ MetricName: 'm', Value: 1, Unit: 'Count/Second' }],
  });
  await engine.call('ssm', 'PutParameter', { Name: '/a', Value: '1', Type: 'SecureString' });
});
