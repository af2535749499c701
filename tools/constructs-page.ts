import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Declaration, declarationsIn, type Member } from './declarations.ts';
import { code, page, sentence, table } from './markdown.ts';

const ROOT = join(import.meta.dirname, '..');
const CONSTRUCTS = join(ROOT, 'packages/constructs/src');
const CORE = join(ROOT, 'packages/core/src');

/** In the order in which a reader needs them; the types of core follow. */
const FILES = [
  'image-stack',
  'pipeline-stack',
  'queue-canary',
  'existing-queue',
  'release-policy-props',
  'release-policy',
  'canary-image',
  'worker-source',
  'published-image-stack',
  'published-image',
  'worker-image',
  'canary-services',
  'worker-capacity-props',
  'worker-service',
  'backlog-scaling',
  'worker-queue',
  'worker-network',
  'release-controller-props',
  'release-controller',
  'release-pipeline',
  'release-dashboard',
  'encryption',
];

/** Where those types of core are that the package exports as well. */
const CORE_FILES = ['contract', 'judge/judge-policy', 'policy/policy', 'settings/setting'];

/** The names that the package exports. */
export function exportedByConstructs(): string[] {
  const index = readFileSync(join(CONSTRUCTS, 'index.ts'), 'utf8');
  return [...index.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names = '']) =>
    names.split(',').flatMap((name) => name.replace('type ', '').trim() || []),
  );
}

let exported: ReadonlyMap<string, Declaration> | undefined;

/** What the package exports, by name. */
export function constructsDeclarations(): ReadonlyMap<string, Declaration> {
  exported ??= readDeclarations();
  return exported;
}

function readDeclarations(): ReadonlyMap<string, Declaration> {
  const names = new Set(exportedByConstructs());
  const files = [
    ...FILES.map((file) => join(CONSTRUCTS, `${file}.ts`)),
    ...CORE_FILES.map((file) => join(CORE, `${file}.ts`)),
  ];
  const found = files.flatMap(declarationsIn).filter(({ name }) => names.has(name));
  return new Map(found.map((declaration) => [declaration.name, declaration]));
}

/** A member of an interface or class, or of one that it extends or implements. */
export function memberOf(name: string, member: string): Member {
  const found = findMember(name, member);
  if (found === undefined) throw new Error(`${name} has no property ${member}`);
  return found;
}

function findMember(name: string, member: string): Member | undefined {
  const declaration = constructsDeclarations().get(name);
  if (declaration === undefined) return undefined;
  const { members, bases, implemented } = declaration;
  const own = members.find((each) => each.name === member);
  if (own !== undefined && own.text !== '') return own;
  return (
    [...bases, ...implemented].map((base) => findMember(base, member)).find((each) => each !== undefined) ??
    own
  );
}

/** The page about everything that the package exports. */
export function constructsPage(): string {
  return page(
    'Constructs',
    `The package \`@queue-canary/constructs\`: everything that it exports. [Use the
constructs](../how-to/use-the-constructs.md) shows an app. A property without a default is required.`,
    ...[...constructsDeclarations().values()].map(section),
  );
}

function section(declaration: Declaration): string {
  const { name, text, kind } = declaration;
  const parts = { interface: interfaceParts, class: classParts, type: typeParts, const: typeParts }[kind];
  return [`## ${name}`, text, ...parts(declaration)].join('\n\n');
}

const anchor = (name: string) =>
  constructsDeclarations().has(name) ? `[\`${name}\`](#${name.toLowerCase()})` : code(name);

function interfaceParts({ bases, members }: Declaration): string[] {
  const rows = members.map(({ name, type, default: usual, optional, text }) => [
    code(name),
    code(type),
    usual ?? (optional ? 'none' : 'required'),
    text,
  ]);
  return [
    ...(bases.length === 0 ? [] : [`Has also the properties of ${bases.map(anchor).join(', ')}.`]),
    ...(rows.length === 0 ? [] : [table(['property', 'type', 'default', 'meaning'], rows)]),
  ];
}

function classParts(declaration: Declaration): string[] {
  const { name, bases, implemented, members, methods, constructorParameters } = declaration;
  const rows = [
    ...methods.map((method) => [
      code(`${method.isStatic ? `${name}.` : ''}${method.name}(${method.parameters})`),
      code(method.type),
      method.text,
    ]),
    ...members.map((member) => [code(member.name), code(member.type), memberOf(name, member.name).text]),
  ];
  const kinship = [
    ...(bases.length === 0 ? [] : [`extends ${bases.map(anchor).join(', ')}`]),
    ...(implemented.length === 0 ? [] : [`implements ${implemented.map(anchor).join(', ')}`]),
  ];
  return [
    ...(kinship.length === 0 ? [] : [sentence(kinship.join(', '))]),
    ...(constructorParameters === undefined ? [] : [code(`new ${name}(${constructorParameters})`)]),
    ...(rows.length === 0 ? [] : [table(['member', 'type', 'meaning'], rows)]),
  ];
}

/** What a type stands for, unless that is too long to be read. */
function typeParts({ type = '' }: Declaration): string[] {
  return type.includes('{') ? [] : [code(type)];
}
