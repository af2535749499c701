import { AwsFault } from '../errors.ts';
import { defineResource, unlessMissing } from './resource-type.ts';
import { required, text } from './schema.ts';

/** A version is what the function was at one moment: a changed property publishes another. */
export const lambdaVersion = defineResource('AWS::Lambda::Version', {
  properties: { CodeSha256: text, Description: text, FunctionName: required(text) },
  attributes: ['FunctionArn', 'Version'],
  async create(context, version) {
    const { FunctionName } = version;
    const { Versions = [] } = await context.call('lambda', 'ListVersionsByFunction', { FunctionName });
    const { FunctionArn, Version } = await context.call('lambda', 'PublishVersion', version);
    if (Versions.some((known) => known.Version === Version)) {
      throw new AwsFault(
        'AlreadyExists',
        `A version for this Lambda function exists ( ${Version} ). Modify the function to create a new version.`,
      );
    }
    return { id: FunctionArn!, attributes: { FunctionArn: FunctionArn!, Version: Version! } };
  },
  async delete(context, { id, attributes }) {
    await unlessMissing(() =>
      context.call('lambda', 'DeleteFunction', { FunctionName: id, Qualifier: String(attributes.Version) }),
    );
  },
});
