import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { CONTROLLER_VARIABLES } from '@queue-canary/core';
import { putTo } from '../stack-update-answer.ts';
import { createCheckpoint } from './checkpoint.ts';

const stacks = new CloudFormationClient({});
const parameters = new SSMClient({});
const Name = process.env[CONTROLLER_VARIABLES.updateParameter];

/** The handler of the Lambda function that the custom resources of a stack ask. */
export const handler = createCheckpoint({
  statusOf: async (stackId) => {
    const { Stacks = [] } = await stacks.send(new DescribeStacksCommand({ StackName: stackId }));
    return Stacks[0]?.StackStatus ?? '';
  },
  recall: async () => {
    const { Parameter } = await parameters.send(new GetParameterCommand({ Name }));
    return Parameter?.Value ?? '';
  },
  remember: async (Value) => {
    await parameters.send(new PutParameterCommand({ Name, Value, Type: 'String', Overwrite: true }));
  },
  put: putTo,
  nowMs: () => Date.now(),
});
