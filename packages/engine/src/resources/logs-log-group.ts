import { defineResource, mergedTags, type ResourceContext, retag, unlessMissing } from './resource-type.ts';
import { flag, number, oneOf, type Properties, tags, text } from './schema.ts';

const properties = {
  LogGroupName: text,
  LogGroupClass: oneOf('STANDARD', 'INFREQUENT_ACCESS', 'DELIVERY'),
  RetentionInDays: number,
  KmsKeyId: text,
  DeletionProtectionEnabled: flag,
  Tags: tags,
};

const nameOf = (context: ResourceContext, group: Properties<typeof properties>) =>
  group.LogGroupName ?? context.name({ longest: 512 });

export const logsLogGroup = defineResource('AWS::Logs::LogGroup', {
  properties,
  attributes: ['Arn'],
  createOnly: ['LogGroupName', 'LogGroupClass', 'KmsKeyId'],
  identify: nameOf,
  async exists(context, name) {
    const { logGroups } = await context.call('logs', 'DescribeLogGroups', { logGroupNamePrefix: name });
    return (logGroups ?? []).some((group) => group.logGroupName === name);
  },
  async create(context, group) {
    const logGroupName = nameOf(context, group);
    const tags = mergedTags(context, group.Tags);
    await context.call('logs', 'CreateLogGroup', {
      logGroupName,
      logGroupClass: group.LogGroupClass,
      kmsKeyId: group.KmsKeyId,
      deletionProtectionEnabled: group.DeletionProtectionEnabled,
      tags: Object.keys(tags).length === 0 ? undefined : tags,
    });
    if (group.RetentionInDays !== undefined) {
      await context.call('logs', 'PutRetentionPolicy', {
        logGroupName,
        retentionInDays: group.RetentionInDays,
      });
    }
    return {
      id: logGroupName,
      attributes: { Arn: `arn:aws:logs:${context.region}:${context.accountId}:log-group:${logGroupName}:*` },
    };
  },
  async update(context, group, existing) {
    const { id: logGroupName, properties: before } = existing;
    if (group.RetentionInDays !== before.RetentionInDays) {
      if (group.RetentionInDays === undefined) {
        await context.call('logs', 'DeleteRetentionPolicy', { logGroupName });
      } else {
        await context.call('logs', 'PutRetentionPolicy', {
          logGroupName,
          retentionInDays: group.RetentionInDays,
        });
      }
    }
    const resourceArn = String(existing.attributes.Arn).replace(/:\*$/, '');
    await retag(context, group.Tags, existing, {
      set: (tags) => context.call('logs', 'TagResource', { resourceArn, tags }),
      remove: (tagKeys) => context.call('logs', 'UntagResource', { resourceArn, tagKeys }),
    });
    return undefined;
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('logs', 'DeleteLogGroup', { logGroupName: id }));
  },
});
