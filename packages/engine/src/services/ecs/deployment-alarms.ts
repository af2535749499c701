import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { servicePrincipal } from '../../iam/principal.ts';
import type { StoredDeployment, StoredService } from './model.ts';

/** Names of the alarms that watch the service's deployments. */
export function watchedAlarms(service: StoredService): readonly string[] {
  const { alarms } = service.deploymentConfiguration;
  return alarms?.enable ? (alarms.alarmNames ?? []) : [];
}

/**
 * Looks at the alarms of a deployment in progress: those in ALARM at the first look are ignored for good, as
 * on AWS; any other one that is in ALARM later has gone off because of the deployment.
 *
 * The watch period after the rollout is as long as the slowest alarm needs to evaluate once.
 */
export async function lookAtAlarms(
  engine: Engine,
  names: readonly string[],
  deployment: StoredDeployment,
): Promise<StoredDeployment['alarms']> {
  const { MetricAlarms = [] } = await engine.call(
    servicePrincipal(engine, 'ecs.amazonaws.com'),
    'cloudwatch',
    'DescribeAlarms',
    { AlarmNames: [...names] },
  );
  const missing = names.filter((name) => !MetricAlarms.some(({ AlarmName }) => AlarmName === name));
  if (missing.length > 0) {
    throw new AwsFault(
      'InvalidParameterException',
      `The deployment alarms ${missing.join(', ')} do not exist.`,
    );
  }
  const inAlarm = MetricAlarms.filter(({ StateValue }) => StateValue === 'ALARM').map(
    ({ AlarmName }) => AlarmName!,
  );
  const bakeMs = Math.max(
    ...MetricAlarms.map(({ Period = 60, EvaluationPeriods = 1 }) =>
      engine.pace.scaleSeconds('alarm-period', Period * EvaluationPeriods),
    ),
  );
  const { ignored, triggered } = deployment.alarms;
  if (ignored === undefined) return { ignored: inAlarm, triggered: [], bakeMs };
  const gone = inAlarm.filter((name) => !ignored.includes(name) && !triggered.includes(name));
  return { ignored, triggered: [...triggered, ...gone], bakeMs };
}
