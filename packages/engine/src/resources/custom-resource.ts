import { AwsFault } from '../errors.ts';
import type { CustomResourceQuestion } from './custom-resource-exchange.ts';
import type { Created, ResourceContext, ResourceType } from './resource-type.ts';
import { isObject, type Json, PropertyError } from './schema.ts';

/** An hour, which is also the longest. */
const TIMEOUT_SECONDS_MAX = 3600;
const FUNCTION = /^arn:aws:lambda:[^:]+:\d{12}:function:.+$/;
const TYPE = /^(AWS::CloudFormation::CustomResource|Custom::[\w@-]{1,60})$/;

/** The custom resource type of this name; `undefined` when the name is none. */
export function customResource(name: string): ResourceType | undefined {
  if (!TYPE.test(name)) return undefined;
  return {
    name,
    recordedOnly: false,
    isCreatedOnce: false,
    propertyNames: [],
    hasAttribute: () => true,
    checkNames,
    replacesOn: () => false,
    choosesId: true,
    identify: () => undefined,
    exists: async () => false,
    create: (context, properties) => ask(context, { requestType: 'Create', type: name, properties }),
    update(context, properties, existing) {
      if (properties.ServiceToken !== existing.properties.ServiceToken) {
        throw invalid(context, 'Modifying service token is not allowed.');
      }
      const { id, properties: oldProperties } = existing;
      return ask(context, { requestType: 'Update', type: name, id, properties, oldProperties });
    },
    async delete(context, { id, properties }) {
      await ask(context, { requestType: 'Delete', type: name, id, properties });
    },
  };
}

function checkNames(properties: Json): void {
  if (!isObject(properties) || !Object.hasOwn(properties, 'ServiceToken')) {
    throw new PropertyError('#: required key [ServiceToken] not found');
  }
  const { ServiceToken: token, ServiceTimeout: timeout } = properties;
  if (typeof token === 'string' && !FUNCTION.test(token) && !token.includes('{{resolve:')) {
    throw new PropertyError(`#/ServiceToken: ${notAFunction(token)}`);
  }
  if (timeout !== undefined && !isObject(timeout)) timeoutOf(timeout);
}

function timeoutOf(timeout: Json | undefined): number {
  const seconds = Number(timeout ?? TIMEOUT_SECONDS_MAX);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= TIMEOUT_SECONDS_MAX) return seconds;
  throw new PropertyError(
    `#/ServiceTimeout: ${JSON.stringify(timeout)} is not a number of seconds from 1 to ${TIMEOUT_SECONDS_MAX}`,
  );
}

/** Asks the function; a failure that names an id leaves the resource with it, so that it is deleted later, as on AWS. */
async function ask(
  context: ResourceContext,
  question: Omit<CustomResourceQuestion, 'timeoutSeconds'>,
): Promise<Required<Created>> {
  const { ServiceToken: token, ServiceTimeout: timeout } = question.properties;
  if (typeof token !== 'string' || !FUNCTION.test(token)) throw invalid(context, notAFunction(token ?? null));
  const { failure, id, data } = await context.ask({ ...question, timeoutSeconds: seconds(context, timeout) });
  if (failure !== undefined) {
    if (question.requestType === 'Create') context.initiated(id ?? context.name());
    throw new AwsFault('CustomResourceFailed', failure);
  }
  return { id: id ?? question.id ?? '', attributes: data };
}

function seconds(context: ResourceContext, timeout: Json | undefined): number {
  try {
    return timeoutOf(timeout);
  } catch (error) {
    throw error instanceof PropertyError ? invalid(context, error.message) : error;
  }
}

function notAFunction(token: Json): string {
  return `the local engine asks Lambda functions, and ${JSON.stringify(token)} is not the ARN of one`;
}

function invalid(context: ResourceContext, message: string): AwsFault {
  return new AwsFault(
    'ValidationError',
    `Properties validation failed for resource ${context.logicalId} with message: ${message}`,
  );
}
