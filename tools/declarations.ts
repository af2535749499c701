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

/** An exported interface or class. */
export interface Declaration {
  readonly kind: 'interface' | 'class';
  readonly name: string;
  readonly bases: readonly string[];
  readonly text: string;
  readonly members: readonly Member[];
}

const DECLARATION =
  /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?export (?:abstract )?(interface|class) (\w+)(?:\s+extends\s+([^{]+?))? \{\n([\s\S]*?)\n\}/g;
const MEMBER =
  /(?:^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^ {2}readonly (\w+)(\?)?: ([\s\S]*?);(?=\n {2}[/\w#]|\n\n|\n?$(?![\s\S]))/gm;

/**
 * The exported interfaces and classes of a source file, with their docstrings.
 *
 * It reads the text, since the compiler that the project uses has no API: what it relies on is the project's format,
 * which Biome enforces.
 */
export function declarationsIn(file: string): Declaration[] {
  const source = readFileSync(file, 'utf8');
  return [...source.matchAll(DECLARATION)].map(([, doc, kind, name, bases, body]) => ({
    kind: kind === 'class' ? 'class' : 'interface',
    name: name!,
    bases: (bases ?? '').split(/,(?![^<]*>)/).flatMap((base) => base.trim() || []),
    text: prose(doc),
    members: [...body!.matchAll(MEMBER)].map(([, memberDoc, member, optional, type]) => {
      const usual = /@default -? ?([\s\S]*)$/.exec(plain(memberDoc))?.[1];
      return {
        name: member!,
        optional: optional !== undefined,
        type: type!
          .replaceAll(/\s*\/\*\*[\s\S]*?\*\/\s*/g, ' ')
          .replaceAll(/\s+/g, ' ')
          .trim(),
        text: prose(memberDoc),
        ...(usual === undefined ? {} : { default: usual.trim() }),
      };
    }),
  }));
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
