import { RemovalPolicy } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { allowServices, type EncryptionProps } from './encryption.ts';

/** Options of {@link WorkerNetwork}. */
export interface WorkerNetworkProps extends EncryptionProps {
  /**
   * NAT gateways, up to one per zone. Tasks then run in private subnets; with one, its zone going down cuts the
   * tasks of the other zone off.
   *
   * With 0 there are only public subnets: tasks get public addresses, which costs less up to nine tasks. Nothing
   * can connect to them either way: the security group admits nobody.
   *
   * @default - 0
   */
  readonly natGateways?: number;

  /**
   * Names of the two Availability Zones. Give them where a zone of the account has no Fargate, as one in us-west-1 and in
   * ap-northeast-1 (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html): no task could be
   * placed there. `queue-canary doctor` names those that have it.
   *
   * @default - the first two that CloudFormation finds in the region that the stack lands in
   */
  readonly availabilityZones?: readonly string[];

  /**
   * How long flow logs are kept.
   *
   * @default - one year
   */
  readonly flowLogRetention?: logs.RetentionDays;

  /**
   * Take all rules from the VPC's default security group, which nothing here uses. CloudFormation cannot, so CDK adds a
   * function of its own to the stack that does, and the local engine refuses it.
   *
   * @default - false
   */
  readonly restrictDefaultSecurityGroup?: boolean;
}

const ZONES = 2;

/** A VPC over two Availability Zones, with flow logs, made for tasks that only call out. */
export class WorkerNetwork extends Construct {
  /** Two Availability Zones; nothing is looked up. */
  readonly vpc: ec2.IVpc;
  /** Subnets that tasks run in. */
  readonly taskSubnets: ec2.SubnetSelection;
  /** Whether tasks need public addresses to reach AWS. */
  readonly assignPublicIp: boolean;

  constructor(scope: Construct, id: string, props: WorkerNetworkProps = {}) {
    super(scope, id);
    const natGateways = props.natGateways ?? 0;
    if (!Number.isInteger(natGateways) || natGateways < 0 || natGateways > ZONES) {
      throw new Error(`natGateways must be 0, 1 or ${ZONES}, got ${natGateways}`);
    }
    const zones = props.availabilityZones;
    if (zones !== undefined && (zones.length !== ZONES || new Set(zones).size !== ZONES)) {
      throw new Error(`availabilityZones must be ${ZONES} different zones, got ${zones.join(', ')}`);
    }
    this.assignPublicIp = natGateways === 0;
    this.taskSubnets = {
      subnetType: this.assignPublicIp ? ec2.SubnetType.PUBLIC : ec2.SubnetType.PRIVATE_WITH_EGRESS,
    };

    const publicSubnets = { name: 'Public', subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false };
    const privateSubnets = { name: 'Private', subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS };
    const flowLogs = new logs.LogGroup(this, 'FlowLogs', {
      retention: props.flowLogRetention ?? logs.RetentionDays.ONE_YEAR,
      ...(props.encryptionKey === undefined ? {} : { encryptionKey: props.encryptionKey }),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    if (props.encryptionKey !== undefined) allowServices(this, props.encryptionKey);
    const vpc = new ec2.Vpc(this, 'Vpc', {
      ...(zones === undefined ? { maxAzs: ZONES } : { availabilityZones: [...zones] }),
      natGateways,
      subnetConfiguration: this.assignPublicIp ? [publicSubnets] : [publicSubnets, privateSubnets],
      restrictDefaultSecurityGroup: props.restrictDefaultSecurityGroup ?? false,
      flowLogs: { All: { destination: ec2.FlowLogDestination.toCloudWatchLogs(flowLogs) } },
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
    });
    // Under exactOptionalPropertyTypes the class does not match its own interface.
    this.vpc = vpc as ec2.IVpc;
  }
}
