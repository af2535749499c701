import { defineResource, type ResourceContext, unlessMissing } from './resource-type.ts';
import { number, object, type Properties, required, text } from './schema.ts';

const destination = object({ Destination: required(text) });
const properties = {
  FunctionName: required(text),
  Qualifier: required(text),
  MaximumEventAgeInSeconds: number,
  MaximumRetryAttempts: number,
  DestinationConfig: object({ OnFailure: destination, OnSuccess: destination }),
};

async function put(context: ResourceContext, config: Properties<typeof properties>): Promise<void> {
  const { Qualifier, ...rest } = config;
  await context.call('lambda', 'PutFunctionEventInvokeConfig', {
    ...rest,
    ...(Qualifier === '$LATEST' ? {} : { Qualifier }),
  });
}

export const lambdaEventInvokeConfig = defineResource('AWS::Lambda::EventInvokeConfig', {
  properties,
  createOnly: ['FunctionName', 'Qualifier'],
  identify: (_context, config) => `${config.FunctionName}|${config.Qualifier}`,
  async create(context, config) {
    await put(context, config);
    return { id: `${config.FunctionName}|${config.Qualifier}` };
  },
  async update(context, config) {
    await put(context, config);
    return undefined;
  },
  async delete(context, { properties: config }) {
    await unlessMissing(() =>
      context.call('lambda', 'DeleteFunctionEventInvokeConfig', {
        FunctionName: config.FunctionName,
        ...(config.Qualifier === '$LATEST' ? {} : { Qualifier: config.Qualifier }),
      }),
    );
  },
});
