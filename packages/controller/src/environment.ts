import { parsePolicy, type ReleasePolicy } from '@queue-canary/core';
import type { Names } from './names.ts';
import { UserError } from './user-error.ts';

export interface Configuration {
  readonly names: Names;
  readonly policy: ReleasePolicy;
}

/**
 * The controller's configuration from its environment variables, or one error that lists everything that
 * is wrong with them.
 */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Configuration {
  const problems: string[] = [];
  const required = (variable: string): string => {
    const value = environment[variable];
    if (value === undefined || value === '') problems.push(`${variable} is not set`);
    return value ?? '';
  };
  const count = (variable: string): number => {
    const text = required(variable);
    if (text !== '' && !/^\d+$/.test(text)) problems.push(`${variable} must be a whole number, not ${text}`);
    return Number(text);
  };
  const configuration = {
    names: {
      app: required('QC_APP'),
      pipeline: required('QC_PIPELINE_NAME'),
      cluster: required('QC_CLUSTER'),
      canaryService: required('QC_CANARY_SERVICE'),
      stableService: required('QC_STABLE_SERVICE'),
      tasks: {
        canary: count('QC_CANARY_TASKS'),
        stableMin: count('QC_STABLE_TASKS_MIN'),
        stableMax: count('QC_STABLE_TASKS_MAX'),
      },
      container: required('QC_CONTAINER_NAME'),
      releaseParameter: required('QC_RELEASE_PARAMETER'),
      rollbackParameter: required('QC_ROLLBACK_PARAMETER'),
      imageParameter: required('QC_IMAGE_PARAMETER'),
      imageRepository: required('QC_IMAGE_REPOSITORY'),
      alarms: required('QC_ALARM_NAMES')
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
      deadLetterQueue: required('QC_DLQ_NAME'),
      topicArn: required('QC_TOPIC_ARN'),
    },
  };
  const policy = parsePolicy(jsonFrom(required('QC_POLICY'), problems));
  if (!policy.ok) problems.push(...policy.problems.map(({ message }) => `QC_POLICY: ${message}`));
  if (problems.length > 0 || !policy.ok) {
    throw new UserError(
      'InvalidEnvironment',
      `the controller's environment is incomplete: ${problems.join('; ')}. Deploy the pipeline stack again`,
    );
  }
  return { ...configuration, policy: policy.policy };
}

function jsonFrom(text: string, problems: string[]): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    problems.push('QC_POLICY is not JSON');
    return {};
  }
}
