import { parseBoundedJson } from '../document-bounds.ts';
import { AwsFault } from '../errors.ts';
import { defineResource, type ResourceContext, retag, tagList, unlessMissing } from './resource-type.ts';
import { flag, isObject, number, object, type Properties, tags, text } from './schema.ts';

const properties = {
  Name: text,
  Description: text,
  KmsKeyId: text,
  SecretString: text,
  GenerateSecretString: object({
    ExcludeCharacters: text,
    ExcludeLowercase: flag,
    ExcludeNumbers: flag,
    ExcludePunctuation: flag,
    ExcludeUppercase: flag,
    GenerateStringKey: text,
    IncludeSpace: flag,
    PasswordLength: number,
    RequireEachIncludedType: flag,
    SecretStringTemplate: text,
  }),
  Tags: tags,
};
type Secret = Properties<typeof properties>;

const nameOf = (context: ResourceContext, secret: Secret) =>
  secret.Name ?? context.name({ prefix: '', longest: 255 });

/** The value that the template gives, or has generated: a password, or a JSON object with the password as one member. */
async function secretText(context: ResourceContext, secret: Secret): Promise<string | undefined> {
  if (secret.SecretString !== undefined && secret.GenerateSecretString !== undefined) {
    throw invalid('You can specify either SecretString or GenerateSecretString, not both.');
  }
  if (secret.GenerateSecretString === undefined) return secret.SecretString;
  const { GenerateStringKey: key, SecretStringTemplate: template, ...wanted } = secret.GenerateSecretString;
  if ((key === undefined) !== (template === undefined)) {
    throw invalid('GenerateStringKey and SecretStringTemplate go together.');
  }
  const { RandomPassword } = await context.call('secretsmanager', 'GetRandomPassword', wanted);
  if (key === undefined || template === undefined) return RandomPassword;
  return JSON.stringify({ ...jsonObject(template), [key]: RandomPassword });
}

function jsonObject(template: string): object {
  try {
    const parsed = parseBoundedJson(template);
    if (isObject(parsed as never)) return parsed as object;
  } catch {
    // Told below, as for JSON that is no object.
  }
  throw invalid('SecretStringTemplate is not a JSON object.');
}

function invalid(message: string): AwsFault {
  return new AwsFault('InvalidRequest', message);
}

/** A secret. As on AWS, CloudFormation deletes it at once, without a time in which it could be restored. */
export const secretsmanagerSecret = defineResource('AWS::SecretsManager::Secret', {
  properties,
  attributes: ['Id'],
  createOnly: ['Name'],
  identify: nameOf,
  exists: async (context, SecretId) =>
    (await unlessMissing(() => context.call('secretsmanager', 'DescribeSecret', { SecretId }))) !== undefined,
  async create(context, secret) {
    const { ARN } = await context.call('secretsmanager', 'CreateSecret', {
      Name: nameOf(context, secret),
      Description: secret.Description,
      KmsKeyId: secret.KmsKeyId,
      SecretString: await secretText(context, secret),
      Tags: tagList(context, secret.Tags),
    });
    return { id: ARN!, attributes: { Id: ARN! } };
  },
  async update(context, secret, existing) {
    const { id: SecretId, properties: before } = existing;
    const same = (member: 'SecretString' | 'GenerateSecretString') =>
      JSON.stringify(secret[member]) === JSON.stringify(before[member]);
    const isKept = same('SecretString') && same('GenerateSecretString');
    await context.call('secretsmanager', 'UpdateSecret', {
      SecretId,
      Description: secret.Description ?? '',
      KmsKeyId: secret.KmsKeyId ?? 'alias/aws/secretsmanager',
      SecretString: isKept ? undefined : await secretText(context, secret),
    });
    await retag(context, secret.Tags, existing, {
      set: (tags) =>
        context.call('secretsmanager', 'TagResource', {
          SecretId,
          Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
        }),
      remove: (TagKeys) => context.call('secretsmanager', 'UntagResource', { SecretId, TagKeys }),
    });
    return undefined;
  },
  async delete(context, { id: SecretId }) {
    await unlessMissing(() =>
      context.call('secretsmanager', 'DeleteSecret', { SecretId, ForceDeleteWithoutRecovery: true }),
    );
  },
});
