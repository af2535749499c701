import { EC2 } from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { CloudFormationWorld } from './cloudformation-world.ts';

const ref = (Ref: string) => ({ Ref });
const only = (Name: string, ...Values: string[]) => [{ Name, Values }];

test('every account has a default VPC: a public subnet in each zone, its gateway, table and group', async () => {
  const { engine } = await CloudFormationWorld.start();
  const ec2 = new EC2(engine.client);
  const { Vpcs } = await ec2.describeVpcs({ Filters: only('is-default', 'true') });
  expect(Vpcs).toMatchObject([{ CidrBlock: '172.31.0.0/16', IsDefault: true }]);
  const inVpc = only('vpc-id', Vpcs![0]!.VpcId!);
  const { Subnets } = await ec2.describeSubnets({ Filters: inVpc });
  expect(Subnets!.map((subnet) => [subnet.AvailabilityZone, subnet.CidrBlock])).toEqual([
    ['us-east-1a', '172.31.0.0/20'],
    ['us-east-1b', '172.31.16.0/20'],
    ['us-east-1c', '172.31.32.0/20'],
  ]);
  expect(Subnets).toMatchObject(Array(3).fill({ DefaultForAz: true, MapPublicIpOnLaunch: true }));
  const { InternetGateways } = await ec2.describeInternetGateways({
    Filters: only('attachment.vpc-id', Vpcs![0]!.VpcId!),
  });
  const { RouteTables } = await ec2.describeRouteTables({ Filters: inVpc });
  expect(RouteTables).toMatchObject([
    {
      Associations: [{ Main: true }],
      Routes: [
        { GatewayId: 'local', DestinationCidrBlock: '172.31.0.0/16' },
        { GatewayId: InternetGateways![0]!.InternetGatewayId, DestinationCidrBlock: '0.0.0.0/0' },
      ],
    },
  ]);
  const { SecurityGroups } = await ec2.describeSecurityGroups({ GroupNames: ['default'] });
  expect(SecurityGroups).toMatchObject([{ VpcId: Vpcs![0]!.VpcId, GroupName: 'default' }]);
});

test('the default VPC stays the same when the engine starts again', async () => {
  const first = await CloudFormationWorld.start();
  const ids = async (world: CloudFormationWorld) => {
    const ec2 = new EC2(world.engine.client);
    const { Subnets } = await ec2.describeSubnets({});
    return Subnets!.map(({ SubnetId, VpcId }) => [SubnetId, VpcId]);
  };
  const before = await ids(first);
  await first.engine.close();
  expect(await ids(await CloudFormationWorld.start({ directory: first.engine.directory }))).toEqual(before);
});

