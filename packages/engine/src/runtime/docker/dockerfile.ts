import { UserError } from '../../errors.ts';

/** One instruction of a Dockerfile, as written: variables are not yet replaced. */
export type Instruction = { readonly line: number; readonly source: string } & (
  | { readonly kind: 'FROM'; readonly image: string }
  | { readonly kind: 'ARG'; readonly names: readonly { name: string; value?: string }[] }
  | { readonly kind: 'ENV'; readonly pairs: readonly { name: string; value: string }[] }
  | { readonly kind: 'LABEL'; readonly pairs: readonly { name: string; value: string }[] }
  | { readonly kind: 'WORKDIR'; readonly path: string }
  | {
      readonly kind: 'COPY';
      readonly sources: readonly string[];
      readonly destination: string;
      readonly chmod?: string;
    }
  | { readonly kind: 'RUN'; readonly command: CommandForm }
  | { readonly kind: 'CMD'; readonly command: CommandForm }
  | { readonly kind: 'ENTRYPOINT'; readonly command: CommandForm }
  | { readonly kind: 'USER'; readonly user: string }
  | { readonly kind: 'EXPOSE'; readonly ports: readonly string[] }
  | { readonly kind: 'STOPSIGNAL'; readonly signal: string }
);

/** How a command is written: `exec` is run as it is, `shell` by `/bin/sh -c`. */
export type CommandForm =
  | { readonly form: 'exec'; readonly words: readonly string[] }
  | { readonly form: 'shell'; readonly text: string };

/** A mistake in a Dockerfile, or something that the built-in builder does not do. */
export class DockerfileError extends UserError {
  readonly line: number;

  constructor(code: 'InvalidDockerfile' | 'UnsupportedInstruction', line: number, message: string) {
    super(code, `Dockerfile line ${line}: ${message}`);
    this.line = line;
  }
}

/** What to say about something that only a real container build can do. */
export const NEEDS_CONTAINER_ENGINE =
  'is not supported without a container engine. Install and start Docker or Podman, or leave it out';

interface LogicalLine {
  readonly line: number;
  readonly text: string;
}

/**
 * Reads a Dockerfile.
 *
 * Only the instructions that can be carried out on the host are accepted; any other fails with its name and
 * line, because a build that skips an instruction is not the build that was asked for.
 */
export function parseDockerfile(text: string): Instruction[] {
  const instructions: Instruction[] = [];
  for (const { line, text: source } of logicalLines(text)) {
    const match = /^\s*(\S+)\s*([\s\S]*)$/.exec(source);
    if (match === null) continue;
    instructions.push(parseInstruction(match[1]!.toUpperCase(), match[2]!.trimEnd(), line, source.trim()));
  }
  checkOrder(instructions);
  return instructions;
}

