import { defineResource, unlessMissing } from './resource-type.ts';
import { required, text } from './schema.ts';

export const logsResourcePolicy = defineResource('AWS::Logs::ResourcePolicy', {
  properties: { PolicyDocument: required(text), PolicyName: required(text) },
  createOnly: ['PolicyName'],
  identify: (_context, { PolicyName }) => PolicyName,
  async create(context, { PolicyName, PolicyDocument }) {
    await context.call('logs', 'PutResourcePolicy', {
      policyName: PolicyName,
      policyDocument: PolicyDocument,
    });
    return { id: PolicyName };
  },
  async update(context, { PolicyName, PolicyDocument }) {
    await context.call('logs', 'PutResourcePolicy', {
      policyName: PolicyName,
      policyDocument: PolicyDocument,
    });
    return undefined;
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('logs', 'DeleteResourcePolicy', { policyName: id }));
  },
});
