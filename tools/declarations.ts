import { readFileSync } from 'node:fs';

/** One member of an interface, or one public member of a class, as the source declares it. */
export interface Member {
  readonly name: string;
  readonly optional: boolean;
  readonly type: string;
  /** Its docstring on one line, without tags. */
  readonly text: string;
  /** Its `@default`, without the dash. */
  readonly default?: string;
}

/** A public method of a class. */
export interface Method {
  readonly name: string;
  readonly isStatic: boolean;
  /** As they are declared, on one line. */
  readonly parameters: string;
  readonly type: string;
  readonly text: string;
}

/** An exported interface, class, type or constant. */
export interface Declaration {
  readonly kind: 'interface' | 'class' | 'type' | 'const';
  readonly name: string;
  /** What it extends. */
  readonly bases: readonly string[];
  /** Interfaces that a class implements. */
  readonly implemented: readonly string[];
  readonly text: string;
  readonly members: readonly Member[];
  readonly methods: readonly Method[];
  /** Of a class. */
  readonly constructorParameters?: string;
  /** Of a type what it stands for, of a constant its type. */
  readonly type?: string;
}

const DOC = String.raw`(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?`;
const DECLARATION = new RegExp(
  String.raw`${DOC}export (?:abstract )?(interface|class) (\w+)(?:\s+extends\s+([^{]+?))??(?:\s+implements\s+([^{]+?))? \{(?:\}|\n([\s\S]*?)\n\})`,
  'g',
);
const ALIAS = new RegExp(
  String.raw`${DOC}export (type|const) (\w+)(?:: ([^=]+?)|(?= = ))? =\s+([\s\S]*?);\n`,
  'g',
);
const MEMBER =
  /(?:^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^ {2}readonly (\w+)(\?)?: ([\s\S]*?);(?=\n {2}[/\w#]|\n\n|\n?$(?![\s\S]))/gm;
const METHOD =
  /(?:^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^ {2}(static )?(?:abstract )?(?!constructor\()([a-z]\w*)\(([^)]*)\): ([^{;]+?)(?:;$| \{$)/gm;

/**
 * The exported interfaces, classes, types and constants of a source file, with their docstrings.
 *
 * It reads the text, since the compiler that the project uses has no API: what it relies on is the project's format,
 * which Biome enforces.
 */
export function declarationsIn(file: string): Declaration[] {
  const source = readFileSync(file, 'utf8');
  return [
    ...[...source.matchAll(DECLARATION)].map(([, doc, kind, name, bases, implemented, body = '']) => {
      const constructorParameters = /^ {2}constructor\(([^)]*)\)/m.exec(body)?.[1];
      return {
        kind: kind === 'class' ? ('class' as const) : ('interface' as const),
        name: name!,
        bases: listOf(bases),
        implemented: listOf(implemented),
        text: prose(doc),
        members: [...body.matchAll(MEMBER)].map(memberOf),
        methods: kind === 'class' ? [...body.matchAll(METHOD)].map(methodOf) : [],
        ...(constructorParameters === undefined
          ? {}
          : { constructorParameters: parametersOf(constructorParameters) }),
      };
    }),
    ...[...source.matchAll(ALIAS)].map(([, doc, kind, name, declared, value = '']) => ({
      kind: kind === 'type' ? ('type' as const) : ('const' as const),
      name: name!,
      bases: [],
      implemented: [],
      text: prose(doc),
      members: [],
      methods: [],
      type: line(kind === 'type' ? value : (declared ?? '')),
    })),
  ];
}

function memberOf([, doc, name, optional, type]: RegExpExecArray): Member {
  const usual = /@default -? ?([\s\S]*)$/.exec(plain(doc))?.[1];
  return {
    name: name!,
    optional: optional !== undefined,
    type: line(type!),
    text: prose(doc),
    ...(usual === undefined ? {} : { default: usual.trim() }),
  };
}

function methodOf([, doc, isStatic, name, parameters = '', type]: RegExpExecArray): Method {
  return {
    name: name!,
    isStatic: isStatic !== undefined,
    parameters: parametersOf(parameters),
    type: line(type!),
    text: prose(doc),
  };
}

/** Parameters on one line; one with a default value is one that may be left out. */
function parametersOf(text: string): string {
  return line(text)
    .replaceAll(/(\w+): ([\w.]+) = [^,]+/g, '$1?: $2')
    .replace(/^\{.*\}: /, 'props: ')
    .replace(/\{.*\}: /, 'props: ')
    .replace(/,$/, '');
}

function listOf(names = ''): string[] {
  return names.split(/,(?![^<]*>)/).flatMap((name) => name.trim() || []);
}

/** Code without comments and line breaks. */
function line(text: string): string {
  return text
    .replaceAll(/\s*\/\*\*[\s\S]*?\*\/\s*/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** A docstring without its stars, its tags and its line breaks. */
function prose(doc: string | undefined): string {
  return plain(doc).replace(/ ?@default[\s\S]*$/, '');
}

function plain(doc = ''): string {
  const text = doc
    .replaceAll(/^\s*\* ?/gm, '')
    .replaceAll(/\n- /g, '; ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\{@link ([^}]*)\}/g, '`$1`');
  return text.replaceAll(/([.:]) ?; /g, '$1 ').trim();
}
