import type { Tags } from 'yaml';
import { excessOfYaml, yaml } from '../bounded-yaml.ts';
import { parseBoundedJson } from '../document-bounds.ts';
import { AwsFault } from '../errors.ts';
import { isObject, type Json, type JsonObject } from '../resources/schema.ts';

export type DeletionPolicy = 'Delete' | 'Retain' | 'RetainExceptOnCreate' | 'Snapshot';

export interface TemplateParameter {
  readonly Type: string;
  readonly Default?: Json;
  readonly NoEcho?: boolean;
  readonly AllowedValues?: readonly Json[];
  readonly AllowedPattern?: string;
  readonly MinLength?: number;
  readonly MaxLength?: number;
  readonly MinValue?: number;
  readonly MaxValue?: number;
  readonly Description?: string;
  readonly ConstraintDescription?: string;
}

export interface TemplateResource {
  readonly Type: string;
  readonly Properties: JsonObject;
  readonly DependsOn: readonly string[];
  readonly Condition: string | undefined;
  readonly Metadata: Json | undefined;
  readonly DeletionPolicy: DeletionPolicy | undefined;
  readonly UpdateReplacePolicy: DeletionPolicy | undefined;
}

interface TemplateOutput {
  readonly Value: Json;
  readonly Description: string | undefined;
  readonly Condition: string | undefined;
  /** Name of the export, which may hold intrinsic functions. */
  readonly Export: Json | undefined;
}

export interface Template {
  readonly Description: string | undefined;
  readonly Metadata: Json | undefined;
  readonly Parameters: Readonly<Record<string, TemplateParameter>>;
  readonly Mappings: Readonly<Record<string, JsonObject>>;
  readonly Conditions: JsonObject;
  readonly Rules: Readonly<Record<string, JsonObject>>;
  readonly Resources: Readonly<Record<string, TemplateResource>>;
  readonly Outputs: Readonly<Record<string, TemplateOutput>>;
}

export function templateError(message: string): AwsFault {
  return new AwsFault('ValidationError', message);
}

const SECTIONS = new Set([
  'AWSTemplateFormatVersion',
  'Description',
  'Metadata',
  'Parameters',
  'Mappings',
  'Conditions',
  'Rules',
  'Resources',
  'Outputs',
]);
const RESOURCE_ATTRIBUTES = new Set([
  'Type',
  'Properties',
  'DependsOn',
  'Condition',
  'Metadata',
  'DeletionPolicy',
  'UpdateReplacePolicy',
]);
const POLICIES = ['Delete', 'Retain', 'RetainExceptOnCreate', 'Snapshot'];
const TEMPLATE_BYTES_MAX = 1024 * 1024;

/** Reads a template in JSON or YAML (with the short forms of intrinsic functions) and checks its form. */
export function parseTemplate(body: string): Template {
  if (Buffer.byteLength(body) > TEMPLATE_BYTES_MAX) {
    throw templateError(`Template may not exceed ${TEMPLATE_BYTES_MAX} bytes in size.`);
  }
  const value = /^\s*\{/.test(body) ? readJson(body) : readYaml(body);
  if (!isObject(value)) throw templateError('Template format error: unsupported structure.');
  return shape(value);
}

function readJson(body: string): Json {
  try {
    return parseBoundedJson(body) as Json;
  } catch (error) {
    if ((error as Error).message.includes('local engine')) {
      throw templateError(`Template error: ${(error as Error).message}`);
    }
    const at = /line (\d+) column (\d+)/.exec((error as Error).message);
    const position = at ? ` (line ${at[1]}, column ${at[2]})` : '';
    throw templateError(`Template format error: JSON not well-formed.${position}`);
  }
}

const SHORT_FORMS = [
  'Base64',
  'Cidr',
  'FindInMap',
  'GetAtt',
  'GetAZs',
  'If',
  'ImportValue',
  'Join',
  'Select',
  'Split',
  'Sub',
  'Equals',
  'Not',
  'And',
  'Or',
  'Contains',
  'Length',
  'ToJsonString',
  'Transform',
  'Ref',
  'Condition',
];

function functionName(short: string): string {
  return short === 'Ref' || short === 'Condition' ? short : `Fn::${short}`;
}

const shortFormTags: Tags = SHORT_FORMS.flatMap((short) => {
  const name = functionName(short);
  const wrap = (value: unknown) => ({
    [name]: short === 'GetAtt' && typeof value === 'string' ? splitAttribute(value) : value,
  });
  return [
    { tag: `!${short}`, resolve: (text: string) => wrap(text) },
    {
      tag: `!${short}`,
      collection: 'seq' as const,
      resolve: (value: unknown) => wrap(yaml().isCollection(value) ? value.toJSON() : value),
    },
    {
      tag: `!${short}`,
      collection: 'map' as const,
      resolve: (value: unknown) => wrap(yaml().isCollection(value) ? value.toJSON() : value),
    },
  ];
});

function splitAttribute(text: string): string[] {
  const dot = text.indexOf('.');
  return dot < 0 ? [text] : [text.slice(0, dot), text.slice(dot + 1)];
}

function readYaml(body: string): Json {
  const excess = excessOfYaml(body);
  if (excess !== undefined) {
    throw templateError(
      `Template error: the YAML ${excess}, which the local engine does not read: write the template as JSON, as cdk does.`,
    );
  }
  const lines = new (yaml().LineCounter)();
  const document = yaml().parseDocument(body, {
    customTags: shortFormTags,
    lineCounter: lines,
    merge: false,
  });
  const error =
    document.errors[0] ?? document.warnings.find((warning) => warning.code === 'TAG_RESOLVE_FAILED');
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw templateError(
      `Template format error: YAML not well-formed. (line ${line}, column ${col}): ${error.message.split('\n')[0]}`,
    );
  }
  return plain(document.contents);
}

