import { type ResourceRecord, StackStore } from '../../cloudformation/stack-store.ts';
import { availabilityZones } from '../../cloudformation/zones.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { isObject, type Json } from '../../resources/schema.ts';
import { matchesWildcard } from '../../wildcard.ts';

type Filters =
  | ReadonlyArray<{ readonly Name?: string | undefined; readonly Values?: readonly string[] | undefined }>
  | undefined;

/**
 * EC2 as far as someone asks about it: regions, zones, and the networks that stacks recorded. Nothing here
 * acts: see the list of recorded-only resource types.
 */
export function createEc2(engine: Engine): Service<'ec2'> {
  const store = new StackStore(engine.state);
  const zones = availabilityZones(engine.region);

  return {
    name: 'ec2',
    operations: {
      DescribeRegions: {
        run: () => ({
          Regions: [
            {
              RegionName: engine.region,
              Endpoint: `ec2.${engine.region}.amazonaws.com`,
              OptInStatus: 'opt-in-not-required',
            },
          ],
        }),
      },
      DescribeAvailabilityZones: {
        run: (input) => ({
          AvailabilityZones: zones
            .filter((zone) => input.ZoneNames === undefined || input.ZoneNames.includes(zone))
            .map((ZoneName, index) => ({
              ZoneName,
              ZoneId: `${engine.region}-az${index + 1}`,
              RegionName: engine.region,
              ZoneType: 'availability-zone',
              State: 'available' as const,
              OptInStatus: 'opt-in-not-required' as const,
            })),
        }),
      },
      DescribeVpcs: {
        run: (input) => ({
          Vpcs: selected(store, 'AWS::EC2::VPC', input.VpcIds, input.Filters, {
            'vpc-id': (vpc) => vpc.id,
            cidr: (vpc) => text(vpc.attributes.CidrBlock),
            isDefault: () => 'false',
          }).map((vpc) => ({
            VpcId: vpc.id,
            CidrBlock: text(vpc.attributes.CidrBlock),
            State: 'available' as const,
            IsDefault: false,
            OwnerId: engine.accountId,
            InstanceTenancy: 'default' as const,
            Tags: tagsOf(vpc),
          })),
        }),
      },
      DescribeSubnets: {
        run: (input) => ({
          Subnets: selected(store, 'AWS::EC2::Subnet', input.SubnetIds, input.Filters, {
            'subnet-id': (subnet) => subnet.id,
            'vpc-id': (subnet) => text(subnet.attributes.VpcId),
            'availability-zone': (subnet) => text(subnet.attributes.AvailabilityZone),
          }).map((subnet) => ({
            SubnetId: subnet.id,
            SubnetArn: `arn:aws:ec2:${engine.region}:${engine.accountId}:subnet/${subnet.id}`,
            VpcId: text(subnet.attributes.VpcId),
            CidrBlock: text(subnet.attributes.CidrBlock),
            AvailabilityZone: text(subnet.attributes.AvailabilityZone),
            MapPublicIpOnLaunch: String(subnet.properties.MapPublicIpOnLaunch ?? false) === 'true',
            State: 'available' as const,
            OwnerId: engine.accountId,
            Tags: tagsOf(subnet),
          })),
        }),
      },
      DescribeSecurityGroups: {
        run: (input) => ({
          SecurityGroups: selected(store, 'AWS::EC2::SecurityGroup', input.GroupIds, input.Filters, {
            'group-id': (group) => group.id,
            'vpc-id': (group) => text(group.attributes.VpcId),
          }).map((group) => ({
            GroupId: group.id,
            GroupName: text(group.properties.GroupName) ?? group.id,
            Description: text(group.properties.GroupDescription),
            VpcId: text(group.attributes.VpcId),
            OwnerId: engine.accountId,
            Tags: tagsOf(group),
          })),
        }),
      },
      DescribeRouteTables: {
        run: (input) => ({
          RouteTables: selected(store, 'AWS::EC2::RouteTable', input.RouteTableIds, input.Filters, {
            'route-table-id': (table) => table.id,
            'vpc-id': (table) => text(table.properties.VpcId),
          }).map((table) => ({
            RouteTableId: table.id,
            VpcId: text(table.properties.VpcId),
            OwnerId: engine.accountId,
            Associations: store
              .ofType('AWS::EC2::SubnetRouteTableAssociation')
              .filter(({ properties }) => properties.RouteTableId === table.id)
              .map((association) => ({
                RouteTableAssociationId: association.id,
                RouteTableId: table.id,
                SubnetId: text(association.properties.SubnetId),
                Main: false,
              })),
            Routes: store
              .ofType('AWS::EC2::Route')
              .filter(({ properties }) => properties.RouteTableId === table.id)
              .map(({ properties }) => ({
                DestinationCidrBlock: text(properties.DestinationCidrBlock),
                GatewayId: text(properties.GatewayId),
                NatGatewayId: text(properties.NatGatewayId),
                State: 'active' as const,
              })),
            Tags: tagsOf(table),
          })),
        }),
      },
    },
  };
}

/** Recorded resources of a type that have one of the ids and pass all filters. */
function selected(
  store: StackStore,
  type: string,
  ids: readonly string[] | undefined,
  filters: Filters,
  fields: Readonly<Record<string, (record: ResourceRecord) => string | undefined>>,
): ResourceRecord[] {
  const all = store.ofType(type);
  const unknown = ids?.find((id) => !all.some((record) => record.id === id));
  if (unknown !== undefined) {
    const kind = type.split('::').at(-1);
    throw new AwsFault(
      `Invalid${kind === 'VPC' ? 'Vpc' : kind}ID.NotFound`,
      `The ${kind} ID '${unknown}' does not exist`,
    );
  }
  return all.filter(
    (record) =>
      (ids === undefined || ids.length === 0 || ids.includes(record.id!)) &&
      (filters ?? []).every(({ Name, Values }) => {
        const value = fieldOf(record, Name ?? '', fields);
        return value !== undefined && (Values ?? []).some((pattern) => matchesWildcard(pattern, value));
      }),
  );
}

function fieldOf(
  record: ResourceRecord,
  name: string,
  fields: Readonly<Record<string, (record: ResourceRecord) => string | undefined>>,
): string | undefined {
  if (name.startsWith('tag:')) {
    return tagsOf(record).find(({ Key }) => Key === name.slice('tag:'.length))?.Value;
  }
  const field = fields[name];
  if (!field) throw new AwsFault('InvalidParameterValue', `The filter '${name}' is invalid`);
  return field(record);
}

function text(value: Json | undefined): string | undefined {
  return value === undefined || value === null ? undefined : String(value);
}

function tagsOf(record: ResourceRecord): Array<{ Key: string; Value: string }> {
  const own = Array.isArray(record.properties.Tags) ? record.properties.Tags : [];
  return [
    ...Object.entries(record.stackTags).map(([Key, Value]) => ({ Key, Value })),
    ...own.filter(isObject).map(({ Key, Value }) => ({ Key: String(Key), Value: String(Value) })),
  ];
}
