import { matchesWithin } from '../bounded-match.ts';
import type { Json } from '../resources/schema.ts';
import { type Template, type TemplateParameter, templateError } from './template.ts';

/** A parameter's value as given and as it resolved. */
export interface ParameterValue {
  readonly key: string;
  readonly given: string;
  /** What `Ref` gives: the given text, a list, or what Parameter Store holds. */
  readonly value: Json;
  /** Value from Parameter Store, for the `AWS::SSM::Parameter::Value` types. */
  readonly resolved?: string;
  readonly noEcho?: true;
}

export interface GivenParameter {
  readonly ParameterKey?: string | undefined;
  readonly ParameterValue?: string | undefined;
  readonly UsePreviousValue?: boolean | undefined;
}

const STORED = /^AWS::SSM::Parameter::Value<(.+)>$/;

/**
 * The values of a template's parameters, from what was given, what the stack had, and defaults; checked
 * against the constraints of the template. Values of Parameter Store types are read through `read`.
 */
export async function parameterValues(
  template: Template,
  given: readonly GivenParameter[],
  previous: readonly ParameterValue[],
  read: (name: string) => Promise<string>,
): Promise<ParameterValue[]> {
  const unknown = given
    .map((item) => item.ParameterKey ?? '')
    .filter((key) => !Object.hasOwn(template.Parameters, key));
  if (unknown.length > 0)
    throw templateError(`Parameters: [${unknown.join(', ')}] do not exist in the template`);
  const texts = new Map<string, string>();
  const missing: string[] = [];
  for (const [key, parameter] of Object.entries(template.Parameters)) {
    const item = given.find((candidate) => candidate.ParameterKey === key);
    const before = previous.find((candidate) => candidate.key === key);
    if (item?.UsePreviousValue) {
      if (!before)
        throw templateError(
          `Invalid input for parameter key ${key}. Cannot specify usePreviousValue as true for a parameter key not in the previous template`,
        );
      texts.set(key, before.given);
    } else if (item?.ParameterValue !== undefined) texts.set(key, item.ParameterValue);
    else if (parameter.Default !== undefined) texts.set(key, defaultText(parameter.Default));
    else missing.push(key);
  }
  if (missing.length > 0) throw templateError(`Parameters: [${missing.join(', ')}] must have values`);
  const values: ParameterValue[] = [];
  for (const [key, parameter] of Object.entries(template.Parameters)) {
    const text = texts.get(key)!;
    check(key, parameter, text);
    const stored = STORED.exec(parameter.Type);
    const resolved = stored ? await read(text) : undefined;
    const type = stored ? stored[1]! : parameter.Type;
    values.push({
      key,
      given: text,
      value: isList(type) ? split(resolved ?? text) : (resolved ?? text),
      ...(resolved === undefined ? {} : { resolved }),
      ...(parameter.NoEcho ? { noEcho: true as const } : {}),
    });
  }
  return values;
}

function isList(type: string): boolean {
  return type === 'CommaDelimitedList' || type.startsWith('List<');
}

function split(text: string): string[] {
  return text === '' ? [] : text.split(',').map((item) => item.trim());
}

function defaultText(value: Json): string {
  return Array.isArray(value) ? value.map(String).join(',') : String(value);
}

function check(key: string, parameter: TemplateParameter, text: string): void {
  const items = isList(parameter.Type) ? split(text) : [text];
  const explained = (message: string) =>
    templateError(
      parameter.ConstraintDescription
        ? `Parameter '${key}' failed to satisfy constraint: ${parameter.ConstraintDescription}`
        : message,
    );
  for (const item of items) {
    if (parameter.AllowedValues && !parameter.AllowedValues.some((allowed) => String(allowed) === item)) {
      throw explained(
        `Parameter '${key}' must be one of AllowedValues: [${parameter.AllowedValues.map(String).join(', ')}]`,
      );
    }
    if (parameter.AllowedPattern !== undefined && !matches(key, parameter.AllowedPattern, item)) {
      throw explained(`Parameter '${key}' must match pattern ${parameter.AllowedPattern}`);
    }
    if (parameter.Type === 'Number' || parameter.Type === 'List<Number>') {
      const amount = Number(item);
      if (item.trim() === '' || Number.isNaN(amount))
        throw templateError(`Parameter '${key}' must be a number.`);
      if (parameter.MinValue !== undefined && amount < parameter.MinValue) {
        throw explained(`Parameter '${key}' must be a number not less than ${parameter.MinValue}`);
      }
      if (parameter.MaxValue !== undefined && amount > parameter.MaxValue) {
        throw explained(`Parameter '${key}' must be a number not greater than ${parameter.MaxValue}`);
      }
    }
    if (parameter.MinLength !== undefined && item.length < parameter.MinLength) {
      throw explained(`Parameter '${key}' must contain at least ${parameter.MinLength} characters`);
    }
    if (parameter.MaxLength !== undefined && item.length > parameter.MaxLength) {
      throw explained(`Parameter '${key}' must contain at most ${parameter.MaxLength} characters`);
    }
  }
}

function matches(key: string, pattern: string, text: string): boolean {
  const matched = matchesWithin(pattern, text);
  if (typeof matched === 'boolean') return matched;
  throw templateError(
    matched === 'late'
      ? `Template error: AllowedPattern of parameter ${key} takes too long on its value: simplify it.`
      : `Template format error: AllowedPattern of parameter ${key} is not a valid expression`,
  );
}
