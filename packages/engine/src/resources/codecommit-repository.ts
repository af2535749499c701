import { defineResource, mergedTags, retag, unlessMissing } from './resource-type.ts';
import { required, tags, text } from './schema.ts';

/** `Code` (initial content) and `Triggers` are not known here. */
export const codecommitRepository = defineResource('AWS::CodeCommit::Repository', {
  properties: {
    RepositoryName: required(text),
    RepositoryDescription: text,
    KmsKeyId: text,
    Tags: tags,
  },
  attributes: ['Arn', 'CloneUrlHttp', 'CloneUrlSsh', 'Name', 'RepositoryId'],
  createOnly: ['RepositoryName', 'KmsKeyId'],
  identify: (_context, repository) => repository.RepositoryName,
  exists: async (context, repositoryName) =>
    (await unlessMissing(() => context.call('codecommit', 'GetRepository', { repositoryName }))) !==
    undefined,
  async create(context, repository) {
    const tags = mergedTags(context, repository.Tags);
    const { repositoryMetadata } = await context.call('codecommit', 'CreateRepository', {
      repositoryName: repository.RepositoryName,
      repositoryDescription: repository.RepositoryDescription,
      kmsKeyId: repository.KmsKeyId,
      tags: Object.keys(tags).length === 0 ? undefined : tags,
    });
    const { repositoryId, Arn, cloneUrlHttp, cloneUrlSsh } = repositoryMetadata!;
    return {
      id: repositoryId!,
      attributes: {
        Arn: Arn!,
        CloneUrlHttp: cloneUrlHttp!,
        CloneUrlSsh: cloneUrlSsh ?? '',
        Name: repository.RepositoryName,
        RepositoryId: repositoryId!,
      },
    };
  },
  async update(context, repository, existing) {
    await context.call('codecommit', 'UpdateRepositoryDescription', {
      repositoryName: repository.RepositoryName,
      repositoryDescription: repository.RepositoryDescription ?? '',
    });
    const resourceArn = String(existing.attributes.Arn);
    await retag(context, repository.Tags, existing, {
      set: (tags) => context.call('codecommit', 'TagResource', { resourceArn, tags }),
      remove: (tagKeys) => context.call('codecommit', 'UntagResource', { resourceArn, tagKeys }),
    });
    return undefined;
  },
  async delete(context, { properties: repository }) {
    await unlessMissing(() =>
      context.call('codecommit', 'DeleteRepository', { repositoryName: repository.RepositoryName }),
    );
  },
});
