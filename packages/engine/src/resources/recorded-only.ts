import { type Attributes, defineResource, type ResourceContext, type ResourceType } from './resource-type.ts';
import {
  document,
  flag,
  list,
  type Members,
  number,
  object,
  type Properties,
  required,
  tags,
  text,
} from './schema.ts';

interface Recording<M extends Members> {
  readonly properties: M;
  /** Properties whose change replaces the resource. @default - every one */
  readonly createOnly?: ReadonlyArray<keyof M & string>;
  readonly attributes?: readonly string[];
  readonly make: (
    context: ResourceContext,
    properties: Properties<M>,
  ) => { id: string; attributes?: Attributes };
}

/** A type that is kept with plausible ids and attributes and never acted on. */
export function recordedOnly<M extends Members>(name: string, recording: Recording<M>): ResourceType {
  return defineResource(name, {
    properties: recording.properties,
    recordedOnly: true,
    ...(recording.attributes === undefined ? {} : { attributes: recording.attributes }),
    ...(recording.createOnly === undefined
      ? {}
      : { createOnly: recording.createOnly, update: () => undefined }),
    create: recording.make,
    delete: () => {},
  });
}

const ec2Id = (context: ResourceContext, prefix: string) => `${prefix}-${context.hex(17)}`;

/** An address of the range that is reserved for documentation: it belongs to nobody. */
const documentationAddress = (context: ResourceContext) =>
  `203.0.113.${(Number.parseInt(context.hex(2), 16) % 254) + 1}`;

const securityGroupRule = {
  CidrIp: text,
  CidrIpv6: text,
  Description: text,
  FromPort: number,
  IpProtocol: required(text),
  ToPort: number,
};
const ingressRule = {
  ...securityGroupRule,
  SourcePrefixListId: text,
  SourceSecurityGroupId: text,
  SourceSecurityGroupName: text,
  SourceSecurityGroupOwnerId: text,
};
const egressRule = {
  ...securityGroupRule,
  DestinationPrefixListId: text,
  DestinationSecurityGroupId: text,
};

/**
 * Networking: tasks run as processes or containers of this machine, so a virtual network, its routes and its
 * rules have nothing to act on. Stack events and the journal say of each that it is recorded only.
 */
