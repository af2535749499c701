import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Table } from '../../state/state.ts';
import type { StoredActivity, StoredPolicy, StoredTarget } from './model.ts';
import { DIMENSION, NAMESPACE, resourceOf, type TargetKey } from './request.ts';

/** Scalable targets, their policies and what was scaled. */
export class ScalingStore {
  readonly targets: Table<StoredTarget>;
  readonly policies: Table<StoredPolicy>;
  readonly activities: Table<StoredActivity>;

  constructor(engine: Engine) {
    this.targets = engine.state.table('application-auto-scaling.targets');
    this.policies = engine.state.table('application-auto-scaling.policies');
    this.activities = engine.state.table('application-auto-scaling.activities');
  }

  target(key: TargetKey): StoredTarget {
    const resourceId = resourceOf(key);
    const target = this.targets.get(resourceId);
    if (target) return target;
    throw new AwsFault(
      'ObjectNotFoundException',
      `No scalable target registered for service namespace: ${NAMESPACE}, resource ID: ${resourceId}, scalable dimension: ${DIMENSION}`,
    );
  }

  targetByArn(arn: string | undefined): StoredTarget {
    const target = [...this.targets.values()].find((each) => each.arn === arn);
    if (target) return target;
    throw new AwsFault('ResourceNotFoundException', `The resource ${arn} does not exist.`);
  }

  policy(resourceId: string, name: string | undefined): StoredPolicy | undefined {
    return [...this.policies.values()].find(
      (policy) => policy.resourceId === resourceId && policy.name === name,
    );
  }
}
