import type { Input } from '../../dispatch/sdk.ts';
import { AwsFault } from '../../errors.ts';

/** One permission of a function's resource policy, as an IAM statement. */
export type PermissionStatement = Readonly<Record<string, unknown>> & { readonly Sid: string };

type AddPermissionInput = Input<'lambda', 'AddPermission'>;

/** The statement that `AddPermission` makes. */
export function permissionStatement(input: AddPermissionInput, functionArn: string): PermissionStatement {
  for (const field of ['FunctionUrlAuthType', 'InvokedViaFunctionUrl', 'PrincipalOrgID'] as const) {
    if (input[field] !== undefined) {
      throw invalid(`The local engine does not support ${field} in permissions.`);
    }
  }
  const sid = input.StatementId ?? '';
  if (!/^[A-Za-z0-9-_]{1,100}$/.test(sid)) {
    throw invalid('StatementId must be 1 to 100 letters, digits, hyphens or underscores.');
  }
  const action = input.Action ?? '';
  if (!/^(lambda:[*]|lambda:[A-Za-z]+|[*])$/.test(action)) {
    throw invalid(`The action ${action} is not an action of Lambda, such as lambda:InvokeFunction.`);
  }
  const conditions = {
    ...(input.SourceArn === undefined ? {} : { ArnLike: { 'AWS:SourceArn': input.SourceArn } }),
    ...(input.SourceAccount === undefined && input.EventSourceToken === undefined
      ? {}
      : {
          StringEquals: {
            ...(input.SourceAccount === undefined ? {} : { 'AWS:SourceAccount': input.SourceAccount }),
            ...(input.EventSourceToken === undefined
              ? {}
              : { 'lambda:EventSourceToken': input.EventSourceToken }),
          },
        }),
  };
  return {
    Sid: sid,
    Effect: 'Allow',
    Principal: principalOf(input.Principal ?? ''),
    Action: action,
    Resource: input.Qualifier === undefined ? functionArn : `${functionArn}:${input.Qualifier}`,
    ...(Object.keys(conditions).length === 0 ? {} : { Condition: conditions }),
  };
}

/** A resource policy of these statements, as JSON. */
export function policyOf(statements: readonly PermissionStatement[]): string {
  return JSON.stringify({ Version: '2012-10-17', Id: 'default', Statement: statements });
}

function principalOf(principal: string): '*' | Record<string, string> {
  if (principal === '*') return '*';
  if (/^\d{12}$/.test(principal)) return { AWS: `arn:aws:iam::${principal}:root` };
  if (principal.startsWith('arn:')) return { AWS: principal };
  if (/^[a-z0-9.-]+\.amazonaws\.com$/.test(principal)) return { Service: principal };
  throw invalid(`The provided principal was invalid: ${principal}. Use a service, an account or a role.`);
}

function invalid(message: string): AwsFault {
  return new AwsFault('InvalidParameterValueException', message);
}
