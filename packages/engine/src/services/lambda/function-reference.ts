import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';

/** A function as a caller names it. */
export interface FunctionReference {
  readonly name: string;
  /** Version or alias after the name or given as `Qualifier`, if any. */
  readonly qualifier: string | undefined;
}

const REFERENCE =
  /^(?:(?:arn:aws:lambda:(?<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?<account>\d{12}):function:)?(?<name>[a-zA-Z0-9-_]{1,64})(?::(?<qualifier>\$LATEST|[a-zA-Z0-9-_]{1,128}))?$/;

/**
 * Reads `FunctionName`, which on Lambda is a name, an ARN or a partial ARN (`ACCOUNT:function:NAME`), each with
 * a qualifier or without. A function of another account or region is one that does not exist.
 */
export function readReference(
  { accountId, region }: Pick<Engine, 'accountId' | 'region'>,
  functionName: string | undefined,
  qualifier?: string,
): FunctionReference {
  const groups = REFERENCE.exec(functionName ?? '')?.groups;
  if (!groups) {
    throw new AwsFault(
      'ValidationException',
      `1 validation error detected: Value '${functionName}' at 'functionName' failed to satisfy constraint: Member must be a function name of at most 64 letters, digits, hyphens and underscores, an ARN or a partial ARN`,
    );
  }
  if ((groups.account ?? accountId) !== accountId || (groups.region ?? region) !== region) {
    throw new AwsFault('ResourceNotFoundException', `Function not found: ${functionName}`, 404);
  }
  if (groups.qualifier !== undefined && qualifier !== undefined && groups.qualifier !== qualifier) {
    throw new AwsFault(
      'InvalidParameterValueException',
      `The derived qualifier from the function name does not match the specified qualifier.`,
    );
  }
  return { name: groups.name!, qualifier: qualifier ?? groups.qualifier };
}

export function functionArn(
  { accountId, region }: Pick<Engine, 'accountId' | 'region'>,
  name: string,
  qualifier?: string,
): string {
  const arn = `arn:aws:lambda:${region}:${accountId}:function:${name}`;
  return qualifier === undefined ? arn : `${arn}:${qualifier}`;
}
