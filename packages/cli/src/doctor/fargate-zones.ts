import { type AvailabilityZone, EC2 } from '@aws-sdk/client-ec2';
import type { Context } from '../context.ts';
import type { Account } from './check.ts';
import { type Check, failure, ok } from './check.ts';
import type { StackNeeds } from './stack-needs.ts';

/** Ids of the zones that have Fargate, where not all have: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html */
const FARGATE_ZONES: Readonly<Record<string, readonly string[]>> = {
  'us-west-1': ['usw1-az1', 'usw1-az3'],
  'ap-northeast-1': ['apne1-az1', 'apne1-az2', 'apne1-az4'],
};

/** A zone has another name in each account, and CloudFormation may choose any that the account has. */
export async function fargateZones(context: Context, needs: StackNeeds, { region }: Account): Promise<Check> {
  const name = 'Fargate zones';
  const withFargate = FARGATE_ZONES[region];
  if (withFargate === undefined) return ok(name, `all of ${region}`);
  const { AvailabilityZones = [] } = await new EC2(context.target.connection).describeAvailabilityZones({});
  const shown = (list: readonly AvailabilityZone[]) =>
    list.map(({ ZoneName, ZoneId }) => `${ZoneName} (${ZoneId})`).join(', ');
  const has = ({ ZoneId = '' }: AvailabilityZone) => withFargate.includes(ZoneId);
  const used = AvailabilityZones.filter(
    ({ ZoneName = '' }) => needs.zones.length === 0 || needs.zones.includes(ZoneName),
  );
  const without = used.filter((zone) => !has(zone));
  if (without.length === 0) return ok(name, shown(used));
  const [one, other] = AvailabilityZones.filter(has);
  return failure(
    name,
    `${shown(without)} has no Fargate, and the stacks ${needs.zones.length === 0 ? 'may use it' : 'name it'}: no task can be placed there`,
    other === undefined
      ? `choose another region: this account has fewer than two zones with Fargate in ${region}`
      : `-c availabilityZones=${one?.ZoneName},${other.ZoneName}, with every "deploy"`,
  );
}
