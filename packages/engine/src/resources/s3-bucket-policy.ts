import { defineResource, unlessMissing } from './resource-type.ts';
import { document, required, text } from './schema.ts';

export const s3BucketPolicy = defineResource('AWS::S3::BucketPolicy', {
  properties: { Bucket: required(text), PolicyDocument: required(document) },
  createOnly: ['Bucket'],
  identify: (_context, policy) => policy.Bucket,
  async create(context, policy) {
    await context.call('s3', 'PutBucketPolicy', {
      Bucket: policy.Bucket,
      Policy: JSON.stringify(policy.PolicyDocument),
    });
    return { id: policy.Bucket };
  },
  async update(context, policy) {
    await context.call('s3', 'PutBucketPolicy', {
      Bucket: policy.Bucket,
      Policy: JSON.stringify(policy.PolicyDocument),
    });
    return undefined;
  },
  async delete(context, { properties: policy }) {
    await unlessMissing(() => context.call('s3', 'DeleteBucketPolicy', { Bucket: policy.Bucket }));
  },
});
