import {
  defineResource,
  listed,
  type ResourceContext,
  retag,
  tagList,
  unlessMissing,
} from './resource-type.ts';
import { document, flag, object, oneOf, type Properties, required, tags, text } from './schema.ts';

const properties = {
  RepositoryName: text,
  EmptyOnDelete: flag,
  EncryptionConfiguration: object({
    EncryptionType: required(oneOf('AES256', 'KMS', 'KMS_DSSE')),
    KmsKey: text,
  }),
  ImageScanningConfiguration: object({ ScanOnPush: flag }),
  ImageTagMutability: oneOf('MUTABLE', 'IMMUTABLE'),
  LifecyclePolicy: object({ LifecyclePolicyText: text, RegistryId: text }),
  RepositoryPolicyText: document,
  Tags: tags,
};
type Repository = Properties<typeof properties>;

const nameOf = (context: ResourceContext, repository: Repository) =>
  repository.RepositoryName ?? context.name({ longest: 256, lowerCase: true });

async function putPolicies(
  context: ResourceContext,
  repositoryName: string,
  repository: Repository,
  before?: Repository,
): Promise<void> {
  if (repository.LifecyclePolicy?.LifecyclePolicyText !== undefined) {
    await context.call('ecr', 'PutLifecyclePolicy', {
      repositoryName,
      lifecyclePolicyText: repository.LifecyclePolicy.LifecyclePolicyText,
    });
  } else if (before?.LifecyclePolicy) {
    await unlessMissing(() => context.call('ecr', 'DeleteLifecyclePolicy', { repositoryName }));
  }
  if (repository.RepositoryPolicyText !== undefined) {
    await context.call('ecr', 'SetRepositoryPolicy', {
      repositoryName,
      policyText: JSON.stringify(repository.RepositoryPolicyText),
    });
  } else if (before?.RepositoryPolicyText) {
    await unlessMissing(() => context.call('ecr', 'DeleteRepositoryPolicy', { repositoryName }));
  }
}

export const ecrRepository = defineResource('AWS::ECR::Repository', {
  properties,
  attributes: ['Arn', 'RepositoryUri'],
  createOnly: ['RepositoryName', 'EncryptionConfiguration'],
  identify: nameOf,
  exists: async (context, name) =>
    (await unlessMissing(() => context.call('ecr', 'DescribeRepositories', { repositoryNames: [name] }))) !==
    undefined,
  async create(context, repository) {
    const repositoryName = nameOf(context, repository);
    const created = await context.call('ecr', 'CreateRepository', {
      repositoryName,
      imageTagMutability: repository.ImageTagMutability,
      imageScanningConfiguration: { scanOnPush: repository.ImageScanningConfiguration?.ScanOnPush ?? false },
      ...(repository.EncryptionConfiguration
        ? {
            encryptionConfiguration: {
              encryptionType: repository.EncryptionConfiguration.EncryptionType,
              kmsKey: repository.EncryptionConfiguration.KmsKey,
            },
          }
        : {}),
      tags: tagList(context, repository.Tags),
    });
    await putPolicies(context, repositoryName, repository);
    const { repositoryArn, repositoryUri } = created.repository!;
    return { id: repositoryName, attributes: { Arn: repositoryArn!, RepositoryUri: repositoryUri! } };
  },
  async update(context, repository, existing) {
    const { id: repositoryName, properties: before } = existing;
    if (repository.ImageTagMutability !== before.ImageTagMutability) {
      await context.call('ecr', 'PutImageTagMutability', {
        repositoryName,
        imageTagMutability: repository.ImageTagMutability ?? 'MUTABLE',
      });
    }
    if (repository.ImageScanningConfiguration?.ScanOnPush !== before.ImageScanningConfiguration?.ScanOnPush) {
      await context.call('ecr', 'PutImageScanningConfiguration', {
        repositoryName,
        imageScanningConfiguration: {
          scanOnPush: repository.ImageScanningConfiguration?.ScanOnPush ?? false,
        },
      });
    }
    await putPolicies(context, repositoryName, repository, before);
    const resourceArn = String(existing.attributes.Arn);
    await retag(context, repository.Tags, existing, {
      set: (tags) => context.call('ecr', 'TagResource', { resourceArn, tags: listed(tags) }),
      remove: (tagKeys) => context.call('ecr', 'UntagResource', { resourceArn, tagKeys }),
    });
    return undefined;
  },
  async delete(context, { id, properties: repository }) {
    await unlessMissing(() =>
      context.call('ecr', 'DeleteRepository', {
        repositoryName: id,
        force: repository.EmptyOnDelete ?? false,
      }),
    );
  },
});
