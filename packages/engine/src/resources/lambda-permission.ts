import type { FunctionUrlAuthType } from '@aws-sdk/client-lambda';
import { defineResource, unlessMissing } from './resource-type.ts';
import { required, text } from './schema.ts';

export const lambdaPermission = defineResource('AWS::Lambda::Permission', {
  properties: {
    Action: required(text),
    FunctionName: required(text),
    Principal: required(text),
    SourceArn: text,
    SourceAccount: text,
    EventSourceToken: text,
    FunctionUrlAuthType: text,
    PrincipalOrgID: text,
  },
  attributes: ['Id'],
  identify: (context) => context.name({ longest: 100 }),
  async create(context, permission) {
    const StatementId = context.name({ longest: 100 });
    await context.call('lambda', 'AddPermission', {
      ...permission,
      FunctionUrlAuthType: permission.FunctionUrlAuthType as FunctionUrlAuthType | undefined,
      StatementId,
    });
    return { id: StatementId, attributes: { Id: StatementId } };
  },
  async delete(context, { id, properties: permission }) {
    await unlessMissing(() =>
      context.call('lambda', 'RemovePermission', { FunctionName: permission.FunctionName, StatementId: id }),
    );
  },
});
