import { isDeepStrictEqual } from 'node:util';
import { defineResource, listed, mergedTags, retag, unlessMissing } from './resource-type.ts';
import { map, oneOf, required, text } from './schema.ts';

export const ssmParameter = defineResource('AWS::SSM::Parameter', {
  properties: {
    Name: text,
    Type: required(oneOf('String', 'StringList')),
    Value: required(text),
    Description: text,
    AllowedPattern: text,
    DataType: text,
    Tier: oneOf('Standard', 'Advanced', 'Intelligent-Tiering'),
    Policies: text,
    Tags: map(text),
  },
  attributes: ['Type', 'Value'],
  createOnly: ['Name'],
  identify: (context, properties) => properties.Name ?? context.name({ prefix: 'CFN', longest: 512 }),
  exists: async (context, id) =>
    (await unlessMissing(() => context.call('ssm', 'GetParameter', { Name: id }))) !== undefined,
  async create(context, properties) {
    const name = properties.Name ?? context.name({ prefix: 'CFN', longest: 512 });
    const { Tags, ...rest } = properties;
    const tags = Object.entries({ ...mergedTags(context, undefined), ...Tags });
    await context.call('ssm', 'PutParameter', {
      ...rest,
      Name: name,
      ...(tags.length === 0 ? {} : { Tags: tags.map(([Key, Value]) => ({ Key, Value })) }),
    });
    return { id: name, attributes: { Type: properties.Type, Value: properties.Value } };
  },
  async update(context, properties, existing) {
    const { Tags, ...rest } = properties;
    const { Tags: _tags, ...before } = existing.properties;
    // A change of tags alone does not write the value again: `areResourceModelSame` in
    // https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-ssm
    if (!isDeepStrictEqual(rest, before)) {
      await context.call('ssm', 'PutParameter', { ...rest, Name: existing.id, Overwrite: true });
    }
    const on = { ResourceType: 'Parameter' as const, ResourceId: existing.id };
    const listOf = (own: Readonly<Record<string, string>> | undefined) => ({ Tags: listed(own ?? {}) });
    await retag(
      context,
      listOf(Tags).Tags,
      { stackTags: existing.stackTags, properties: listOf(existing.properties.Tags) },
      {
        set: (tags) => context.call('ssm', 'AddTagsToResource', { ...on, Tags: listed(tags) }),
        remove: (TagKeys) => context.call('ssm', 'RemoveTagsFromResource', { ...on, TagKeys }),
      },
    );
    return { Type: properties.Type, Value: properties.Value };
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('ssm', 'DeleteParameter', { Name: id }));
  },
});
