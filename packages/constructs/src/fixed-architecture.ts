import { CfnParameter, CfnRule, Fn, type Stack } from 'aws-cdk-lib';
import type { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';

/**
 * Refuses a deployment that would change the architecture of a running system by the way: no task could start, since
 * the last good image is built for the old one.
 *
 * The parameter keeps the value of the first deployment, because `cdk deploy` passes previous values on, until somebody
 * gives another one.
 */
export function fixArchitecture(stack: Stack, architecture: CpuArchitecture): void {
  const name = architecture._cpuArchitecture;
  const fixed = stack.node.tryFindChild('Architecture') as CfnParameter | undefined;
  if (fixed !== undefined) {
    if (fixed.default !== name) {
      throw new Error(
        `stack ${stack.stackName} has workers for ${fixed.default} already: put those for ${name} into another stack`,
      );
    }
    return;
  }
  const deployed = new CfnParameter(stack, 'Architecture', {
    default: name,
    description: 'CPU architecture that the system was deployed for; give another one only to change it',
  });
  new CfnRule(stack, 'ArchitectureIsKept', {
    assertions: [
      {
        assert: Fn.conditionEquals(deployed.valueAsString, name),
        assertDescription: `The architecture of a running system is changed in two steps: release an image that is built for both architectures, then deploy both stacks for ${name} with --parameters Architecture=${name}`,
      },
    ],
  });
}
