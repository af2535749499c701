import type { Engine, OperationTable } from '../../dispatch/service.ts';
import type { Input } from '../../sdk/services.ts';
import { type Networks, text } from './networks.ts';
import { selected } from './selection.ts';

/** Networks, their subnets and route tables. */
export function vpcOperations(engine: Engine, networks: Networks) {
  return {
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
    DescribeRouteTables: { run: (input) => describeRouteTables(engine, networks, input) },
  } satisfies OperationTable<'ec2'>;
}

function describeRouteTables(engine: Engine, networks: Networks, input: Input<'ec2', 'DescribeRouteTables'>) {
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
        'association.subnet-id': ({ id }) => subnetsOf(id).map(({ properties }) => text(properties.SubnetId)),
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
}
