import {
  defineResource,
  lowerListed,
  lowerTagList,
  type ResourceContext,
  retag,
  unlessMissing,
} from './resource-type.ts';
import { list, lowerFirst, number, object, oneOf, type Properties, required, tags, text } from './schema.ts';

const properties = {
  ClusterName: text,
  CapacityProviders: list(text),
  ClusterSettings: list(object({ Name: required(oneOf('containerInsights')), Value: required(text) })),
  Configuration: object({
    ExecuteCommandConfiguration: object({
      KmsKeyId: text,
      Logging: oneOf('NONE', 'DEFAULT', 'OVERRIDE'),
    }),
  }),
  DefaultCapacityProviderStrategy: list(
    object({ CapacityProvider: required(text), Base: number, Weight: number }),
  ),
  Tags: tags,
};
type Cluster = Properties<typeof properties>;

const nameOf = (context: ResourceContext, cluster: Cluster) =>
  cluster.ClusterName ?? context.name({ longest: 255 });

function settingsOf(cluster: Cluster) {
  const { clusterSettings, configuration } = lowerFirst(properties, cluster);
  return { settings: clusterSettings, configuration };
}

export const ecsCluster = defineResource('AWS::ECS::Cluster', {
  properties,
  attributes: ['Arn'],
  createOnly: ['ClusterName'],
  identify: nameOf,
  async exists(context, name) {
    const { clusters } = await context.call('ecs', 'DescribeClusters', { clusters: [name] });
    return (clusters ?? []).some(({ status }) => status === 'ACTIVE');
  },
  async create(context, cluster) {
    const clusterName = nameOf(context, cluster);
    const created = await context.call('ecs', 'CreateCluster', {
      clusterName,
      ...settingsOf(cluster),
      capacityProviders: cluster.CapacityProviders,
      defaultCapacityProviderStrategy: lowerFirst(properties, cluster).defaultCapacityProviderStrategy,
      tags: lowerTagList(context, cluster.Tags),
    });
    return { id: clusterName, attributes: { Arn: created.cluster!.clusterArn! } };
  },
  async update(context, cluster, existing) {
    const { id, properties: before } = existing;
    await context.call('ecs', 'UpdateCluster', { cluster: id, ...settingsOf(cluster) });
    const providers = (of: Cluster) =>
      JSON.stringify([of.CapacityProviders ?? [], of.DefaultCapacityProviderStrategy ?? []]);
    if (providers(cluster) !== providers(before)) {
      await context.call('ecs', 'PutClusterCapacityProviders', {
        cluster: id,
        capacityProviders: cluster.CapacityProviders ?? [],
        defaultCapacityProviderStrategy:
          lowerFirst(properties, cluster).defaultCapacityProviderStrategy ?? [],
      });
    }
    const resourceArn = String(existing.attributes.Arn);
    await retag(context, cluster.Tags, existing, {
      set: (tags) => context.call('ecs', 'TagResource', { resourceArn, tags: lowerListed(tags) }),
      remove: (tagKeys) => context.call('ecs', 'UntagResource', { resourceArn, tagKeys }),
    });
    return undefined;
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('ecs', 'DeleteCluster', { cluster: id }));
  },
});
