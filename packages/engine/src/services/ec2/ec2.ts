import { StackStore } from '../../cloudformation/stack-store.ts';
import { availabilityZones } from '../../cloudformation/zones.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { gatewayOperations } from './gateways.ts';
import { Networks, text } from './networks.ts';
import { securityGroupOperations } from './security-groups.ts';
import { selected } from './selection.ts';

/**
 * EC2 as far as someone asks about it: regions, zones, and the networks that stacks recorded, with the default
 * VPC. Nothing here acts: see the list of recorded-only resource types.
 */
export function createEc2(engine: Engine): Service<'ec2'> {
  const networks = new Networks(engine, new StackStore(engine.state));
  const zones = availabilityZones(engine.region).map((id, index) => ({
    id,
    zoneId: `${engine.region}-az${index + 1}`,
    tags: [],
  }));

  return {
    name: 'ec2',
    operations: {
      DescribeRegions: {
        run: (input) => ({
          Regions: selected([{ id: engine.region, tags: [] }], {
            ids: input.RegionNames,
            unknownId: 'InvalidParameterValue',
            filters: input.Filters,
            fields: {
              'region-name': ({ id }) => id,
              'opt-in-status': () => 'opt-in-not-required',
            },
          }).map(({ id }) => ({
            RegionName: id,
            Endpoint: `ec2.${id}.amazonaws.com`,
            OptInStatus: 'opt-in-not-required',
          })),
        }),
      },
      DescribeAvailabilityZones: {
        run: (input) => ({
          AvailabilityZones: selected(zones, {
            ids: input.ZoneNames,
            unknownId: 'InvalidParameterValue',
            filters: input.Filters,
            fields: {
              'zone-name': ({ id }) => id,
              'zone-id': ({ zoneId }) => zoneId,
              'zone-type': () => 'availability-zone',
              'region-name': () => engine.region,
              'opt-in-status': () => 'opt-in-not-required',
              state: () => 'available',
            },
          }).map(({ id, zoneId }) => ({
            ZoneName: id,
            ZoneId: zoneId,
            RegionName: engine.region,
            ZoneType: 'availability-zone',
            State: 'available' as const,
            OptInStatus: 'opt-in-not-required' as const,
          })),
        }),
      },
      DescribeVpcs: {
        run: (input) => ({
          Vpcs: selected(networks.ofType('AWS::EC2::VPC'), {
            ids: input.VpcIds,
            unknownId: 'InvalidVpcID.NotFound',
            filters: input.Filters,
            fields: {
              'vpc-id': ({ id }) => id,
              cidr: ({ attributes }) => text(attributes.CidrBlock),
              'cidr-block-association.cidr-block': ({ attributes }) => text(attributes.CidrBlock),
              'is-default': ({ isDefault }) => String(isDefault ?? false),
              isDefault: ({ isDefault }) => String(isDefault ?? false),
              'owner-id': () => engine.accountId,
              state: () => 'available',
            },
          }).map((vpc) => ({
            VpcId: vpc.id,
            CidrBlock: text(vpc.attributes.CidrBlock),
            State: 'available' as const,
            IsDefault: vpc.isDefault ?? false,
            OwnerId: engine.accountId,
            InstanceTenancy: 'default' as const,
            Tags: [...vpc.tags],
          })),
        }),
      },
      DescribeSubnets: {
        run: (input) => ({
          Subnets: selected(networks.ofType('AWS::EC2::Subnet'), {
            ids: input.SubnetIds,
            unknownId: 'InvalidSubnetID.NotFound',
            filters: input.Filters,
            fields: {
              'subnet-id': ({ id }) => id,
              'vpc-id': ({ attributes }) => text(attributes.VpcId),
              'availability-zone': ({ attributes }) => text(attributes.AvailabilityZone),
              'cidr-block': ({ attributes }) => text(attributes.CidrBlock),
              'default-for-az': ({ isDefault }) => String(isDefault ?? false),
              'map-public-ip-on-launch': ({ properties }) => String(properties.MapPublicIpOnLaunch ?? false),
              'owner-id': () => engine.accountId,
              state: () => 'available',
            },
          }).map((subnet) => ({
            SubnetId: subnet.id,
            SubnetArn: `arn:aws:ec2:${engine.region}:${engine.accountId}:subnet/${subnet.id}`,
            VpcId: text(subnet.attributes.VpcId),
            CidrBlock: text(subnet.attributes.CidrBlock),
            AvailabilityZone: text(subnet.attributes.AvailabilityZone),
            DefaultForAz: subnet.isDefault ?? false,
            MapPublicIpOnLaunch: String(subnet.properties.MapPublicIpOnLaunch ?? false) === 'true',
            State: 'available' as const,
            OwnerId: engine.accountId,
            Tags: [...subnet.tags],
          })),
        }),
      },
      DescribeRouteTables: {
        run: (input) => {
          const associations = networks.ofType('AWS::EC2::SubnetRouteTableAssociation');
          const subnetsOf = (tableId: string) =>
            associations.filter(({ properties }) => properties.RouteTableId === tableId);
          const vpcs = networks.ofType('AWS::EC2::VPC');
          const localRoute = (vpcId: string | undefined) => ({
            DestinationCidrBlock: text(vpcs.find(({ id }) => id === vpcId)?.attributes.CidrBlock),
            GatewayId: 'local',
            Origin: 'CreateRouteTable' as const,
            State: 'active' as const,
          });
          return {
            RouteTables: selected(networks.ofType('AWS::EC2::RouteTable'), {
              ids: input.RouteTableIds,
              unknownId: 'InvalidRouteTableID.NotFound',
              filters: input.Filters,
              fields: {
                'route-table-id': ({ id }) => id,
                'vpc-id': ({ properties }) => text(properties.VpcId),
                'association.main': ({ isMain }) => String(isMain ?? false),
                'association.subnet-id': ({ id }) =>
                  subnetsOf(id).map(({ properties }) => text(properties.SubnetId)),
                'owner-id': () => engine.accountId,
              },
            }).map((table) => ({
              RouteTableId: table.id,
              VpcId: text(table.properties.VpcId),
              OwnerId: engine.accountId,
              Associations: [
                ...(table.isMain
                  ? [
                      {
                        RouteTableAssociationId: table.id.replace('rtb', 'rtbassoc'),
                        RouteTableId: table.id,
                        Main: true,
                      },
                    ]
                  : []),
                ...subnetsOf(table.id).map((association) => ({
                  RouteTableAssociationId: association.id,
                  RouteTableId: table.id,
                  SubnetId: text(association.properties.SubnetId),
                  Main: false,
                })),
              ],
              Routes: [
                localRoute(text(table.properties.VpcId)),
                ...networks
                  .ofType('AWS::EC2::Route')
                  .filter(({ properties }) => properties.RouteTableId === table.id)
                  .map(({ properties }) => ({
                    DestinationCidrBlock: text(properties.DestinationCidrBlock),
                    GatewayId: text(properties.GatewayId),
                    NatGatewayId: text(properties.NatGatewayId),
                    Origin: 'CreateRoute' as const,
                    State: 'active' as const,
                  })),
              ],
              Tags: [...table.tags],
            })),
          };
        },
      },
      ...securityGroupOperations(engine, networks),
      ...gatewayOperations(engine, networks),
    },
  };
}
