import type { OperationTable } from '../../dispatch/service.ts';
import type { Networks } from './networks.ts';
import { text } from './networks.ts';
import { selected } from './selection.ts';

/** NAT gateways, with the addresses that they use. */
export function natGatewayOperations(networks: Networks): OperationTable<'ec2'> {
  const vpcOfSubnet = (id: string | undefined) =>
    text(networks.ofType('AWS::EC2::Subnet').find((subnet) => subnet.id === id)?.attributes.VpcId);
  const addressOf = (allocationId: string | undefined) =>
    networks.ofType('AWS::EC2::EIP').find(({ attributes }) => attributes.AllocationId === allocationId);

  return {
    DescribeNatGateways: {
      run: (input) => ({
        NatGateways: selected(networks.ofType('AWS::EC2::NatGateway'), {
          ids: input.NatGatewayIds,
          unknownId: 'NatGatewayNotFound',
          filters: input.Filter,
          fields: {
            'nat-gateway-id': ({ id }) => id,
            'subnet-id': ({ properties }) => text(properties.SubnetId),
            'vpc-id': ({ properties }) => vpcOfSubnet(text(properties.SubnetId)),
            state: () => 'available',
          },
        }).map((nat) => {
          const address = addressOf(text(nat.properties.AllocationId));
          return {
            NatGatewayId: nat.id,
            SubnetId: text(nat.properties.SubnetId),
            VpcId: vpcOfSubnet(text(nat.properties.SubnetId)),
            State: 'available' as const,
            ConnectivityType: nat.properties.ConnectivityType === 'private' ? 'private' : 'public',
            NatGatewayAddresses: address
              ? [{ AllocationId: text(address.attributes.AllocationId), PublicIp: address.id }]
              : [],
            Tags: [...nat.tags],
          };
        }),
      }),
    },
  };
}