export const RECORDED_ONLY: readonly ResourceType[] = [
  recordedOnly('AWS::EC2::VPC', {
    properties: {
      CidrBlock: text,
      EnableDnsHostnames: flag,
      EnableDnsSupport: flag,
      InstanceTenancy: text,
      Tags: tags,
    },
    createOnly: ['CidrBlock', 'InstanceTenancy'],
    attributes: [
      'VpcId',
      'CidrBlock',
      'CidrBlockAssociations',
      'DefaultNetworkAcl',
      'DefaultSecurityGroup',
      'Ipv6CidrBlocks',
    ],
    make(context, vpc) {
      const id = ec2Id(context, 'vpc');
      return {
        id,
        attributes: {
          VpcId: id,
          CidrBlock: vpc.CidrBlock ?? '10.0.0.0/16',
          CidrBlockAssociations: [ec2Id(context, 'vpc-cidr-assoc')],
          DefaultNetworkAcl: ec2Id(context, 'acl'),
          DefaultSecurityGroup: ec2Id(context, 'sg'),
          Ipv6CidrBlocks: [],
        },
      };
    },
  }),
  recordedOnly('AWS::EC2::Subnet', {
    properties: {
      AssignIpv6AddressOnCreation: flag,
      AvailabilityZone: text,
      CidrBlock: text,
      Ipv6CidrBlock: text,
      MapPublicIpOnLaunch: flag,
      PrivateDnsNameOptionsOnLaunch: document,
      Tags: tags,
      VpcId: required(text),
    },
    createOnly: ['AvailabilityZone', 'CidrBlock', 'Ipv6CidrBlock', 'VpcId'],
    attributes: [
      'AvailabilityZone',
      'CidrBlock',
      'Ipv6CidrBlocks',
      'NetworkAclAssociationId',
      'SubnetId',
      'VpcId',
    ],
    make(context, subnet) {
      const id = ec2Id(context, 'subnet');
      return {
        id,
        attributes: {
          AvailabilityZone: subnet.AvailabilityZone ?? `${context.region}a`,
          CidrBlock: subnet.CidrBlock ?? '',
          Ipv6CidrBlocks: [],
          NetworkAclAssociationId: ec2Id(context, 'aclassoc'),
          SubnetId: id,
          VpcId: subnet.VpcId,
        },
      };
    },
  }),
  recordedOnly('AWS::EC2::RouteTable', {
    properties: { Tags: tags, VpcId: required(text) },
    createOnly: ['VpcId'],
    attributes: ['RouteTableId'],
    make(context) {
      const id = ec2Id(context, 'rtb');
      return { id, attributes: { RouteTableId: id } };
    },
  }),
  recordedOnly('AWS::EC2::Route', {
    properties: {
      DestinationCidrBlock: text,
      DestinationIpv6CidrBlock: text,
      DestinationPrefixListId: text,
      EgressOnlyInternetGatewayId: text,
      GatewayId: text,
      InstanceId: text,
      NatGatewayId: text,
      NetworkInterfaceId: text,
      RouteTableId: required(text),
      TransitGatewayId: text,
      VpcEndpointId: text,
      VpcPeeringConnectionId: text,
    },
    createOnly: [
      'DestinationCidrBlock',
      'DestinationIpv6CidrBlock',
      'DestinationPrefixListId',
      'RouteTableId',
    ],
    attributes: ['CidrBlock'],
    make(_context, route) {
      const destination =
        route.DestinationCidrBlock ?? route.DestinationIpv6CidrBlock ?? route.DestinationPrefixListId ?? '';
      return { id: `${route.RouteTableId}|${destination}`, attributes: { CidrBlock: destination } };
    },
  }),
  recordedOnly('AWS::EC2::SubnetRouteTableAssociation', {
    properties: { RouteTableId: required(text), SubnetId: required(text) },
    attributes: ['Id'],
    make(context) {
      const id = ec2Id(context, 'rtbassoc');
      return { id, attributes: { Id: id } };
    },
  }),
  recordedOnly('AWS::EC2::InternetGateway', {
    properties: { Tags: tags },
    createOnly: [],
    attributes: ['InternetGatewayId'],
    make(context) {
      const id = ec2Id(context, 'igw');
      return { id, attributes: { InternetGatewayId: id } };
    },
  }),
  recordedOnly('AWS::EC2::VPCGatewayAttachment', {
    properties: { InternetGatewayId: text, VpcId: required(text), VpnGatewayId: text },
    createOnly: ['VpcId'],
    attributes: ['AttachmentType'],
    make(_context, attachment) {
      const kind = attachment.VpnGatewayId === undefined ? 'IGW' : 'VGW';
      return { id: `${kind}|${attachment.VpcId}`, attributes: { AttachmentType: kind } };
    },
  }),
  recordedOnly('AWS::EC2::EIP', {
    properties: {
      Domain: text,
      InstanceId: text,
      NetworkBorderGroup: text,
      PublicIpv4Pool: text,
      Tags: tags,
    },
    createOnly: ['Domain', 'NetworkBorderGroup'],
    attributes: ['AllocationId', 'PublicIp'],
    make(context) {
      const address = documentationAddress(context);
      return { id: address, attributes: { AllocationId: ec2Id(context, 'eipalloc'), PublicIp: address } };
    },
  }),
  recordedOnly('AWS::EC2::NatGateway', {
    properties: {
      AllocationId: text,
      ConnectivityType: text,
      PrivateIpAddress: text,
      SubnetId: required(text),
      Tags: tags,
    },
    createOnly: ['AllocationId', 'ConnectivityType', 'PrivateIpAddress', 'SubnetId'],
    attributes: ['NatGatewayId'],
    make(context) {
      const id = ec2Id(context, 'nat');
      return { id, attributes: { NatGatewayId: id } };
    },
  }),
  recordedOnly('AWS::EC2::SecurityGroup', {
    properties: {
      GroupDescription: required(text),
      GroupName: text,
      SecurityGroupEgress: list(object(egressRule)),
      SecurityGroupIngress: list(object(ingressRule)),
      Tags: tags,
      VpcId: text,
    },
    createOnly: ['GroupDescription', 'GroupName', 'VpcId'],
    attributes: ['GroupId', 'Id', 'VpcId'],
    make(context, group) {
      const id = ec2Id(context, 'sg');
      return { id, attributes: { GroupId: id, Id: id, VpcId: group.VpcId ?? '' } };
    },
  }),
  recordedOnly('AWS::EC2::SecurityGroupIngress', {
    properties: { ...ingressRule, GroupId: text, GroupName: text },
    attributes: ['Id'],
    make(context) {
      const id = ec2Id(context, 'sgr');
      return { id, attributes: { Id: id } };
    },
  }),
  recordedOnly('AWS::EC2::SecurityGroupEgress', {
    properties: { ...egressRule, GroupId: required(text) },
    attributes: ['Id'],
    make(context) {
      const id = ec2Id(context, 'sgr');
      return { id, attributes: { Id: id } };
    },
  }),
  recordedOnly('AWS::EC2::VPCEndpoint', {
    properties: {
      DnsOptions: document,
      IpAddressType: text,
      PolicyDocument: document,
      PrivateDnsEnabled: flag,
      RouteTableIds: list(text),
      SecurityGroupIds: list(text),
      ServiceName: text,
      SubnetIds: list(text),
      Tags: tags,
      VpcEndpointType: text,
      VpcId: required(text),
    },
    createOnly: ['ServiceName', 'VpcEndpointType', 'VpcId'],
    attributes: ['DnsEntries', 'Id', 'NetworkInterfaceIds'],
    make(context) {
      const id = ec2Id(context, 'vpce');
      return { id, attributes: { DnsEntries: [], Id: id, NetworkInterfaceIds: [] } };
    },
  }),
  recordedOnly('AWS::EC2::FlowLog', {
    properties: {
      DeliverLogsPermissionArn: text,
      DestinationOptions: document,
      LogDestination: text,
      LogDestinationType: text,
      LogFormat: text,
      LogGroupName: text,
      MaxAggregationInterval: number,
      ResourceId: required(text),
      ResourceType: required(text),
      Tags: tags,
      TrafficType: text,
    },
    attributes: ['Id'],
    make(context) {
      const id = ec2Id(context, 'fl');
      return { id, attributes: { Id: id } };
    },
  }),
  recordedOnly('AWS::EC2::NetworkAcl', {
    properties: { Tags: tags, VpcId: required(text) },
    createOnly: ['VpcId'],
    attributes: ['Id'],
    make(context) {
      const id = ec2Id(context, 'acl');
      return { id, attributes: { Id: id } };
    },
  }),
  recordedOnly('AWS::EC2::NetworkAclEntry', {
    properties: {
      CidrBlock: text,
      Egress: flag,
      Icmp: document,
      Ipv6CidrBlock: text,
      NetworkAclId: required(text),
      PortRange: object({ From: number, To: number }),
      Protocol: required(number),
      RuleAction: required(text),
      RuleNumber: required(number),
    },
    attributes: ['Id'],
    make: (context) => ({ id: context.name(), attributes: { Id: context.name() } }),
  }),
  recordedOnly('AWS::EC2::SubnetNetworkAclAssociation', {
    properties: { NetworkAclId: required(text), SubnetId: required(text) },
    attributes: ['AssociationId'],
    make(context) {
      const id = ec2Id(context, 'aclassoc');
      return { id, attributes: { AssociationId: id } };
    },
  }),
];
