import { defineResource, mergedTags, unlessMissing } from './resource-type.ts';
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
  async update(context, properties, { id }) {
    const { Tags: _, ...rest } = properties;
    await context.call('ssm', 'PutParameter', { ...rest, Name: id, Overwrite: true });
    return { Type: properties.Type, Value: properties.Value };
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('ssm', 'DeleteParameter', { Name: id }));
  },
});
