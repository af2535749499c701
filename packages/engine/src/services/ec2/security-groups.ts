import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { isObject, type JsonObject } from '../../resources/schema.ts';
import { type NetworkPart, type Networks, text } from './networks.ts';
import { selected } from './selection.ts';

/** Security groups with their rules: tools that look one up ask whether it lets everything out. */
export function securityGroupOperations(engine: Engine, networks: Networks): OperationTable<'ec2'> {
  const nameOf = ({ id, properties }: NetworkPart) => text(properties.GroupName) ?? id;

  const rulesOf = (group: NetworkPart, direction: 'Ingress' | 'Egress'): JsonObject[] => {
    const listed = group.properties[`SecurityGroup${direction}`];
    const own = Array.isArray(listed) ? listed.filter(isObject) : [];
    const apart = networks
      .ofType(`AWS::EC2::SecurityGroup${direction}`)
      .map(({ properties }) => properties)
      .filter(({ GroupId }) => GroupId === group.id);
    if (group.isMain && direction === 'Ingress')
      return [{ IpProtocol: '-1', SourceSecurityGroupId: group.id }];
    const rules = [...own, ...apart];
    // AWS lets everything out of a group until a rule of a template says what.
    if (direction === 'Egress' && rules.length === 0) return [{ IpProtocol: '-1', CidrIp: '0.0.0.0/0' }];
    return rules;
  };

  return {
    DescribeSecurityGroups: {
      run: (input) => {
        const groups = networks.ofType('AWS::EC2::SecurityGroup');
        for (const name of input.GroupNames ?? []) {
          // Names choose among the groups of the default VPC only.
          if (!groups.some((group) => group.isDefault && nameOf(group) === name)) {
            throw new AwsFault(
              'InvalidGroup.NotFound',
              `The security group '${name}' does not exist in default VPC`,
            );
          }
        }
        return {
          SecurityGroups: selected(groups, {
            ids: input.GroupIds,
            unknownId: 'InvalidGroup.NotFound',
            filters: input.Filters,
            fields: {
              'group-id': ({ id }) => id,
              'group-name': nameOf,
              description: ({ properties }) => text(properties.GroupDescription),
              'vpc-id': ({ attributes }) => text(attributes.VpcId),
              'owner-id': () => engine.accountId,
            },
          })
            .filter(
              (group) =>
                (input.GroupNames ?? []).length === 0 ||
                (group.isDefault && input.GroupNames?.includes(nameOf(group))),
            )
            .map((group) => ({
              GroupId: group.id,
              GroupName: nameOf(group),
              Description: text(group.properties.GroupDescription),
              VpcId: text(group.attributes.VpcId),
              OwnerId: engine.accountId,
              IpPermissions: rulesOf(group, 'Ingress').map(permission),
              IpPermissionsEgress: rulesOf(group, 'Egress').map(permission),
              Tags: [...group.tags],
            })),
        };
      },
    },
  };
}

function permission(rule: JsonObject) {
  const { Description, FromPort, ToPort, CidrIp, CidrIpv6 } = rule;
  const about = Description === undefined ? {} : { Description: text(Description) };
  const group = text(rule.SourceSecurityGroupId ?? rule.DestinationSecurityGroupId);
  const list = text(rule.SourcePrefixListId ?? rule.DestinationPrefixListId);
  return {
    IpProtocol: text(rule.IpProtocol),
    ...(FromPort === undefined ? {} : { FromPort: Number(FromPort) }),
    ...(ToPort === undefined ? {} : { ToPort: Number(ToPort) }),
    IpRanges: CidrIp === undefined ? [] : [{ CidrIp: text(CidrIp), ...about }],
    Ipv6Ranges: CidrIpv6 === undefined ? [] : [{ CidrIpv6: text(CidrIpv6), ...about }],
    UserIdGroupPairs: group === undefined ? [] : [{ GroupId: group, ...about }],
    PrefixListIds: list === undefined ? [] : [{ PrefixListId: list, ...about }],
  };
}
