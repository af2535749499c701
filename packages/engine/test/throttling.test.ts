import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { CodePipelineClient, GetPipelineStateCommand } from '@aws-sdk/client-codepipeline';
import { DescribeServicesCommand, ECSClient } from '@aws-sdk/client-ecs';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { expect, test } from 'vitest';
import { promptIds, testEngine } from './harness.ts';

/** Error names of so many calls at once. */
async function names(calls: number, send: () => Promise<unknown>): Promise<Set<string>> {
  const settled = await Promise.allSettled(Array.from({ length: calls }, send));
  return new Set(settled.map((one) => (one.status === 'fulfilled' ? 'none' : (one.reason as Error).name)));
}

test('an account that calls too often is throttled with the error of each service', async () => {
  const engine = await testEngine({ pace: 0.001 });
  const pipelines = new CodePipelineClient(engine.client);
  const alarms = new CloudWatchClient(engine.client);
  const ecs = new ECSClient(engine.client);
  const pipeline = await names(30, () => pipelines.send(new GetPipelineStateCommand({ name: 'none' })));
  const cloudWatch = await names(20, () => alarms.send(new DescribeAlarmsCommand({})));
  const service = await names(120, () => ecs.send(new DescribeServicesCommand({ services: ['none'] })));
  expect(pipeline).toEqual(new Set(['PipelineNotFoundException', 'ThrottlingException']));
  expect(cloudWatch).toEqual(new Set(['none', 'Throttling']));
  expect(service).toContain('ThrottlingException');
});

test('an SDK client that retries gets through', async () => {
  const engine = await testEngine({ pace: 1, ids: promptIds() });
  const ssm = new SSMClient({ ...engine.client, maxAttempts: 10, retryMode: 'adaptive' });
  await ssm.send(new PutParameterCommand({ Name: 'one', Value: '1', Type: 'String' }));
  const read = await names(45, () => ssm.send(new GetParameterCommand({ Name: 'one' })));
  expect(read).toEqual(new Set(['none']));
});