/** Values of a YAML document; a scalar that a short form made into an object is one already. */
function plain(node: unknown): Json {
  if (yaml().isMap(node)) {
    return Object.fromEntries(
      node.items.map((pair) => [
        String(yaml().isScalar(pair.key) ? pair.key.value : pair.key),
        plain(pair.value),
      ]),
    );
  }
  if (yaml().isSeq(node)) return node.items.map(plain);
  if (yaml().isScalar(node)) return plainScalar(node.value);
  if (Array.isArray(node)) return node.map(plain);
  if (isObject(node))
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, plain(item)]));
  return plainScalar(node);
}

function plainScalar(value: unknown): Json {
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'bigint') return Number(value);
  if (isObject(value) || Array.isArray(value)) return plain(value);
  return value === undefined ? null : (value as Json);
}

function section(template: JsonObject, name: string): JsonObject {
  const value = template[name];
  if (value === undefined || value === null) return {};
  if (!isObject(value)) {
    throw templateError(`Template format error: [/${name}] '${name}' section must be an object.`);
  }
  return value;
}

function entries(template: JsonObject, name: string): Array<[string, JsonObject]> {
  return Object.entries(section(template, name)).map(([key, value]) => {
    if (!isObject(value)) {
      throw templateError(`Template format error: [/${name}/${key}] Every ${name} member must be an object.`);
    }
    return [key, value];
  });
}

function shape(template: JsonObject): Template {
  if (template.Transform !== undefined || template.Hooks !== undefined) {
    throw templateError(
      'The template uses Transform or Hooks, which the local engine does not execute. Remove them, or expand the macro before deploying.',
    );
  }
  const unknown = Object.keys(template).filter((key) => !SECTIONS.has(key));
  if (unknown.length > 0) {
    throw templateError(`Invalid template property or properties [${unknown.join(', ')}]`);
  }
  const version = template.AWSTemplateFormatVersion;
  if (version !== undefined && version !== '2010-09-09') {
    throw templateError(
      `Template format error: ${JSON.stringify(version)} is not a supported value for AWSTemplateFormatVersion.`,
    );
  }
  const resources = entries(template, 'Resources');
  if (resources.length === 0) {
    throw templateError('Template format error: At least one Resources member must be defined.');
  }
  if (resources.length > 500) {
    throw templateError(
      `Template format error: Number of resources, ${resources.length}, is greater than maximum allowed, 500`,
    );
  }
  return {
    Description: typeof template.Description === 'string' ? template.Description : undefined,
    Metadata: template.Metadata,
    Parameters: Object.fromEntries(entries(template, 'Parameters').map(parameter)),
    Mappings: Object.fromEntries(entries(template, 'Mappings')),
    Conditions: section(template, 'Conditions'),
    Rules: Object.fromEntries(entries(template, 'Rules')),
    Resources: Object.fromEntries(resources.map(resource)),
    Outputs: Object.fromEntries(entries(template, 'Outputs').map(output)),
  };
}

const PARAMETER_TYPES =
  /^(String|Number|CommaDelimitedList|List<Number>|List<String>|AWS::SSM::Parameter::Name|AWS::SSM::Parameter::Value<(String|List<String>|CommaDelimitedList|AWS::[A-Za-z0-9:]+|List<AWS::[A-Za-z0-9:]+>)>|AWS::[A-Za-z0-9]+::[A-Za-z0-9:]+|List<AWS::[A-Za-z0-9:]+>)$/;
const PARAMETER_ATTRIBUTES = new Set([
  'Type',
  'Default',
  'NoEcho',
  'AllowedValues',
  'AllowedPattern',
  'MinLength',
  'MaxLength',
  'MinValue',
  'MaxValue',
  'Description',
  'ConstraintDescription',
]);

