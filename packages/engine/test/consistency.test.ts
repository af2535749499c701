import {
  DescribeParametersCommand,
  GetParameterCommand,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { expect, test } from 'vitest';
import { ByteIds } from '../src/index.ts';
import { testEngine } from './harness.ts';

test('a client may not see yet what it has changed, where the read is eventually consistent', async () => {
  const longest = Object.assign(new ByteIds(), { random: () => 0.999 });
  const engine = await testEngine({ pace: 1, ids: longest });
  const ssm = new SSMClient(engine.client);
  await ssm.send(new PutParameterCommand({ Name: 'one', Value: '1', Type: 'String' }));
  await expect(ssm.send(new GetParameterCommand({ Name: 'one' }))).rejects.toThrow('one');
  const { Parameters } = await ssm.send(new DescribeParametersCommand({}));
  expect(Parameters?.map(({ Name }) => Name)).toContain('one');
});