/** Joins continued lines and drops comments and blank lines, keeping the number of each first line. */
function logicalLines(text: string): LogicalLine[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  refuseDirectives(lines);
  const result: LogicalLine[] = [];
  let pending: { line: number; parts: string[] } | undefined;
  for (const [index, raw] of lines.entries()) {
    if (/^\s*#/.test(raw) || (raw.trim() === '' && pending === undefined)) continue;
    if (raw.trim() === '') continue;
    const continued = raw.trimEnd().endsWith('\\');
    const part = continued ? raw.trimEnd().slice(0, -1) : raw;
    pending ??= { line: index + 1, parts: [] };
    pending.parts.push(part);
    if (continued) continue;
    result.push({ line: pending.line, text: pending.parts.join('') });
    pending = undefined;
  }
  if (pending !== undefined) result.push({ line: pending.line, text: pending.parts.join('') });
  return result;
}

/** Directives stand in comments before anything else. Only one of them changes what the lines mean. */
function refuseDirectives(lines: readonly string[]): void {
  for (const [index, raw] of lines.entries()) {
    const directive = /^\s*#\s*([a-z]+)\s*=\s*(\S+)\s*$/i.exec(raw);
    if (directive === null) return;
    if (directive[1]!.toLowerCase() === 'escape' && directive[2] !== '\\')
      throw unsupported(`The directive escape=${directive[2]}`, index + 1);
  }
}

function parseInstruction(name: string, rest: string, line: number, source: string): Instruction {
  const at = { line, source };
  const invalid = (message: string) => new DockerfileError('InvalidDockerfile', line, message);
  if (rest === '' && SUPPORTED.includes(name)) throw invalid(`${name} needs an argument.`);
  switch (name) {
    case 'FROM':
      return { ...at, kind: 'FROM', image: parseFrom(rest, line) };
    case 'ARG':
      return { ...at, kind: 'ARG', names: splitWords(rest, line).map((word) => parseArg(word, line)) };
    case 'ENV':
      return { ...at, kind: 'ENV', pairs: parsePairs(name, rest, line) };
    case 'LABEL':
      return { ...at, kind: 'LABEL', pairs: parsePairs(name, rest, line) };
    case 'WORKDIR':
      return { ...at, kind: 'WORKDIR', path: rest };
    case 'COPY':
      return { ...at, kind: 'COPY', ...parseCopy(rest, line) };
    case 'RUN': {
      const flag = /^--([a-z-]+)/.exec(rest);
      if (flag !== null) throw unsupported(`RUN --${flag[1]}`, line);
      if (HERE_DOCUMENT.test(rest)) throw unsupported('RUN with a here-document', line);
      return { ...at, kind: 'RUN', command: parseCommand(rest) };
    }
    case 'CMD':
      return { ...at, kind: 'CMD', command: parseCommand(rest) };
    case 'ENTRYPOINT':
      return { ...at, kind: 'ENTRYPOINT', command: parseCommand(rest) };
    case 'USER':
      return { ...at, kind: 'USER', user: rest };
    case 'EXPOSE':
      return { ...at, kind: 'EXPOSE', ports: splitWords(rest, line) };
    case 'STOPSIGNAL':
      return { ...at, kind: 'STOPSIGNAL', signal: rest };
    default:
      if (KNOWN_UNSUPPORTED.includes(name)) throw unsupported(name, line);
      throw invalid(`"${name}" is not an instruction.`);
  }
}

const HERE_DOCUMENT = /(?<!<)<<-?\s*["']?[A-Za-z_]/;
const SUPPORTED = [
  'FROM',
  'ARG',
  'ENV',
  'LABEL',
  'WORKDIR',
  'COPY',
  'RUN',
  'CMD',
  'ENTRYPOINT',
  'USER',
  'EXPOSE',
  'STOPSIGNAL',
];
const KNOWN_UNSUPPORTED = ['ADD', 'VOLUME', 'HEALTHCHECK', 'SHELL', 'ONBUILD', 'MAINTAINER'];

function unsupported(what: string, line: number): DockerfileError {
  return new DockerfileError('UnsupportedInstruction', line, `${what} ${NEEDS_CONTAINER_ENGINE}.`);
}

function checkOrder(instructions: readonly Instruction[]): void {
  let from = false;
  for (const instruction of instructions) {
    if (instruction.kind === 'FROM') {
      if (from) throw unsupported('A second FROM (multi-stage build)', instruction.line);
      from = true;
    } else if (!from && instruction.kind !== 'ARG') {
      throw new DockerfileError(
        'InvalidDockerfile',
        instruction.line,
        `${instruction.kind} stands before FROM; only ARG may.`,
      );
    }
  }
  if (!from) throw new UserError('InvalidDockerfile', 'The Dockerfile has no FROM instruction.');
}

function parseFrom(rest: string, line: number): string {
  const words = rest.split(/\s+/);
  const flag = words.find((word) => word.startsWith('--'));
  if (flag !== undefined && !flag.startsWith('--platform=')) throw unsupported(`FROM ${flag}`, line);
  const [image, as, stage, ...more] = words.filter((word) => !word.startsWith('--'));
  const wellFormed =
    as === undefined || (as.toUpperCase() === 'AS' && stage !== undefined && more.length === 0);
  if (image === undefined || !wellFormed)
    throw new DockerfileError('InvalidDockerfile', line, 'write FROM image [AS name].');
  return image;
}

function parseArg(word: string, line: number): { name: string; value?: string } {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word : word.slice(0, equals);
  if (!/^[A-Za-z_]\w*$/.test(name))
    throw new DockerfileError('InvalidDockerfile', line, `"${name}" is not a name for an argument.`);
  return equals < 0 ? { name } : { name, value: word.slice(equals + 1) };
}

function parsePairs(kind: string, rest: string, line: number): { name: string; value: string }[] {
  const words = splitWords(rest, line);
  const [first = ''] = words;
  if (!first.includes('=')) {
    const old = /^(\S+)\s+([\s\S]+)$/.exec(rest);
    if (kind === 'LABEL' || old === null)
      throw new DockerfileError('InvalidDockerfile', line, `write ${kind} name=value.`);
    return [{ name: old[1]!, value: old[2]! }];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 1) throw new DockerfileError('InvalidDockerfile', line, `"${word}" is not name=value.`);
    return { name: unquote(word.slice(0, equals)), value: word.slice(equals + 1) };
  });
}

function unquote(text: string): string {
  return /^(["']).*\1$/s.test(text) ? text.slice(1, -1) : text;
}

function parseCopy(rest: string, line: number): { sources: string[]; destination: string; chmod?: string } {
  let text = rest;
  let chmod: string | undefined;
  for (
    let flag = /^--([a-z-]+)(?:=(\S+))?\s+/.exec(text);
    flag !== null;
    flag = /^--([a-z-]+)(?:=(\S+))?\s+/.exec(text)
  ) {
    text = text.slice(flag[0].length);
    const [, name, value] = flag;
    if (name === 'chown' && value !== undefined) continue;
    if (name !== 'chmod' || value === undefined) throw unsupported(`COPY --${name}`, line);
    if (!/^0?[0-7]{3}$/.test(value))
      throw new DockerfileError('InvalidDockerfile', line, `"${value}" is not a mode such as 755.`);
    chmod = value;
  }
  if (HERE_DOCUMENT.test(text)) throw unsupported('COPY with a here-document', line);
  const words = parseJsonWords(text) ?? splitWords(text, line);
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2)
    throw new DockerfileError('InvalidDockerfile', line, 'COPY needs a source and a destination.');
  return { sources: words.slice(0, -1), destination, ...(chmod === undefined ? {} : { chmod }) };
}

function parseCommand(rest: string): CommandForm {
  const words = parseJsonWords(rest);
  return words === undefined ? { form: 'shell', text: rest } : { form: 'exec', words };
}

/** As in Docker, what looks like a list but is not valid JSON is a shell command. */
function parseJsonWords(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Splits at blanks outside quotes. Quotes and backslashes stay: they matter until variables are replaced. */
function splitWords(text: string, line: number): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '\\' && quote !== "'" && index + 1 < text.length) {
      word += character + text[++index]!;
    } else if (quote !== '') {
      word += character;
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") {
      word += character;
      quote = character;
    } else if (/\s/.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else {
      word += character;
    }
  }
  if (quote !== '') throw new DockerfileError('InvalidDockerfile', line, `a ${quote} is not closed.`);
  if (word !== '') words.push(word);
  return words;
}
