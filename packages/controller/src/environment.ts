import { CONTROLLER_VARIABLES, parsePolicy, type ReleasePolicy } from '@queue-canary/core';
import type { Names } from './names.ts';
import { UserError } from './user-error.ts';

export interface Configuration {
  readonly names: Names;
  readonly policy: ReleasePolicy;
}

type Key = keyof typeof CONTROLLER_VARIABLES;

/**
 * The controller's configuration from its environment variables, or one error that lists everything that
 * is wrong with them.
 */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Configuration {
  const problems: string[] = [];
  const required = (key: Key): string => {
    const variable = CONTROLLER_VARIABLES[key];
    const value = environment[variable];
    if (value === undefined || value === '') problems.push(`${variable} is not set`);
    return value ?? '';
  };
  const count = (key: Key): number => {
    const text = required(key);
    if (text !== '' && !/^\d+$/.test(text))
      problems.push(`${CONTROLLER_VARIABLES[key]} must be a whole number, not ${text}`);
    return Number(text);
  };
  const optional = (key: Key): string | undefined => environment[CONTROLLER_VARIABLES[key]] || undefined;
  // A name of an alarm may hold any character but those that control something.
  const list = (key: Key): string[] => (optional(key) ?? '').split('\n').filter((name) => name !== '');
  const deadLetterQueue = optional('deadLetterQueue');
  const updateParameter = optional('updateParameter');
  const configuration = {
    names: {
      app: required('app'),
      pipeline: required('pipeline'),
      cluster: required('cluster'),
      canaryService: required('canaryService'),
      stableService: required('stableService'),
      tasks: {
        canary: count('canaryTasks'),
        stableMin: count('stableTasksMin'),
        stableMax: count('stableTasksMax'),
      },
      container: required('container'),
      releaseParameter: required('releaseParameter'),
      rollbackParameter: required('rollbackParameter'),
      imageParameter: required('imageParameter'),
      ...(updateParameter !== undefined && { updateParameter }),
      imageRepository: required('imageRepository'),
      alarms: list('alarms'),
      stopAlarms: list('stopAlarms'),
      ...(deadLetterQueue !== undefined && { deadLetterQueue }),
      topicArn: required('topicArn'),
    },
  };
  const policy = parsePolicy(jsonFrom(required('policy'), problems));
  if (!policy.ok)
    problems.push(...policy.problems.map(({ message }) => `${CONTROLLER_VARIABLES.policy}: ${message}`));
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
    problems.push(`${CONTROLLER_VARIABLES.policy} is not JSON`);
    return {};
  }
}
