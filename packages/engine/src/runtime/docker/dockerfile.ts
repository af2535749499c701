import {
  type CommandForm,
  parseArg,
  parseCommand,
  parseCopy,
  parseFrom,
  parseHealthcheck,
  parseJsonWords,
  parsePairs,
  parseRun,
  splitWords,
} from './dockerfile-arguments.ts';
import { DockerfileError, throwAll, unsupported } from './dockerfile-error.ts';
import { type LogicalLine, logicalLines } from './dockerfile-lines.ts';

interface Place {
  readonly line: number;
  readonly source: string;
}

type Pairs = readonly { readonly name: string; readonly value: string }[];

/** One instruction of a Dockerfile, as written: variables are not yet replaced. */
export type Instruction = Place &
  (
    | { readonly kind: 'FROM'; readonly image: string; readonly stage?: string }
    | { readonly kind: 'ARG'; readonly names: readonly { name: string; value?: string }[] }
    | { readonly kind: 'ENV' | 'LABEL'; readonly pairs: Pairs }
    | { readonly kind: 'WORKDIR'; readonly path: string }
    | {
        readonly kind: 'COPY' | 'ADD';
        readonly sources: readonly string[];
        readonly destination: string;
        readonly chmod?: string;
        /** Name or number of a stage, or an image. */
        readonly from?: string;
      }
    | { readonly kind: 'RUN' | 'CMD' | 'ENTRYPOINT'; readonly command: CommandForm }
    | { readonly kind: 'USER'; readonly user: string }
    | { readonly kind: 'EXPOSE'; readonly ports: readonly string[] }
    | { readonly kind: 'STOPSIGNAL'; readonly signal: string }
    | { readonly kind: 'VOLUME'; readonly paths: readonly string[] }
    | { readonly kind: 'SHELL'; readonly words: readonly string[] }
    | { readonly kind: 'HEALTHCHECK'; readonly check: ReturnType<typeof parseHealthcheck> }
    | { readonly kind: 'MAINTAINER'; readonly name: string }
    /** Something that the builder does not do; it matters only where its stage is built. */
    | { readonly kind: 'REFUSED'; readonly error: DockerfileError }
  );

export type InstructionOf<Kind extends Instruction['kind']> = Extract<Instruction, { kind: Kind }>;

/**
 * Reads a Dockerfile.
 *
 * Mistakes fail, all at once. What is right and cannot be carried out on the host becomes an instruction that says
 * so, because a build that skips an instruction is not the build that was asked for.
 */
export function parseDockerfile(text: string): Instruction[] {
  const { lines, errors } = logicalLines(text);
  const mistakes = [...errors];
  const instructions: Instruction[] = [];
  for (const logical of lines) {
    const match = /^\s*(\S+)\s*([\s\S]*)$/.exec(logical.text);
    if (match === null) continue;
    const place = { line: logical.line, source: logical.text.trim() };
    try {
      instructions.push(parseInstruction(match[1]!.toUpperCase(), match[2]!.trimEnd(), place, logical));
    } catch (error) {
      if (!(error instanceof DockerfileError)) throw error;
      if (error.code === 'InvalidDockerfile') mistakes.push(error);
      instructions.push({ ...place, kind: 'REFUSED', error });
    }
  }
  mistakes.push(...misplaced(instructions, mistakes.length > 0));
  if (mistakes.length > 0) {
    const refused = instructions.flatMap((item) => (item.kind === 'REFUSED' ? [item.error] : []));
    throwAll([...new Set([...mistakes, ...refused])]);
  }
  return instructions;
}

function parseInstruction(
  name: string,
  rest: string,
  place: Place,
  { hereDocuments }: LogicalLine,
): Instruction {
  const { line } = place;
  const invalid = (message: string) => new DockerfileError('InvalidDockerfile', line, message);
  if (rest === '' && NAMES.includes(name)) throw invalid(`${name} needs an argument.`);
  switch (name) {
    case 'FROM':
      return { ...place, kind: name, ...parseFrom(rest, line) };
    case 'ARG':
      return { ...place, kind: name, names: splitWords(rest, line).map((word) => parseArg(word, line)) };
    case 'ENV':
    case 'LABEL':
      return { ...place, kind: name, pairs: parsePairs(name, rest, line) };
    case 'WORKDIR':
      return { ...place, kind: name, path: rest };
    case 'COPY':
    case 'ADD':
      if (hereDocuments.length > 0) throw unsupported(`${name} with a here-document`, line);
      return { ...place, kind: name, ...parseCopy(name, rest, line) };
    case 'RUN':
      return { ...place, kind: name, command: parseRun(rest, hereDocuments, line) };
    case 'CMD':
    case 'ENTRYPOINT':
      return { ...place, kind: name, command: parseCommand(rest) };
    case 'USER':
      return { ...place, kind: name, user: rest };
    case 'EXPOSE':
      return { ...place, kind: name, ports: splitWords(rest, line) };
    case 'STOPSIGNAL':
      return { ...place, kind: name, signal: rest };
    case 'VOLUME':
      return { ...place, kind: name, paths: parseJsonWords(rest) ?? splitWords(rest, line) };
    case 'SHELL': {
      const words = parseJsonWords(rest);
      if (words === undefined || words.length === 0) throw invalid('write SHELL ["program", "option"].');
      return { ...place, kind: name, words };
    }
    case 'HEALTHCHECK':
      return { ...place, kind: name, check: parseHealthcheck(rest, line) };
    case 'MAINTAINER':
      return { ...place, kind: name, name: rest };
    case 'ONBUILD':
      throw unsupported(name, line);
    default:
      throw invalid(`"${name}" is not an instruction.`);
  }
}

const NAMES = [
  'FROM',
  'ARG',
  'ENV',
  'LABEL',
  'WORKDIR',
  'COPY',
  'ADD',
  'RUN',
  'CMD',
  'ENTRYPOINT',
  'USER',
  'EXPOSE',
  'STOPSIGNAL',
  'VOLUME',
  'SHELL',
  'HEALTHCHECK',
  'MAINTAINER',
];

/** Without FROM nothing else is worth saying, unless the FROM itself is what is wrong. */
function misplaced(instructions: readonly Instruction[], mistaken: boolean): DockerfileError[] {
  const first = instructions.findIndex(
    (item) => item.kind === 'FROM' || (item.kind === 'REFUSED' && /^from\b/i.test(item.source)),
  );
  if (first < 0 && mistaken) return [];
  if (first < 0)
    return [new DockerfileError('InvalidDockerfile', 1, 'the Dockerfile has no FROM instruction.')];
  return instructions
    .slice(0, first)
    .filter(({ kind }) => kind !== 'ARG')
    .map(
      ({ line, source }) =>
        new DockerfileError(
          'InvalidDockerfile',
          line,
          `${source.split(/\s/)[0]!.toUpperCase()} stands before FROM; only ARG may.`,
        ),
    );
}
