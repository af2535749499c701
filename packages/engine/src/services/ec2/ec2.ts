import { StackStore } from '../../cloudformation/stack-store.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { gatewayOperations } from './gateways.ts';
import { natGatewayOperations } from './nat-gateways.ts';
import { Networks } from './networks.ts';
import { securityGroupOperations } from './security-groups.ts';
import { vpcOperations } from './vpcs.ts';
import { zoneOperations } from './zones.ts';

/**
 * EC2 as far as someone asks about it: regions, zones, and the networks that stacks recorded, with the default
 * VPC. Nothing here acts: see the list of recorded-only resource types.
 */
export function createEc2(engine: Engine): Service<'ec2'> {
  const networks = new Networks(engine, new StackStore(engine.state));

  return {
    name: 'ec2',
    operations: {
      ...zoneOperations(engine),
      ...vpcOperations(engine, networks),
      ...securityGroupOperations(engine, networks),
      ...gatewayOperations(engine, networks),
      ...natGatewayOperations(networks),
    },
  };
}