function parameter([name, value]: [string, JsonObject]): [string, TemplateParameter] {
  const unknown = Object.keys(value).find((key) => !PARAMETER_ATTRIBUTES.has(key));
  if (unknown) throw templateError(`Invalid template parameter property '${unknown}'`);
  if (typeof value.Type !== 'string') {
    throw templateError(
      `Template format error: [/Parameters/${name}] Every Parameters object must contain a Type member.`,
    );
  }
  if (!PARAMETER_TYPES.test(value.Type)) {
    throw templateError(`Template format error: Unrecognized parameter type: ${value.Type}`);
  }
  const amount = (key: string) => (value[key] === undefined ? {} : { [key]: Number(value[key]) });
  return [
    name,
    {
      Type: value.Type,
      ...(value.Default === undefined ? {} : { Default: value.Default }),
      ...(value.NoEcho === true || value.NoEcho === 'true' ? { NoEcho: true } : {}),
      ...(Array.isArray(value.AllowedValues) ? { AllowedValues: value.AllowedValues } : {}),
      ...(typeof value.AllowedPattern === 'string' ? { AllowedPattern: value.AllowedPattern } : {}),
      ...(typeof value.Description === 'string' ? { Description: value.Description } : {}),
      ...(typeof value.ConstraintDescription === 'string'
        ? { ConstraintDescription: value.ConstraintDescription }
        : {}),
      ...amount('MinLength'),
      ...amount('MaxLength'),
      ...amount('MinValue'),
      ...amount('MaxValue'),
    },
  ];
}

function policy(path: string, value: Json | undefined): DeletionPolicy | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !POLICIES.includes(value)) {
    throw templateError(`Template format error: Unrecognized policy ${JSON.stringify(value)} at [${path}]`);
  }
  if (value === 'Snapshot') {
    throw templateError(
      `Template error: the resource type at [${path}] does not support a policy of Snapshot; use Delete or Retain.`,
    );
  }
  return value as DeletionPolicy;
}

function resource([name, value]: [string, JsonObject]): [string, TemplateResource] {
  const path = `/Resources/${name}`;
  if (!/^[A-Za-z0-9]+$/.test(name)) {
    throw templateError(`Template format error: Resource name ${name} is non alphanumeric.`);
  }
  if (typeof value.Type !== 'string') {
    throw templateError(
      `Template format error: [${path}] Every Resources object must contain a Type member.`,
    );
  }
  const unknown = Object.keys(value).find((key) => !RESOURCE_ATTRIBUTES.has(key));
  if (unknown) {
    throw templateError(
      ['CreationPolicy', 'UpdatePolicy'].includes(unknown)
        ? `Template error: the local engine does not support ${unknown} (resource ${name}). Remove it to deploy here.`
        : `Invalid template resource property '${unknown}'`,
    );
  }
  if (value.Properties !== undefined && !isObject(value.Properties)) {
    throw templateError(`Template format error: [${path}/Properties] Properties must be an object.`);
  }
  const depends = value.DependsOn ?? [];
  const dependsOn = Array.isArray(depends) ? depends : [depends];
  if (!dependsOn.every((item) => typeof item === 'string')) {
    throw templateError(`Template format error: DependsOn must be a string or list of strings. [${path}]`);
  }
  if (value.Condition !== undefined && typeof value.Condition !== 'string') {
    throw templateError(`Template format error: [${path}/Condition] Condition must be a string.`);
  }
  return [
    name,
    {
      Type: value.Type,
      Properties: value.Properties ?? {},
      DependsOn: dependsOn as string[],
      Condition: value.Condition,
      Metadata: value.Metadata,
      DeletionPolicy: policy(`${path}/DeletionPolicy`, value.DeletionPolicy),
      UpdateReplacePolicy: policy(`${path}/UpdateReplacePolicy`, value.UpdateReplacePolicy),
    },
  ];
}

function output([name, value]: [string, JsonObject]): [string, TemplateOutput] {
  if (value.Value === undefined) {
    throw templateError(
      `Template format error: [/Outputs/${name}] Every Outputs member must contain a Value object`,
    );
  }
  const unknown = Object.keys(value).find(
    (key) => !['Value', 'Description', 'Condition', 'Export'].includes(key),
  );
  if (unknown) throw templateError(`Template format error: [/Outputs/${name}] Unknown property ${unknown}`);
  if (value.Export !== undefined && (!isObject(value.Export) || value.Export.Name === undefined)) {
    throw templateError(
      `Template format error: Output ${name} is malformed. The Name field of every Export member must be specified.`,
    );
  }
  return [
    name,
    {
      Value: value.Value,
      Description: typeof value.Description === 'string' ? value.Description : undefined,
      Condition: typeof value.Condition === 'string' ? value.Condition : undefined,
      Export: isObject(value.Export) ? value.Export.Name : undefined,
    },
  ];
}
