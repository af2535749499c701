import { defineResource, type ResourceContext, unlessMissing } from './resource-type.ts';
import { list, lowerFirst, number, object, type Properties, required, text } from './schema.ts';

const properties = {
  Cluster: required(text),
  CapacityProviders: list(text),
  DefaultCapacityProviderStrategy: required(
    list(object({ CapacityProvider: required(text), Base: number, Weight: number })),
  ),
};

async function put(context: ResourceContext, association: Properties<typeof properties>): Promise<void> {
  const { cluster, capacityProviders, defaultCapacityProviderStrategy } = lowerFirst(properties, association);
  await context.call('ecs', 'PutClusterCapacityProviders', {
    cluster,
    capacityProviders: capacityProviders ?? [],
    defaultCapacityProviderStrategy,
  });
}

/**
 * ECS refuses to take a provider from a cluster while a service or task uses it, so this goes after the services and comes
 * before them. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PutClusterCapacityProviders.html
 */
export const ecsClusterCapacityProviderAssociations = defineResource(
  'AWS::ECS::ClusterCapacityProviderAssociations',
  {
    properties,
    createOnly: ['Cluster'],
    identify: (_context, association) => association.Cluster,
    async create(context, association) {
      await put(context, association);
      return { id: association.Cluster };
    },
    async update(context, association) {
      await put(context, association);
      return undefined;
    },
    async delete(context, { properties: association }) {
      await unlessMissing(() =>
        put(context, { ...association, CapacityProviders: [], DefaultCapacityProviderStrategy: [] }),
      );
    },
  },
);
