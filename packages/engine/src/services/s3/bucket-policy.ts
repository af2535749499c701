import { AwsFault } from '../../errors.ts';
import { parsePolicy } from '../../iam/policy-grammar.ts';
import type { Directory } from '../../iam/principal-element.ts';

/**
 * Checks a bucket's policy and gives it back. Its statements may be about this bucket and its objects only (Amazon S3
 * User Guide, "Policies and permissions in Amazon S3").
 */
export function checkBucketPolicy(text: string, bucket: string, directory: Directory): string {
  const policy = parsePolicy(text, 's3', directory);
  if ('error' in policy) throw malformed(policy.error);
  for (const { Resource, NotResource } of [policy.Statement].flat()) {
    for (const resource of [Resource ?? NotResource ?? []].flat()) {
      const name = resource.split(':').slice(5).join(':').split('/')[0];
      if (name !== bucket && name !== `${bucket}*`) {
        throw malformed(`Policy has invalid resource: ${resource} is not of the bucket ${bucket}`);
      }
    }
  }
  return text;
}

function malformed(message: string): AwsFault {
  return new AwsFault('MalformedPolicy', message);
}
