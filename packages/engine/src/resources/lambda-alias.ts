import { defineResource, unlessMissing } from './resource-type.ts';
import { list, number, object, type Properties, required, text } from './schema.ts';

const properties = {
  FunctionName: required(text),
  FunctionVersion: required(text),
  Name: required(text),
  Description: text,
  RoutingConfig: object({
    AdditionalVersionWeights: list(
      object({ FunctionVersion: required(text), FunctionWeight: required(number) }),
    ),
  }),
};

/** What the template leaves out is nothing: no description, and no other version. */
function settingsOf({ RoutingConfig, Description, ...alias }: Properties<typeof properties>) {
  const weights = RoutingConfig?.AdditionalVersionWeights ?? [];
  return {
    ...alias,
    Description: Description ?? '',
    RoutingConfig: {
      AdditionalVersionWeights: Object.fromEntries(
        weights.map(({ FunctionVersion, FunctionWeight }) => [FunctionVersion, FunctionWeight]),
      ),
    },
  };
}

export const lambdaAlias = defineResource('AWS::Lambda::Alias', {
  properties,
  attributes: ['AliasArn'],
  createOnly: ['FunctionName', 'Name'],
  async create(context, alias) {
    const { AliasArn } = await context.call('lambda', 'CreateAlias', settingsOf(alias));
    return { id: AliasArn!, attributes: { AliasArn: AliasArn! } };
  },
  async update(context, alias) {
    await context.call('lambda', 'UpdateAlias', settingsOf(alias));
    return undefined;
  },
  async delete(context, { properties: { FunctionName, Name } }) {
    await unlessMissing(() => context.call('lambda', 'DeleteAlias', { FunctionName, Name }));
  },
});
