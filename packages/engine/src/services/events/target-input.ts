import { parseBoundedJson } from '../../document-bounds.ts';
import { atJsonPath, parseJsonPath } from '../../json-path.ts';
import { invalid } from './request.ts';

type Json = Record<string, unknown>;

/** What a target is told of an event. At most one of the three is set; without any it is the event itself. */
export interface TargetInput {
  readonly input?: string;
  readonly inputPath?: string;
  readonly transformer?: {
    readonly paths: Readonly<Record<string, string>>;
    readonly template: string;
  };
}

/** The rule on whose behalf an event is delivered, for the reserved variables of templates. */
export interface RuleIdentity {
  readonly arn: string;
  readonly name: string;
}

/** Checks a target's input as `PutTargets` does. */
export function checkTargetInput({ input, inputPath, transformer }: TargetInput, targetId: string): void {
  const given = [input, inputPath, transformer].filter((part) => part !== undefined);
  if (given.length > 1) {
    throw invalid(
      `Only one of Input, InputPath, or InputTransformer must be provided for target ${targetId}.`,
    );
  }
  if (input !== undefined && !isJson(input))
    throw invalid(`JSON syntax error in input for target ${targetId}`);
  const paths = [...(inputPath === undefined ? [] : [inputPath]), ...Object.values(transformer?.paths ?? {})];
  for (const path of paths) {
    if (!parseJsonPath(path)) throw invalid(`Invalid JSON path '${path}' for target ${targetId}.`);
  }
  for (const name of variablesOf(transformer?.template ?? '')) {
    if (!name.startsWith('aws.events.') && !Object.hasOwn(transformer?.paths ?? {}, name)) {
      throw invalid(
        `InputTemplate for target ${targetId} contains placeholder <${name}>, which InputPathsMap does not define.`,
      );
    }
  }
}

/** The text that a target receives for an event. */
export function renderInput(
  { input, inputPath, transformer }: TargetInput,
  event: Json,
  rule: RuleIdentity,
): string {
  if (input !== undefined) return input;
  if (inputPath !== undefined) {
    return JSON.stringify(atJsonPath(event, parseJsonPath(inputPath) ?? []) ?? null);
  }
  if (!transformer) return JSON.stringify(event);
  const { paths, template } = transformer;
  const variableValue = (name: string): unknown => {
    switch (name) {
      case 'aws.events.rule-arn':
        return rule.arn;
      case 'aws.events.rule-name':
        return rule.name;
      case 'aws.events.event.ingestion-time':
        return event.time;
      case 'aws.events.event':
      case 'aws.events.event.json':
        return event;
      default:
        return atJsonPath(event, parseJsonPath(paths[name] ?? '$') ?? []);
    }
  };
  return fillTemplate(template, variableValue);
}

/**
 * Replaces `<variable>`s: within quotes by the value's text, elsewhere by its JSON, or by its plain text
 * when the template is neither a JSON object nor quoted.
 */
function fillTemplate(template: string, variableValue: (name: string) => unknown): string {
  const json = /^\s*[{["]/.test(template);
  let result = '';
  let quoted = false;
  let at = 0;
  while (at < template.length) {
    const found = VARIABLE.exec(template.slice(at));
    if (found) {
      const value = variableValue(found[1]!);
      const plain = value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
      if (!json) result += plain;
      else if (quoted) result += JSON.stringify(plain).slice(1, -1);
      else result += JSON.stringify(value ?? null);
      at += found[0].length;
      continue;
    }
    const character = template[at]!;
    if (character === '\\' && quoted) {
      result += template.slice(at, at + 2);
      at += 2;
      continue;
    }
    if (character === '"') quoted = !quoted;
    result += character;
    at++;
  }
  return result;
}

const VARIABLE = /^<([A-Za-z0-9_.-]+)>/;

function variablesOf(template: string): string[] {
  return [...template.matchAll(/<([A-Za-z0-9_.-]+)>/g)].map((match) => match[1]!);
}

function isJson(text: string): boolean {
  try {
    parseBoundedJson(text);
    return true;
  } catch {
    return false;
  }
}