test('gateways, endpoints and addresses of stacks are shown by id and by filter', async () => {
  const world = await CloudFormationWorld.start();
  const ec2 = new EC2(world.engine.client);
  const VpcId = ref('Vpc');
  await world.create('net', {
    Resources: {
      Vpc: { Type: 'AWS::EC2::VPC', Properties: { CidrBlock: '10.0.0.0/16' } },
      Subnet: { Type: 'AWS::EC2::Subnet', Properties: { VpcId, CidrBlock: '10.0.0.0/24' } },
      Gateway: { Type: 'AWS::EC2::InternetGateway', Properties: {} },
      Attached: {
        Type: 'AWS::EC2::VPCGatewayAttachment',
        Properties: { VpcId, InternetGatewayId: ref('Gateway') },
      },
      Address: {
        Type: 'AWS::EC2::EIP',
        Properties: { Domain: 'vpc', Tags: [{ Key: 'use', Value: 'nat' }] },
      },
      Nat: {
        Type: 'AWS::EC2::NatGateway',
        Properties: { SubnetId: ref('Subnet'), AllocationId: { 'Fn::GetAtt': ['Address', 'AllocationId'] } },
      },
      Bucket: {
        Type: 'AWS::EC2::VPCEndpoint',
        Properties: { VpcId, ServiceName: 'com.amazonaws.us-east-1.s3' },
      },
      Group: { Type: 'AWS::EC2::SecurityGroup', Properties: { VpcId, GroupDescription: 'closed' } },
      Https: {
        Type: 'AWS::EC2::SecurityGroupEgress',
        Properties: {
          GroupId: ref('Group'),
          IpProtocol: 'tcp',
          FromPort: 443,
          ToPort: 443,
          CidrIp: '0.0.0.0/0',
        },
      },
    },
  });
  const { NatGateways } = await ec2.describeNatGateways({ Filter: only('state', 'available') });
  const { Addresses } = await ec2.describeAddresses({ Filters: only('tag:use', 'nat') });
  expect(NatGateways![0]!.NatGatewayAddresses).toEqual([
    { AllocationId: Addresses![0]!.AllocationId, PublicIp: Addresses![0]!.PublicIp },
  ]);
  const vpcId = NatGateways![0]!.VpcId!;
  const { InternetGateways } = await ec2.describeInternetGateways({
    Filters: only('attachment.vpc-id', vpcId),
  });
  expect(InternetGateways).toMatchObject([{ Attachments: [{ VpcId: vpcId }] }]);
  const { VpcEndpoints } = await ec2.describeVpcEndpoints({ Filters: only('vpc-id', vpcId) });
  expect(VpcEndpoints).toMatchObject([
    { ServiceName: 'com.amazonaws.us-east-1.s3', VpcEndpointType: 'Gateway' },
  ]);
  expect(
    (await ec2.describeVpcEndpoints({ Filters: only('vpc-endpoint-type', 'Interface') })).VpcEndpoints ?? [],
  ).toEqual([]);
  expect(
    (await ec2.describeRouteTables({ Filters: only('association.main', 'true') })).RouteTables,
  ).toHaveLength(2);
  const { SecurityGroups } = await ec2.describeSecurityGroups({ Filters: only('description', 'closed') });
  expect(SecurityGroups![0]!.IpPermissionsEgress).toMatchObject([{ FromPort: 443, IpProtocol: 'tcp' }]);
});

test('what nothing here has is an empty list; an unknown id or filter is refused', async () => {
  const { engine } = await CloudFormationWorld.start();
  const ec2 = new EC2(engine.client);
  const Filters = only('attachment.vpc-id', 'vpc-1');
  expect((await ec2.describeVpnGateways({ Filters })).VpnGateways ?? []).toEqual([]);
  expect((await ec2.describeNatGateways({})).NatGateways ?? []).toEqual([]);
  expect((await ec2.describeNetworkInterfaces({})).NetworkInterfaces ?? []).toEqual([]);
  expect((await ec2.describeAddresses({})).Addresses ?? []).toEqual([]);
  expect((await ec2.describeVpcEndpoints({})).VpcEndpoints ?? []).toEqual([]);
  const bogus = only('bogus', 'x');
  const refused: ReadonlyArray<readonly [() => Promise<unknown>, string]> = [
    [() => ec2.describeVpnGateways({ Filters: bogus }), 'InvalidParameterValue'],
    [() => ec2.describeNetworkInterfaces({ Filters: bogus }), 'InvalidParameterValue'],
    [() => ec2.describeNatGateways({ Filter: bogus }), 'InvalidParameterValue'],
    [() => ec2.describeAvailabilityZones({ Filters: bogus }), 'InvalidParameterValue'],
    [() => ec2.describeRegions({ Filters: bogus }), 'InvalidParameterValue'],
    [() => ec2.describeVpcs({ Filters: only('constructor', 'x') }), 'InvalidParameterValue'],
    [() => ec2.describeVpcs({ VpcIds: ['vpc-1'] }), 'InvalidVpcID.NotFound'],
    [() => ec2.describeSecurityGroups({ GroupIds: ['sg-1'] }), 'InvalidGroup.NotFound'],
    [() => ec2.describeSecurityGroups({ GroupNames: ['none'] }), 'InvalidGroup.NotFound'],
    [
      () => ec2.describeNetworkInterfaces({ NetworkInterfaceIds: ['eni-1'] }),
      'InvalidNetworkInterfaceID.NotFound',
    ],
    [() => ec2.describeAddresses({ AllocationIds: ['eipalloc-1'] }), 'InvalidAllocationID.NotFound'],
    [() => ec2.describeRegions({ RegionNames: ['xx-none-1'] }), 'InvalidParameterValue'],
    [() => ec2.describeAvailabilityZones({ ZoneNames: ['us-east-1z'] }), 'InvalidParameterValue'],
  ];
  for (const [call, name] of refused) await expect(call()).rejects.toMatchObject({ name });
});
