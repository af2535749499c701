import type { Event, NotificationConfiguration } from '@aws-sdk/client-s3';
import { flag, list, type Members, object, type Properties, required, text } from './schema.ts';

const rule = {
  Event: required(text),
  Filter: object({
    S3Key: required(
      object({ Rules: required(list(object({ Name: required(text), Value: required(text) }))) }),
    ),
  }),
};
const members = {
  EventBridgeConfiguration: object({ EventBridgeEnabled: flag }),
  LambdaConfigurations: list(object({ ...rule, Function: required(text) })),
  QueueConfigurations: list(object({ ...rule, Queue: required(text) })),
  TopicConfigurations: list(object({ ...rule, Topic: required(text) })),
} satisfies Members;

/** `NotificationConfiguration` of a bucket in a template. */
export const bucketNotifications = object(members);

type Rule = Properties<typeof rule>;

/** The same for S3's API. */
export function notificationConfiguration(
  wanted: Properties<typeof members> = {},
): NotificationConfiguration {
  const shared = ({ Event, Filter }: Rule) => ({
    Events: [Event as Event],
    ...(Filter === undefined
      ? {}
      : {
          Filter: {
            Key: {
              FilterRules: Filter.S3Key.Rules.map(({ Name, Value }) => ({
                Name: Name as 'prefix' | 'suffix',
                Value,
              })),
            },
          },
        }),
  });
  const { EventBridgeConfiguration: bridge } = wanted;
  return {
    ...(bridge === undefined || bridge.EventBridgeEnabled === false ? {} : { EventBridgeConfiguration: {} }),
    QueueConfigurations: wanted.QueueConfigurations?.map((to) => ({ ...shared(to), QueueArn: to.Queue })),
    TopicConfigurations: wanted.TopicConfigurations?.map((to) => ({ ...shared(to), TopicArn: to.Topic })),
    LambdaFunctionConfigurations: wanted.LambdaConfigurations?.map((to) => ({
      ...shared(to),
      LambdaFunctionArn: to.Function,
    })),
  };
}
