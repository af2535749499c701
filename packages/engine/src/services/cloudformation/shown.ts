import type { ParameterValue } from '../../cloudformation/parameters.ts';

/** Parameters as CloudFormation describes them: values marked `NoEcho` are masked. */
export function shownParameters(parameters: readonly ParameterValue[]) {
  return parameters.map(({ key, given, resolved, noEcho }) => ({
    ParameterKey: key,
    ParameterValue: noEcho ? '****' : given,
    ...(resolved === undefined ? {} : { ResolvedValue: noEcho ? '****' : resolved }),
  }));
}

export function shownTags(tags: Readonly<Record<string, string>>) {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}
