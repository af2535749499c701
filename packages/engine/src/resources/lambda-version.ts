import { defineResource, unlessMissing } from './resource-type.ts';
import { required, text } from './schema.ts';

/** A version is what the function was at one moment: a changed property publishes another. */
export const lambdaVersion = defineResource('AWS::Lambda::Version', {
  properties: { CodeSha256: text, Description: text, FunctionName: required(text) },
  attributes: ['FunctionArn', 'Version'],
  async create(context, version) {
    const { FunctionArn, Version } = await context.call('lambda', 'PublishVersion', version);
    return { id: FunctionArn!, attributes: { FunctionArn: FunctionArn!, Version: Version! } };
  },
  async delete(context, { id, attributes }) {
    await unlessMissing(() =>
      context.call('lambda', 'DeleteFunction', { FunctionName: id, Qualifier: String(attributes.Version) }),
    );
  },
});
