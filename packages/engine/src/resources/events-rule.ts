import { AwsFault } from '../errors.ts';
import {
  defineResource,
  listed,
  type ResourceContext,
  retag,
  tagList,
  unlessMissing,
} from './resource-type.ts';
import {
  document,
  list,
  map,
  number,
  object,
  oneOf,
  type Properties,
  required,
  tags,
  text,
} from './schema.ts';

const properties = {
  Name: text,
  Description: text,
  EventBusName: text,
  EventPattern: document,
  ScheduleExpression: text,
  State: oneOf('ENABLED', 'DISABLED', 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS'),
  RoleArn: text,
  Targets: list(
    object({
      Arn: required(text),
      Id: required(text),
      RoleArn: text,
      Input: text,
      InputPath: text,
      InputTransformer: object({ InputPathsMap: map(text), InputTemplate: required(text) }),
      DeadLetterConfig: object({ Arn: text }),
      RetryPolicy: object({ MaximumEventAgeInSeconds: number, MaximumRetryAttempts: number }),
      SqsParameters: object({ MessageGroupId: required(text) }),
    }),
  ),
  Tags: tags,
};
type Rule = Properties<typeof properties>;

const nameOf = (context: ResourceContext, rule: Rule) => rule.Name ?? context.name({ longest: 64 });
const busOf = (rule: Rule) => (rule.EventBusName === undefined ? {} : { EventBusName: rule.EventBusName });

async function put(context: ResourceContext, name: string, rule: Rule, creating: boolean): Promise<string> {
  const { RuleArn } = await context.call('events', 'PutRule', {
    Name: name,
    Description: rule.Description,
    EventPattern: rule.EventPattern === undefined ? undefined : JSON.stringify(rule.EventPattern),
    ScheduleExpression: rule.ScheduleExpression,
    State: rule.State,
    RoleArn: rule.RoleArn,
    Tags: creating ? tagList(context, rule.Tags) : undefined,
    ...busOf(rule),
  });
  if (rule.Targets && rule.Targets.length > 0) {
    const { FailedEntries } = await context.call('events', 'PutTargets', {
      Rule: name,
      Targets: rule.Targets,
      ...busOf(rule),
    });
    const failed = FailedEntries?.[0];
    if (failed) {
      throw new AwsFault(
        failed.ErrorCode ?? 'ValidationException',
        `Target ${failed.TargetId}: ${failed.ErrorMessage}`,
      );
    }
  }
  return RuleArn!;
}

export const eventsRule = defineResource('AWS::Events::Rule', {
  properties,
  attributes: ['Arn', 'RuleName'],
  createOnly: ['Name', 'EventBusName'],
  identify: nameOf,
  exists: async (context, Name) =>
    (await unlessMissing(() => context.call('events', 'DescribeRule', { Name }))) !== undefined,
  async create(context, rule) {
    const name = nameOf(context, rule);
    return { id: name, attributes: { Arn: await put(context, name, rule, true), RuleName: name } };
  },
  async update(context, rule, existing) {
    const { id, properties: before } = existing;
    const Arn = await put(context, id, rule, false);
    const gone = (before.Targets ?? [])
      .map(({ Id }) => Id)
      .filter((targetId) => !rule.Targets?.some(({ Id }) => Id === targetId));
    if (gone.length > 0) {
      await context.call('events', 'RemoveTargets', { Rule: id, Ids: gone, ...busOf(rule) });
    }
    await retag(context, rule.Tags, existing, {
      set: (tags) => context.call('events', 'TagResource', { ResourceARN: Arn, Tags: listed(tags) }),
      remove: (TagKeys) => context.call('events', 'UntagResource', { ResourceARN: Arn, TagKeys }),
    });
    return { Arn, RuleName: id };
  },
  async delete(context, { id, properties: rule }) {
    const targets = (rule.Targets ?? []).map(({ Id }) => Id);
    if (targets.length > 0) {
      await unlessMissing(() =>
        context.call('events', 'RemoveTargets', { Rule: id, Ids: targets, ...busOf(rule) }),
      );
    }
    await unlessMissing(() => context.call('events', 'DeleteRule', { Name: id, ...busOf(rule) }));
  },
});
