import type { Engine, OperationTable } from '../../dispatch/service.ts';
import type { Input } from '../../sdk/services.ts';
import type { NetworkPart, Networks } from './networks.ts';
import { text } from './networks.ts';
import { selected } from './selection.ts';

/** What leads out of a network, and what else tools ask for when they look one up. */
export function gatewayOperations(engine: Engine, networks: Networks): OperationTable<'ec2'> {
  const attachments = (gateway: NetworkPart) =>
    networks
      .ofType('AWS::EC2::VPCGatewayAttachment')
      .filter(({ properties }) => properties.InternetGatewayId === gateway.id)
      .map(({ properties }) => text(properties.VpcId));

  return {
    DescribeInternetGateways: {
      run: (input) => ({
        InternetGateways: selected(networks.ofType('AWS::EC2::InternetGateway'), {
          ids: input.InternetGatewayIds,
          unknownId: 'InvalidInternetGatewayID.NotFound',
          filters: input.Filters,
          fields: {
            'internet-gateway-id': ({ id }) => id,
            'attachment.vpc-id': attachments,
            'attachment.state': (gateway) => attachments(gateway).map(() => 'available'),
            'owner-id': () => engine.accountId,
          },
        }).map((gateway) => ({
          InternetGatewayId: gateway.id,
          OwnerId: engine.accountId,
          Attachments: attachments(gateway).map((VpcId) => ({
            VpcId,
            // EC2's own word for an attached internet gateway, which its type does not know.
            State: 'available' as 'attached',
          })),
          Tags: [...gateway.tags],
        })),
      }),
    },
    DescribeVpcEndpoints: {
      run: (input) => ({
        VpcEndpoints: selected(networks.ofType('AWS::EC2::VPCEndpoint'), {
          ids: input.VpcEndpointIds,
          unknownId: 'InvalidVpcEndpointId.NotFound',
          filters: input.Filters,
          fields: {
            'vpc-endpoint-id': ({ id }) => id,
            'vpc-id': ({ properties }) => text(properties.VpcId),
            'service-name': ({ properties }) => text(properties.ServiceName),
            'vpc-endpoint-type': endpointType,
            'vpc-endpoint-state': () => 'available',
          },
        }).map((endpoint) => ({
          VpcEndpointId: endpoint.id,
          VpcEndpointType: endpointType(endpoint),
          VpcId: text(endpoint.properties.VpcId),
          ServiceName: text(endpoint.properties.ServiceName),
          State: 'available' as 'Available',
          RouteTableIds: texts(endpoint.properties.RouteTableIds),
          SubnetIds: texts(endpoint.properties.SubnetIds),
          OwnerId: engine.accountId,
          Tags: [...endpoint.tags],
        })),
      }),
    },
    DescribeAddresses: {
      run: (input) => describeAddresses(networks, input),
    },
    /** No resource type makes a VPN gateway. */
    DescribeVpnGateways: {
      run: (input) => {
        selected([], {
          ids: input.VpnGatewayIds,
          unknownId: 'InvalidVpnGatewayID.NotFound',
          filters: input.Filters,
          fields: fieldsOfNothing('vpn-gateway-id', 'attachment.vpc-id', 'attachment.state', 'state', 'type'),
        });
        return { VpnGateways: [] };
      },
    },
    /** Tasks run as processes of this machine, so nothing has an interface in a network. */
    DescribeNetworkInterfaces: {
      run: (input) => {
        selected([], {
          ids: input.NetworkInterfaceIds,
          unknownId: 'InvalidNetworkInterfaceID.NotFound',
          filters: input.Filters,
          fields: fieldsOfNothing(
            'network-interface-id',
            'vpc-id',
            'subnet-id',
            'group-id',
            'description',
            'interface-type',
            'status',
          ),
        });
        return { NetworkInterfaces: [] };
      },
    },
  };
}

function describeAddresses(networks: Networks, input: Input<'ec2', 'DescribeAddresses'>) {
  const natOf = (address: NetworkPart) =>
    networks
      .ofType('AWS::EC2::NatGateway')
      .find(({ properties }) => properties.AllocationId === address.attributes.AllocationId);
  const choice = {
    filters: input.Filters,
    fields: {
      'public-ip': ({ id }: NetworkPart) => id,
      'allocation-id': ({ attributes }: NetworkPart) => text(attributes.AllocationId),
      domain: () => 'vpc',
    },
  };
  const byIp = selected(networks.ofType('AWS::EC2::EIP'), {
    ...choice,
    ids: input.PublicIps,
    unknownId: 'InvalidAddress.NotFound',
  });
  const chosen = selected(byIp, {
    ...choice,
    ids: input.AllocationIds,
    unknownId: 'InvalidAllocationID.NotFound',
    idOf: ({ attributes }) => text(attributes.AllocationId) ?? '',
  });
  return {
    Addresses: chosen.map((address) => ({
      PublicIp: address.id,
      AllocationId: text(address.attributes.AllocationId),
      Domain: 'vpc' as const,
      ...(natOf(address) ? { AssociationId: `eipassoc-${natOf(address)!.id.slice('nat-'.length)}` } : {}),
      Tags: [...address.tags],
    })),
  };
}

function endpointType({ properties }: NetworkPart): 'Gateway' | 'Interface' {
  return properties.VpcEndpointType === 'Interface' ? 'Interface' : 'Gateway';
}

function fieldsOfNothing(...names: string[]): Record<string, () => undefined> {
  return Object.fromEntries(names.map((name) => [name, () => undefined]));
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
