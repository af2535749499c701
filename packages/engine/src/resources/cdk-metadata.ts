import { defineResource } from './resource-type.ts';
import { text } from './schema.ts';

/** What CDK reports about itself. It has no effect on AWS either. */
export const cdkMetadata = defineResource('AWS::CDK::Metadata', {
  properties: { Analytics: text },
  create: (context) => ({ id: context.suffix.toLowerCase() }),
  update: () => undefined,
  delete: () => {},
});
