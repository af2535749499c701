import { UserError } from '../../errors.ts';

/**
 * Fills in a `--format` template: text with `{{.Field.Field}}`, `{{json .Field}}`, `{{index .List 0}}`,
 * `{{index .Map "key"}}` and `{{len .List}}`, which is the part of Go's templates that scripts use on
 * `docker inspect` and its like. Anything else, and an index that is not there, is an error as in Docker.
 */
export function formatTemplate(template: string, data: unknown): string {
  return template.replace(/\{\{-?\s*(.*?)\s*-?\}\}/gs, (_, expression: string) =>
    print(evaluate(expression, data)),
  );
}

interface Json {
  readonly json: unknown;
}

function evaluate(expression: string, data: unknown): unknown {
  const match = /^(?:(json|index|len)\s+)?(\.[\w.]*)(?:\s+(?:(\d+)|"([^"]*)"))?$/.exec(expression);
  if (match === null) throw failure(expression, 'this form of template is not supported');
  const [, call, path = '.', position, key] = match;
  const value = select(path, data, expression);
  switch (call) {
    case 'json':
      return { json: value } satisfies Json;
    case 'len':
      return Array.isArray(value) ? value.length : Object.keys(isRecord(value) ? value : {}).length;
    case 'index':
      return element(value, position === undefined ? (key ?? '') : Number(position), expression);
    default:
      return value;
  }
}

function select(path: string, data: unknown, expression: string): unknown {
  let value = data;
  for (const name of path.split('.').filter((part) => part !== '')) {
    if (!isRecord(value) || !Object.hasOwn(value, name))
      throw failure(expression, `there is no field "${name}"`);
    value = value[name];
  }
  return value;
}

function element(value: unknown, key: string | number, expression: string): unknown {
  if (Array.isArray(value)) {
    if (typeof key !== 'number' || key >= value.length)
      throw failure(expression, `index out of range: ${key}`);
    return value[key];
  }
  if (isRecord(value)) return value[key] ?? '';
  throw failure(expression, 'the value has no elements');
}

function print(value: unknown): string {
  if (isRecord(value) && 'json' in value) return JSON.stringify(value.json);
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return value === undefined || value === null ? '' : String(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function failure(expression: string, reason: string): UserError {
  return new UserError('InvalidTemplate', `template parsing error: "{{${expression}}}": ${reason}.`);
}
