import { hash } from 'node:crypto';
import type { StackStore } from '../../cloudformation/stack-store.ts';
import { availabilityZones } from '../../cloudformation/zones.ts';
import type { Engine } from '../../dispatch/service.ts';
import { isObject, type Json, type JsonObject } from '../../resources/schema.ts';

/** A part of a network: what a stack recorded, or what AWS has without being asked. */
export interface NetworkPart {
  readonly id: string;
  readonly properties: JsonObject;
  readonly attributes: Readonly<Record<string, Json>>;
  readonly tags: ReadonlyArray<{ readonly Key: string; readonly Value: string }>;
  /** Whether it belongs to what every account has from the beginning. */
  readonly isDefault?: boolean;
  /** Whether AWS made it along with its VPC: the main route table, the security group `default`. */
  readonly isMain?: boolean;
}

/**
 * The networks of the account: those of stacks, and the default VPC with a public subnet in each zone, which
 * AWS makes with every account (https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc.html). Each VPC
 * has a main route table and a security group named `default`. Its ids follow from the account and the region.
 */
export class Networks {
  readonly #store: StackStore;
  readonly #default: Readonly<Record<string, readonly NetworkPart[]>>;
  readonly #id: (prefix: string, of: string) => string;

  constructor(engine: Engine, store: StackStore) {
    this.#store = store;
    this.#id = (prefix, of) =>
      `${prefix}-${hash('sha256', `${engine.accountId} ${engine.region} ${of}`).slice(0, 17)}`;
    this.#default = this.#defaultNetwork(availabilityZones(engine.region));
  }

  /** Every part of a CloudFormation type, such as `AWS::EC2::Subnet`. */
  ofType(type: string): NetworkPart[] {
    const recorded = this.#store.ofType(type).map(({ id, properties, attributes, stackTags }) => ({
      id: id!,
      properties,
      attributes,
      tags: [
        ...Object.entries(stackTags).map(([Key, Value]) => ({ Key, Value })),
        ...(Array.isArray(properties.Tags) ? properties.Tags : [])
          .filter(isObject)
          .map(({ Key, Value }) => ({ Key: String(Key), Value: String(Value) })),
      ],
    }));
    return [...(this.#default[type] ?? []), ...recorded, ...this.#madeWithVpcs(type)];
  }

  #madeWithVpcs(type: string): NetworkPart[] {
    if (type !== 'AWS::EC2::RouteTable' && type !== 'AWS::EC2::SecurityGroup') return [];
    return this.ofType('AWS::EC2::VPC').map((vpc) => {
      const made = { tags: [], isMain: true, isDefault: vpc.isDefault ?? false };
      if (type === 'AWS::EC2::RouteTable') {
        return { ...made, id: this.#id('rtb', vpc.id), properties: { VpcId: vpc.id }, attributes: {} };
      }
      return {
        ...made,
        id: String(vpc.attributes.DefaultSecurityGroup),
        properties: { GroupName: 'default', GroupDescription: 'default VPC security group' },
        attributes: { VpcId: vpc.id },
      };
    });
  }

  #defaultNetwork(zones: readonly string[]): Record<string, NetworkPart[]> {
    const VpcId = this.#id('vpc', 'default');
    const gateway = this.#id('igw', 'default');
    const part = (id: string, properties: JsonObject, attributes: JsonObject = {}): NetworkPart => ({
      id,
      properties,
      attributes,
      tags: [],
      isDefault: true,
    });
    return {
      'AWS::EC2::VPC': [
        part(VpcId, {}, { CidrBlock: '172.31.0.0/16', DefaultSecurityGroup: this.#id('sg', 'default') }),
      ],
      'AWS::EC2::Subnet': zones.map((AvailabilityZone, index) =>
        part(
          this.#id('subnet', AvailabilityZone),
          { MapPublicIpOnLaunch: true },
          { VpcId, AvailabilityZone, CidrBlock: `172.31.${index * 16}.0/20` },
        ),
      ),
      'AWS::EC2::InternetGateway': [part(gateway, {})],
      'AWS::EC2::VPCGatewayAttachment': [part(`IGW|${VpcId}`, { VpcId, InternetGatewayId: gateway })],
      'AWS::EC2::Route': [
        part('default', {
          RouteTableId: this.#id('rtb', VpcId),
          DestinationCidrBlock: '0.0.0.0/0',
          GatewayId: gateway,
        }),
      ],
    };
  }
}

export function text(value: Json | undefined): string | undefined {
  return value === undefined || value === null ? undefined : String(value);
}
