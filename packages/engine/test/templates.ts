import type { Stack } from '@aws-sdk/client-cloudformation';

/* Parts of templates, and what their stacks put out. */

export const CAPABLE = { Capabilities: ['CAPABILITY_NAMED_IAM'] };
const trusted = (Service: string) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service }, Action: 'sts:AssumeRole' }],
});
export const allow = (Action: string) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action, Resource: '*' }],
});
export const role = (service: string, extra: object = {}) => ({
  Type: 'AWS::IAM::Role',
  Properties: { AssumeRolePolicyDocument: trusted(service), ...extra },
});
export const outputs = (stack: Stack) =>
  Object.fromEntries((stack.Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey!, OutputValue!]));
export const getAtt = (logicalId: string, name: string) => ({ 'Fn::GetAtt': [logicalId, name] });
export const ref = (logicalId: string) => ({ Ref: logicalId });
